"""The annotations of one Ingress, each read by its subject; what cannot be honoured is told by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.ingress.plan.model import Problem
from fairlead.ingress.plan.options import Options

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # Go's strconv.ParseBool, which ingress-nginx reads with
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """`secrets`: those that the options need, as "namespace/name"."""

    options: Options = Options()  # noqa: RUF009  # frozen
    problems: tuple[Problem, ...] = ()
    secrets: tuple[str, ...] = ()


def parse(annotations: Mapping[str, str], prefix: str) -> Parsed:
    found = {
        key.removeprefix(f"{prefix}/"): value for key, value in annotations.items() if key.startswith(f"{prefix}/")
    }
    if not found:
        return Parsed()
    problems: list[Problem] = []
    changes: dict[str, object] = {}
    for name, field in (("ssl-redirect", "ssl_redirect"), ("force-ssl-redirect", "force_ssl_redirect")):
        if name in found:
            if found[name] in TRUE | FALSE:
                changes[field] = found[name] in TRUE
            else:
                problems.append(
                    Problem("InvalidAnnotation", f"{prefix}/{name}: {found[name]!r} is neither true nor false")
                )
    return Parsed(Options(**changes), tuple(problems))  # type: ignore[arg-type]
