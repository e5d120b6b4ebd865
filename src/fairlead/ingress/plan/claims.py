"""What one Ingress asks for: its rules with their paths, its certificates, its options. Typed once, here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from fairlead.api.types.networking import Ingress, IngressBackend
from fairlead.ingress.plan.annotations import Parsed, parse
from fairlead.ingress.plan.defaults import Defaults
from fairlead.ingress.plan.model import Problem
from fairlead.ingress.plan.options import Options
from fairlead.ingress.plan.targets import Target

EVERY_HOST = "_"
HOST = re.compile(r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")
# What a path may not have: control characters would end a line of a log or a label of a metric.
BAD_PATH = re.compile(r"[\x00-\x20\x7f]")
LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class ClaimedPath:
    path: str
    kind: str  # Exact, Prefix or ImplementationSpecific
    target: Target


@dataclass(frozen=True, slots=True)
class Claim:
    """One Ingress, understood. `rules`: host → paths, in their order. `tls`: (hosts, Secret's "namespace/name")."""

    namespace: str
    name: str
    uid: str
    created: str
    rules: dict[str, tuple[ClaimedPath, ...]]
    default: Target | None
    tls: tuple[tuple[tuple[str, ...], str | None], ...]
    parsed: Parsed
    problems: tuple[Problem, ...]

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def age(self) -> tuple[str, str]:
        """The oldest wins; of two of the same second, the first by name."""
        return self.created, self.key

    @property
    def is_canary(self) -> bool:
        return self.parsed.options.canary is not None

    def hosts(self) -> Iterator[str]:
        """All names that it has a say in: of its rules, their aliases, and the same with or without "www."."""
        yield from self.rules
        yield from self.parsed.options.aliases
        if self.parsed.options.from_to_www:
            yield from (www(host) for host in self.rules if host != EVERY_HOST and not host.startswith("*"))
        if self.default is not None:
            yield EVERY_HOST

    def targets(self) -> Iterator[Target]:
        for paths in self.rules.values():
            for each in paths:
                yield each.target
        if self.default is not None:
            yield self.default
        yield from self.parsed.targets

    def secrets(self) -> Iterator[str]:
        """Records made of Secrets."""
        for _, secret in self.tls:
            if secret is not None:
                yield f"c:{secret}"
        yield from self.parsed.secrets


def www(host: str) -> str:
    """The other one of a pair."""
    return host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"


def claim(ingress: Ingress, prefix: str, defaults: Defaults) -> Claim:
    """Never fails: what cannot be honoured is left out and is a problem of the claim. `prefix`: the annotations'."""
    metadata = ingress.metadata
    namespace = metadata.namespace
    parsed = parse(metadata.annotations, prefix, namespace, allow_other_namespaces=defaults.allow_other_namespaces)
    parsed = replace(parsed, options=_with_defaults(parsed.options, defaults))
    problems = list(parsed.problems)
    wanted = parsed.options.service_upstream
    direct = defaults.service_upstream if wanted is None else wanted
    rules: dict[str, tuple[ClaimedPath, ...]] = {}
    for number, rule in enumerate(ingress.spec.rules):
        host = rule.host.lower() or EVERY_HOST
        if host != EVERY_HOST and not HOST.match(host):
            problems.append(Problem("InvalidHost", f"spec.rules[{number}].host: {host!r} is no name of a host"))
            continue
        found = rules.get(host, ())
        for place, each in enumerate(rule.http.paths if rule.http is not None else ()):
            field = f"spec.rules[{number}].http.paths[{place}]"
            target = _target(namespace, each.backend, direct=direct)
            if target is None:
                problems.append(Problem("InvalidBackend", f"{field}.backend: only Services are backends here"))
                continue
            path = each.path or "/"
            if fault := _fault(path):
                problems.append(Problem("InvalidPath", f"{field}.path: {fault}"))
                continue
            found = (*found, ClaimedPath(path, each.path_type, target))
        rules[host] = found
    default = None
    if ingress.spec.default_backend is not None:
        default = _target(namespace, ingress.spec.default_backend, direct=direct)
        if default is None:
            problems.append(Problem("InvalidBackend", "spec.defaultBackend: only Services are backends here"))
    tls = tuple(
        (tuple(host.lower() for host in each.hosts), f"{namespace}/{each.secret_name}" if each.secret_name else None)
        for each in ingress.spec.tls
    )
    created = metadata.creation_timestamp or ""
    return Claim(namespace, metadata.name, metadata.uid, created, rules, default, tls, parsed, tuple(problems))


def _with_defaults(options: Options, defaults: Defaults) -> Options:
    return msgspec.structs.replace(
        options,
        balance=options.balance or defaults.balance,
        allow=options.allow or defaults.allow,
        deny=options.deny or defaults.deny,
    )


def _fault(path: str) -> str:
    if not path.startswith("/"):
        return "it must begin with /"
    if len(path) > LONGEST_PATH:
        return f"it is longer than {LONGEST_PATH} characters"
    if BAD_PATH.search(path):
        return "it has a blank or a control character"
    return ""


def _target(namespace: str, backend: IngressBackend, *, direct: bool) -> Target | None:
    service = backend.service
    if service is None or not service.name:
        return None
    target = Target(namespace, service.name, service.port.name or str(service.port.number))
    return replace(target, direct=True) if direct else target
