"""What one Ingress asks for: its rules with their paths, its certificates, its options. Typed once, here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.api.types.networking import Ingress, IngressBackend
from fairlead.ingress.plan.annotations import Parsed, parse
from fairlead.ingress.plan.model import Problem

EVERY_HOST = "_"
HOST = re.compile(r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")
# What a path may not have: control characters would end a line of a log or a label of a metric.
BAD_PATH = re.compile(r"[\x00-\x20\x7f]")
LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """A Service's port, as the Ingress names it."""

    namespace: str
    service: str
    port: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.service}/{self.port}"

    @property
    def name(self) -> str:
        """As ingress-nginx calls it in logs and metrics."""
        return f"{self.namespace}-{self.service}-{self.port}"


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

    def targets(self) -> Iterator[Target]:
        for paths in self.rules.values():
            for each in paths:
                yield each.target
        if self.default is not None:
            yield self.default

    def secrets(self) -> Iterator[str]:
        for _, secret in self.tls:
            if secret is not None:
                yield secret
        yield from self.parsed.secrets


def claim(ingress: Ingress, prefix: str) -> Claim:
    """Never fails: what cannot be honoured is left out and is a problem of the claim. `prefix`: the annotations'."""
    namespace = ingress.metadata.namespace
    parsed = parse(ingress.metadata.annotations, prefix)
    problems = list(parsed.problems)
    rules: dict[str, tuple[ClaimedPath, ...]] = {}
    for number, rule in enumerate(ingress.spec.rules):
        host = rule.host.lower() or EVERY_HOST
        if host != EVERY_HOST and not HOST.match(host):
            problems.append(Problem("InvalidHost", f"spec.rules[{number}].host: {host!r} is no name of a host"))
            continue
        found = rules.get(host, ())
        for place, each in enumerate(rule.http.paths if rule.http is not None else ()):
            field = f"spec.rules[{number}].http.paths[{place}]"
            target = _target(namespace, each.backend)
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
        default = _target(namespace, ingress.spec.default_backend)
        if default is None:
            problems.append(Problem("InvalidBackend", "spec.defaultBackend: only Services are backends here"))
    tls = tuple(
        (tuple(host.lower() for host in each.hosts), f"{namespace}/{each.secret_name}" if each.secret_name else None)
        for each in ingress.spec.tls
    )
    metadata = ingress.metadata
    created = metadata.creation_timestamp or ""
    return Claim(namespace, metadata.name, metadata.uid, created, rules, default, tls, parsed, tuple(problems))


def _fault(path: str) -> str:
    if not path.startswith("/"):
        return "it must begin with /"
    if len(path) > LONGEST_PATH:
        return f"it is longer than {LONGEST_PATH} characters"
    if BAD_PATH.search(path):
        return "it has a blank or a control character"
    return ""


def _target(namespace: str, backend: IngressBackend) -> Target | None:
    service = backend.service
    if service is None or not service.name:
        return None
    return Target(namespace, service.name, service.port.name or str(service.port.number))
