"""The objects that a pod's environment and volumes are filled from. Pure.

`references` says which ones a pod names; `Sources` holds what was found. A name that is missing in `Sources` is one
that does not exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.api.types.core import ConfigMap, Pod, Secret, ServiceAccountTokenProjection, Volume

DEFAULT_EXPIRATION = 3600


class SourceError(Exception):
    """Something that the pod asks for is not there. The text is Kubernetes' own."""


@dataclass(frozen=True, slots=True)
class Token:
    """A service account token to be asked for."""

    audience: str
    expiration_seconds: int

    @classmethod
    def of(cls, projection: ServiceAccountTokenProjection) -> "Token":
        return cls(projection.audience, projection.expiration_seconds or DEFAULT_EXPIRATION)


@dataclass(frozen=True, slots=True)
class References:
    config_maps: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    tokens: frozenset[Token] = frozenset()


@dataclass(frozen=True, slots=True)
class Sources:
    namespace: str = ""
    config_maps: Mapping[str, ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    tokens: Mapping[Token, str] = field(default_factory=dict)


def references(pod: Pod) -> References:
    """What the volumes and all containers' environments name."""
    volumes = references_of_volumes(pod.spec.volumes)
    config_maps, secrets = set(volumes.config_maps), set(volumes.secrets)
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for env in container.env:
            source = env.value_from
            if source is not None and source.config_map_key_ref is not None:
                config_maps.add(source.config_map_key_ref.name)
            if source is not None and source.secret_key_ref is not None:
                secrets.add(source.secret_key_ref.name)
        for origin in container.env_from:
            if origin.config_map_ref is not None:
                config_maps.add(origin.config_map_ref.name)
            if origin.secret_ref is not None:
                secrets.add(origin.secret_ref.name)
    return References(frozenset(config_maps), frozenset(secrets), volumes.tokens)


def references_of_volumes(volumes: Iterable[Volume]) -> References:
    config_maps: set[str] = set()
    secrets: set[str] = set()
    tokens: set[Token] = set()
    for volume in volumes:
        if volume.config_map is not None:
            config_maps.add(volume.config_map.name)
        if volume.secret is not None:
            secrets.add(volume.secret.secret_name)
        for part in volume.projected.sources if volume.projected is not None else ():
            if part.config_map is not None:
                config_maps.add(part.config_map.name)
            if part.secret is not None:
                secrets.add(part.secret.name)
            if part.service_account_token is not None:
                tokens.add(Token.of(part.service_account_token))
    return References(frozenset(config_maps), frozenset(secrets), frozenset(tokens))
