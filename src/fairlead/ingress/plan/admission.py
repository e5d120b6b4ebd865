"""Whether an Ingress may be created or changed: what a validating webhook answers. Pure; nginx is never run for it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.api.types.networking import Ingress
from fairlead.ingress.plan.claims import Claim, claim
from fairlead.ingress.plan.defaults import Defaults

STRICT_PATH = re.compile(r"^/[A-Za-z0-9._~%@:+,=/-]*$")
# Problems that are told, but do not keep an Ingress out: it works without what they are about.
TOLERATED = frozenset({"UnknownAnnotation"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`message` says why not; `warnings` are shown to who has written the Ingress."""

    allowed: bool
    message: str = ""
    warnings: tuple[str, ...] = ()


def review(ingress: Ingress, prefix: str, defaults: Defaults, others: Iterable[Claim]) -> Verdict:
    """`others`: all Ingresses that are served."""
    made = claim(ingress, prefix, defaults)
    faults = [each.message for each in made.problems if each.reason not in TOLERATED]
    faults += _paths(made) if defaults.strict_paths else []
    faults += _conflicts(made, others)
    warnings = tuple(each.message for each in made.problems if each.reason in TOLERATED)
    return Verdict(not faults, "; ".join(faults), warnings)


def _paths(made: Claim) -> list[str]:
    """A pattern belongs to the path type ImplementationSpecific."""
    return [
        f"ingress contains invalid paths: path {path.path} cannot be used with pathType {path.kind}"
        for paths in made.rules.values()
        for path in paths
        if path.kind in ("Exact", "Prefix") and not STRICT_PATH.match(path.path)
    ]


def _conflicts(made: Claim, others: Iterable[Claim]) -> list[str]:
    if made.is_canary:
        return []
    found = []
    for other in others:
        if other.key == made.key or other.is_canary:
            continue
        for host, paths in made.rules.items():
            taken = {(path.path, path.kind): path.target for path in other.rules.get(host, ())}
            for path in paths:
                if taken.get((path.path, path.kind), path.target) != path.target:
                    found.append(f'host "{host}" and path "{path.path}" is already defined in ingress {other.key}')
    return found
