"""ServiceAccount tokens: signed JWTs, bound to a pod where one is named (KEP-1205)."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from fairlead.api.resources import PODS, SERVICE_ACCOUNTS
from fairlead.api.status import unauthorized
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.registry import Registry
from fairlead.apiserver.users import User, service_account_user

Json = dict[str, Any]

ISSUER = "https://kubernetes.default.svc.cluster.local"
REMEMBERED = 1024  # tokens whose signature need not be checked again


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to."""

    kind: str
    name: str
    uid: str


class Tokens:
    def __init__(self, key_file: str, registry: Registry) -> None:
        with open(key_file, "rb") as file:  # noqa: PTH123  # read once
            key = serialization.load_pem_private_key(file.read(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        self._key = key
        self._public = key.public_key()
        self._registry = registry
        self._verified: dict[str, Json] = {}
        self._users: dict[str, tuple[Entry, Entry | None, User]] = {}  # by token, as long as its owner does not change

    def issue(
        self, namespace: str, name: str, uid: str, *, audiences: list[str], seconds: int, bound: Bound | None
    ) -> tuple[str, float]:
        """The token and when it expires, in seconds since the epoch."""
        now = int(time.time())
        private: Json = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        if bound is not None:
            private[bound.kind.lower()] = {"name": bound.name, "uid": bound.uid}
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "aud": audiences or [ISSUER],
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
        }
        return jwt.encode(claims, self._key, algorithm="ES256"), now + seconds

    def verify(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User:
        """Raises ApiError (401) for a token that is forged, expired, for others, or whose owner is gone."""
        claims = self._verified.get(token)
        if claims is None or claims["exp"] <= time.time() or not set(audiences) & set(claims["aud"]):
            try:
                claims = jwt.decode(token, self._public, algorithms=["ES256"], audience=audiences, issuer=ISSUER)
            except jwt.InvalidTokenError as error:
                raise unauthorized() from error
            if len(self._verified) >= REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        return self._owner(token, claims)

    def _owner(self, token: str, claims: Json) -> User:
        private: Json = claims["kubernetes.io"]
        namespace, account, pod = private["namespace"], private["serviceaccount"], private.get("pod")
        found = self._registry.find(SERVICE_ACCOUNTS, namespace, account["name"])
        of_pod = None if pod is None else self._registry.find(PODS, namespace, pod["name"])
        known = self._users.get(token)
        if known is not None and known[0] is found and known[1] is of_pod:
            return known[2]
        if found is None or found.decode()["metadata"]["uid"] != account["uid"]:
            raise unauthorized()
        extra: list[tuple[str, tuple[str, ...]]] = []
        if pod is not None:
            if of_pod is None or of_pod.decode()["metadata"]["uid"] != pod["uid"]:
                raise unauthorized()
            extra.append(("authentication.kubernetes.io/pod-name", (pod["name"],)))
            extra.append(("authentication.kubernetes.io/pod-uid", (pod["uid"],)))
        user = service_account_user(namespace, account["name"], account["uid"], tuple(extra))
        if len(self._users) >= REMEMBERED:
            self._users.clear()
        self._users[token] = (found, of_pod, user)
        return user
