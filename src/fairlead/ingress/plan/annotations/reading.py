"""The annotations of one Ingress, each read by its subject; what cannot be honoured is told by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.ingress.plan.annotations import access, balancing, external, proxying, responses, rewriting
from fairlead.ingress.plan.annotations.names import KNOWN
from fairlead.ingress.plan.annotations.reader import Reader
from fairlead.ingress.plan.annotations.refused import REFUSED
from fairlead.ingress.plan.model import Problem
from fairlead.ingress.plan.options import Options
from fairlead.ingress.plan.profiles import INTERCEPTED, NEXT, next_index
from fairlead.ingress.plan.targets import Target

SUBJECTS: tuple[Callable[[Reader], dict[str, Any]], ...] = (
    rewriting.read,
    proxying.read,
    balancing.read,
    access.read,
    external.read,
    responses.read,
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """`secrets`: records made of Secrets that the options need; `config_maps`: "namespace/name"; `targets`: where else
    traffic goes."""

    options: Options = Options()  # noqa: RUF009  # frozen
    problems: tuple[Problem, ...] = ()
    secrets: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    config_maps: tuple[str, ...] = ()


def parse(
    annotations: Mapping[str, str], prefix: str, namespace: str, *, allow_other_namespaces: bool = False
) -> Parsed:
    found = {
        key.removeprefix(f"{prefix}/"): value for key, value in annotations.items() if key.startswith(f"{prefix}/")
    }
    if not found:
        return Parsed()
    reader = Reader(found, prefix, namespace, allow_other_namespaces=allow_other_namespaces)
    for name in sorted(found):
        if name in REFUSED:
            reader.problems.append(Problem("UnsupportedAnnotation", f"{prefix}/{name}: {REFUSED[name]}"))
        elif name not in KNOWN:
            reader.problems.append(Problem("UnknownAnnotation", f"{prefix}/{name}: there is no such annotation"))
    fields: dict[str, Any] = {}
    for read in SUBJECTS:
        fields |= read(reader)
    options = Options(**fields, denied=reader.denied)
    _tell_limits(reader, options)
    return Parsed(
        options,
        tuple(reader.problems),
        tuple(reader.secrets),
        tuple(reader.targets),
        tuple(reader.config_maps),
    )


def _tell_limits(reader: Reader, options: Options) -> None:
    """Where the finite set of locations has less than was wished for."""
    beyond = sorted(set(options.error_codes) - set(INTERCEPTED))
    if beyond:
        shown = ", ".join(map(str, INTERCEPTED))
        reader.refuse("custom-http-errors", f"pods' answers {beyond} stay as they are: only {shown} can be replaced")
    wished = options.upstream.next
    if wished is not None and set(NEXT[next_index(wished)]) != set(wished):
        kept = " ".join(NEXT[next_index(wished)])
        reader.refuse("proxy-next-upstream", f"only {kept!r} of {' '.join(wished)!r} is done")
