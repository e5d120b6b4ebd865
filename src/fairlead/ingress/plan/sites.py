"""One host, from all Ingresses that speak of it: the oldest wins where two want the same path."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fairlead.ingress.plan.certificates import Pair
from fairlead.ingress.plan.claims import EVERY_HOST, Claim, ClaimedPath, Target
from fairlead.ingress.plan.model import Location, PathKind, Problem, Site

Certificates = Callable[[str], "Pair | str"]  # the pair, or why there is none
DEFAULT_CERTIFICATE = "default"


@dataclass(slots=True)
class Planned:
    """A site, and what its Ingresses have to be told: claim's key → problems."""

    site: Site
    problems: dict[str, list[Problem]] = field(default_factory=dict)

    def tell(self, claim: Claim, problem: Problem) -> None:
        self.problems.setdefault(claim.key, []).append(problem)


def site(host: str, claims: Iterable[Claim], certificates: Certificates, default: Target | None) -> Planned | None:
    """None where nobody speaks of the host. `default`: the controller's own backend."""
    ordered = sorted(claims, key=lambda each: each.age)
    if not ordered and (host != EVERY_HOST or default is None):
        return None
    planned = Planned(Site(host=host))
    certificate = _certificate(host, ordered, certificates, planned)
    locations: list[Location] = []
    paths: list[tuple[PathKind, str, int]] = []
    owners: dict[tuple[str, str], Claim] = {}
    for each in ordered:
        for path in each.rules.get(host, ()):
            keys = [key for key in _keys(path) if _claim(planned, owners, key, each, host)]
            if not keys:
                continue
            number = len(locations)
            locations.append(_location(host, each, path.path, path.target, secure=certificate is not None))
            paths += [(kind, text, number) for kind, text in keys]
    fallback = _default(host, ordered, default, locations, secure=certificate is not None)
    planned.site = Site(
        host=host, certificate=certificate, paths=tuple(paths), locations=tuple(locations), default=fallback
    )
    return planned


def _keys(path: ClaimedPath) -> list[tuple[PathKind, str]]:
    """How a path is looked up. Without a type it is what nginx calls a prefix: by letters, as in ingress-nginx."""
    match path.kind:
        case "Exact":
            return [("exact", path.path)]
        case "Prefix":
            return [("elements", path.path.rstrip("/") or "/")]
    return [("letters", path.path)]


def _claim(
    planned: Planned, owners: dict[tuple[str, str], Claim], key: tuple[PathKind, str], claim: Claim, host: str
) -> bool:
    owner = owners.setdefault(key, claim)
    if owner is claim:
        return True
    text = f'host "{host}" and path "{key[1]}" are already defined in ingress {owner.key}, which is older'
    planned.tell(claim, Problem("Conflict", text))
    return False


def _location(host: str, claim: Claim, path: str, target: Target, *, secure: bool) -> Location:
    options = claim.parsed.options
    return Location(
        namespace=claim.namespace,
        ingress=claim.name,
        service=target.service,
        port=target.port,
        path=path,
        backend=target.key,
        label="\0".join((claim.namespace, claim.name, target.service, host, path)),
        name=target.name,
        https=options.force_ssl_redirect or (options.ssl_redirect and secure),
        options=options,
    )


def _default(
    host: str, ordered: list[Claim], default: Target | None, locations: list[Location], *, secure: bool
) -> int | None:
    """What serves the paths that no rule names: the Ingress's own default backend, or the controller's."""
    for each in ordered:
        if each.default is not None and (host in each.rules or host == EVERY_HOST):
            locations.append(_location(host, each, "/", each.default, secure=secure))
            return len(locations) - 1
    if default is not None:
        label = "\0".join(("", "", default.service, host, "/"))
        locations.append(
            Location(
                namespace=default.namespace,
                ingress="",
                service=default.service,
                port=default.port,
                path="/",
                backend=default.key,
                label=label,
                name=default.name,
            )
        )
        return len(locations) - 1
    return None


def _certificate(host: str, ordered: list[Claim], certificates: Certificates, planned: Planned) -> str | None:
    """The Secret of the first `tls` entry that names the host; "default" where it cannot be used. None: no TLS."""
    for each in ordered:
        for hosts, secret in each.tls:
            if host not in hosts and not (host == EVERY_HOST and not hosts):
                continue
            if secret is None:
                return DEFAULT_CERTIFICATE
            found = certificates(secret)
            if isinstance(found, Pair):
                return secret
            text = f"Secret {secret}: {found}; the default certificate is shown instead"
            planned.tell(each, Problem("BadCertificate", text))
            return DEFAULT_CERTIFICATE
    for each in ordered:  # one that is listed under no name serves the names that it is for
        for _, secret in each.tls:
            found = certificates(secret) if secret is not None else ""
            if isinstance(found, Pair) and found.covers(host):
                return secret
    return None
