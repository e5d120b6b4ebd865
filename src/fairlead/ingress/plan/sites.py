"""One host, from all Ingresses that speak of it: the oldest wins where two want the same path."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from fairlead.ingress.plan import profiles
from fairlead.ingress.plan.certificates import Pair
from fairlead.ingress.plan.claims import EVERY_HOST, Claim, ClaimedPath, www
from fairlead.ingress.plan.defaults import Defaults
from fairlead.ingress.plan.model import Alternative, Location, PathKind, Problem, Site
from fairlead.ingress.plan.options import Options
from fairlead.ingress.plan.targets import Target

Certificates = Callable[[str], "Pair | str"]  # the pair, or why there is none
DEFAULT_CERTIFICATE = "default"
Key = tuple[PathKind, str]


@dataclass(slots=True)
class Planned:
    """A site, and what its Ingresses have to be told: claim's key → problems."""

    site: Site
    problems: dict[str, list[Problem]] = field(default_factory=dict)

    def tell(self, claim: Claim, problem: Problem) -> None:
        self.problems.setdefault(claim.key, []).append(problem)


@dataclass(frozen=True, slots=True)
class Controller:
    """What is the controller's own: `backend` serves what nobody else does."""

    backend: Target | None = None
    targets: tuple[Target, ...] = ()  # of settings that hold for all
    defaults: Defaults = Defaults()  # noqa: RUF009  # frozen


def site(host: str, claims: Iterable[Claim], certificates: Certificates, own: Controller) -> Planned | None:
    """None where nobody speaks of the host."""
    ordered = sorted(claims, key=lambda each: each.age)
    stables = [each for each in ordered if not each.is_canary]
    named = [each for each in stables if host in each.rules]
    if not named and host != EVERY_HOST:
        return _by_another_name(host, stables, certificates, own)
    planned = Planned(Site(host=host))
    certificate = _certificate(host, stables, certificates, planned)
    paths: list[tuple[PathKind, str, int]] = []
    locations: list[Location] = []
    owners: dict[Key, tuple[Claim, int]] = {}
    regex = any(each.parsed.options.regex for each in named)
    for each in named:
        for path in each.rules[host]:
            kept = [
                key
                for key in _keys(path, each, regex=regex)
                if _own(planned, owners, key, each, path.target, host, locations)
            ]
            if kept:
                location = _location(host, each, path.path, path.target, certificate is not None, own.defaults)
                paths += [(kind, text, len(locations)) for kind, text in kept]
                locations.append(location)
    for each in ordered:
        if each.is_canary:
            for path in each.rules.get(host, ()):
                _add_canary(each, path, _keys(path, each, regex=regex), owners, locations, planned)
    if regex:  # the longest first, as ingress-nginx writes them
        paths.sort(key=lambda each: len(each[1]), reverse=True)
    fallback = _default(host, stables, locations, certificate is not None, own)
    if not locations and certificate is None and host == EVERY_HOST:
        return None
    judged = (each.parsed.options.client_tls for each in named)
    listed = (each.parsed.options.ciphers for each in named)
    planned.site = Site(
        host=host,
        certificate=certificate,
        client_tls=next((each for each in judged if each is not None), None),
        ciphers=next((each for each in listed if each), ""),
        paths=tuple(paths),
        locations=tuple(locations),
        default=fallback,
    )
    return planned


def _by_another_name(host: str, claims: list[Claim], certificates: Certificates, own: Controller) -> Planned | None:
    """An alias serves what the first host of its Ingress does; of a pair with and without "www.", one leads to the
    other."""
    for each in claims:
        if host in each.parsed.options.aliases and each.rules:
            primary = next(iter(each.rules))
            found = site(primary, claims, certificates, own)
            if found is None:
                return None
            return Planned(msgspec.structs.replace(found.site, host=host))
        other = www(host)
        if each.parsed.options.from_to_www and other in each.rules:
            planned = Planned(Site(host=host))
            certificate = _certificate(host, claims, certificates, planned)
            return Planned(Site(host=host, certificate=certificate, redirect_to=other))
    return None


