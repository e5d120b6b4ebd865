"""Label and field selectors: parse the query form, match objects.

Sources: apimachinery `pkg/labels` and `pkg/fields`; the grammar is in the API concepts page of the documentation.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fairlead.api.types.meta import LabelSelector

Labels = Mapping[str, str]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^=!<>\s]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^=!\s]*)$")
_KEY = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")


class SelectorError(ValueError):
    """A selector that does not parse; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: str  # in, notin, exists, !, gt, lt
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        return _MATCH[self.operator](labels.get(self.key), self.values)


def _number_beyond(sign: int) -> Callable[[str | None, frozenset[str]], bool]:
    def match(value: str | None, values: frozenset[str]) -> bool:
        try:
            return value is not None and sign * int(value) > sign * int(next(iter(values)))
        except ValueError:
            return False

    return match


_MATCH: dict[str, Callable[[str | None, frozenset[str]], bool]] = {
    "in": lambda value, values: value is not None and value in values,
    "notin": lambda value, values: value is None or value not in values,
    "exists": lambda value, _: value is not None,
    "!": lambda value, _: value is None,
    "gt": _number_beyond(1),
    "lt": _number_beyond(-1),
}


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements hold. No requirement: everything matches; `nothing`: nothing does."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Labels) -> bool:
        return not self.nothing and all(r.matches(labels) for r in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def parse_labels(text: str) -> Selector:
    """`app=web,tier in (a,b),!canary`. Raises SelectorError."""
    return Selector(tuple(_parse_requirement(part) for part in _split(text)))


def parse_fields(text: str) -> Selector:
    """`metadata.name=web,status.phase!=Running`. Values may escape `\\`, `,` and `=`. Raises SelectorError."""
    requirements = []
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        match = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
        if match is None:
            raise SelectorError(f"invalid selector: {text!r}; can't understand {part!r}".replace("'", '"'))
        value = re.sub(r"\\(.)", r"\1", match[3])
        operator = "notin" if match[2] == "!=" else "in"
        requirements.append(Requirement(match[1], operator, frozenset((value,))))
    return Selector(tuple(requirements))


def of_label_selector(selector: LabelSelector | None) -> Selector:
    """A LabelSelector object: None matches nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    requirements = [Requirement(k, "in", frozenset((v,))) for k, v in selector.match_labels.items()]
    names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    for expression in selector.match_expressions:
        if expression.operator not in names:
            raise SelectorError(f'"{expression.operator}" is not a valid label selector operator')
        requirements.append(Requirement(expression.key, names[expression.operator], frozenset(expression.values)))
    return Selector(tuple(requirements))


def of_map(labels: Labels) -> Selector:
    """A plain map, as Services have it. An empty one matches nothing: such a Service has no selector."""
    if not labels:
        return NOTHING
    return Selector(tuple(Requirement(k, "in", frozenset((v,))) for k, v in labels.items()))


def _split(text: str) -> list[str]:
    """Commas separate requirements, except inside parentheses."""
    parts = re.split(r",(?![^()]*\))", text)
    return [part.strip() for part in parts if part.strip()]


def _parse_requirement(part: str) -> Requirement:
    if match := _SET.match(part):
        values = frozenset(value.strip() for value in match["values"].split(","))
        return Requirement(_check_key(match["key"]), match["op"], values)
    if match := _EQUALITY.match(part):
        operator = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}[match["op"]]
        return Requirement(_check_key(match["key"]), operator, frozenset((match["value"],)))
    if part.startswith("!"):
        return Requirement(_check_key(part[1:].strip()), "!")
    return Requirement(_check_key(part), "exists")


def _check_key(key: str) -> str:
    if not _KEY.match(key) or len(key.rpartition("/")[2]) > 63:
        raise SelectorError(f'unable to parse requirement: invalid label key "{key}"')
    return key