def _keys(path: ClaimedPath, claim: Claim, *, regex: bool) -> list[Key]:
    """How a path is looked up. Without a type it is what nginx calls a prefix: by letters, as in ingress-nginx, and so
    are the patterns of a host where one Ingress uses them."""
    if regex and (claim.parsed.options.regex or path.kind != "Exact"):
        return [("pattern", f"^{path.path}")]
    match path.kind:
        case "Exact":
            return [("exact", path.path)]
        case "Prefix":
            return [("elements", path.path.rstrip("/") or "/")]
    return [("letters", path.path)]


def _own(
    planned: Planned,
    owners: dict[Key, tuple[Claim, int]],
    key: Key,
    claim: Claim,
    target: Target,
    host: str,
    locations: list[Location],
) -> bool:
    owner = owners.setdefault(key, (claim, len(locations)))
    if owner[0] is claim and owner[1] == len(locations):
        return True
    if locations[owner[1]].backend != target.key:  # else both say the same
        text = f'host "{host}" and path "{key[1]}" are already defined in ingress {owner[0].key}'
        planned.tell(claim, Problem("Conflict", text))
    return False


def _location(host: str, claim: Claim, path: str, target: Target, secure: bool, defaults: Defaults) -> Location:
    options = claim.parsed.options
    codes = options.error_codes or defaults.error_codes
    mirror = "" if options.mirror is None else f"{options.mirror.scheme}_{int(options.mirror.body)}"
    forced = defaults.force_ssl_redirect if options.force_ssl_redirect is None else options.force_ssl_redirect
    wanted = defaults.ssl_redirect if options.ssl_redirect is None else options.ssl_redirect
    return Location(
        namespace=claim.namespace,
        ingress=claim.name,
        service=target.service,
        port=target.port,
        path=path,
        backend=target.key,
        label="\0".join((claim.namespace, claim.name, target.service, host, path)),
        name=target.name,
        https=forced or (wanted and secure),
        profile=profiles.name(options.upstream, defaults.upstream, codes, mirror, client_pair=bool(options.tls_secret)),
        options=options,
        error_codes=codes,
    )


def _add_canary(
    claim: Claim,
    path: ClaimedPath,
    keys: list[Key],
    owners: dict[Key, tuple[Claim, int]],
    locations: list[Location],
    planned: Planned,
) -> None:
    """To the location that has the same path; without one, a canary is nobody's."""
    numbers = {owners[key][1] for key in keys if key in owners}
    canary = claim.parsed.options.canary
    assert canary is not None
    for number in numbers:
        made = Alternative(
            backend=path.target.key,
            name=path.target.name,
            service=path.target.service,
            canary=canary,
            options=_of_canary(claim.parsed.options),
        )
        locations[number] = _with(locations[number], made)
    if not numbers:
        planned.tell(claim, Problem("NoStable", f'no other Ingress has the path "{path.path}", so the canary has none'))


def _of_canary(options: Options) -> Options:
    """A canary's own are only those that say how its backend is balanced."""
    return Options(balance=options.balance, hash=options.hash, affinity=options.affinity)


def _with(location: Location, alternative: Alternative) -> Location:
    return msgspec.structs.replace(location, alternatives=(*location.alternatives, alternative))


def _default(host: str, ordered: list[Claim], locations: list[Location], secure: bool, own: Controller) -> int | None:
    """What serves the paths that no rule names: the Ingress's own default backend, or the controller's."""
    for each in ordered:
        if each.default is not None and (host in each.rules or host == EVERY_HOST):
            locations.append(_location(host, each, "/", each.default, secure, own.defaults))
            return len(locations) - 1
    if own.backend is None:
        return None
    locations.append(
        Location(
            namespace=own.backend.namespace,
            ingress="",
            service=own.backend.service,
            port=own.backend.port,
            path="/",
            backend=own.backend.key,
            label="\0".join(("", "", own.backend.service, host, "/")),
            name="upstream-default-backend",
        )
    )
    return len(locations) - 1


def _certificate(host: str, ordered: list[Claim], certificates: Certificates, planned: Planned) -> str | None:
    """The Secret of the first `tls` entry that names the host; "default" where it cannot be used. None: no TLS."""
    for each, secret in _naming(host, ordered):
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


def _naming(host: str, ordered: list[Claim]) -> Iterator[tuple[Claim, str | None]]:
    for each in ordered:
        for hosts, secret in each.tls:
            if host in hosts or (host == EVERY_HOST and not hosts):
                yield each, secret
