"""What goes over an object, or two of them, by their shape: the set of its fields, what differs, merging, taking away.

An absent value differs from a null one, as it does to clients. Source: structured-merge-diff `typed/`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from fairlead.api.ownership import elements
from fairlead.api.ownership.elements import Path
from fairlead.api.ownership.fields import NONE, Fields
from fairlead.api.ownership.shapes import Shape

Json = dict[str, Any]


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT


def set_of(value: Any, shape: Shape) -> Fields:
    """The fields that whoever writes the value owns: leaves, a map's entries, a list's elements; of structs only empty
    ones."""
    if shape.atomic or not value:
        return NONE
    members: set[str] = set()
    children: dict[str, Fields] = {}
    if shape.kind == "map":
        for name, item in value.items():
            below = shape.child(name)
            if below is None:
                continue
            element = elements.field(name)
            if below.atomic or item is None or item == {} or not shape.declares(name):
                members.add(element)
            children[element] = set_of(item, below)
    elif shape.element is not None:
        for item in value:
            element = shape.element_of(item)
            # Of an element that is there twice nothing is told apart.
            children[element] = NONE if element in members else set_of(item, shape.element)
            members.add(element)
    return Fields(members, children)


@dataclass(frozen=True, slots=True)
class Difference:
    removed: Fields
    modified: Fields
    added: Fields

    def without(self, ignored: Fields) -> "Difference":
        return Difference(self.removed.without(ignored), self.modified.without(ignored), self.added.without(ignored))


def compare(old: Any, new: Any, shape: Shape) -> Difference:
    found = _Comparison([], [], [])
    found.walk(old, new, shape, ())
    return Difference(Fields.of(found.removed), Fields.of(found.modified), Fields.of(found.added))


@dataclass(frozen=True, slots=True)
class _Comparison:
    removed: list[Path]
    modified: list[Path]
    added: list[Path]

    def walk(self, old: Any, new: Any, shape: Shape, path: Path) -> None:
        if old is not ABSENT and new is not ABSENT and old == new:
            return
        if shape.atomic or (_is_empty(old) and _is_empty(new)):
            self._differs(old, new, path)
            return
        if shape.kind == "map":
            self._maps(_or_empty(old), _or_empty(new), shape, path)
        elif shape.element is not None:
            self._lists(_by_element(old, shape), _by_element(new, shape), shape.element, path)
        if old is ABSENT or new is ABSENT:
            self._differs(old, new, path)

    def _differs(self, old: Any, new: Any, path: Path) -> None:
        if old is ABSENT:
            self.added.append(path)
        elif new is ABSENT:
            self.removed.append(path)
        else:
            self.modified.append(path)

    def _maps(self, old: Json, new: Json, shape: Shape, path: Path) -> None:
        for name in old | new:
            if (below := shape.child(name)) is not None:
                self.walk(old.get(name, ABSENT), new.get(name, ABSENT), below, (*path, elements.field(name)))

    def _lists(self, old: dict[str, list[Any]], new: dict[str, list[Any]], shape: Shape, path: Path) -> None:
        for element in old | new:
            before, after, place = old.get(element, []), new.get(element, []), (*path, element)
            if len(before) <= 1 and len(after) <= 1:
                self.walk(before[0] if before else ABSENT, after[0] if after else ABSENT, shape, place)
            elif len(before) > 1 and len(after) > 1:
                if before != after:
                    self.modified.append(place)
            elif len(before) > 1:
                if after:
                    self.walk(ABSENT, after[0], shape, place)
                self.removed.append(place)
            else:
                if before:
                    self.walk(before[0], ABSENT, shape, place)
                self.added.append(place)


def merged(live: Any, applied: Any, shape: Shape) -> Any:
    """The live value with what is applied over it; values are shared with both."""
    if shape.atomic or (_is_empty(live) and _is_empty(applied)):
        return live if applied is ABSENT else applied
    if shape.kind == "map":
        return _merged_maps(_or_empty(live), _or_empty(applied), shape)
    return _merged_lists(_items(live), _items(applied), shape)


def _merged_maps(live: Json, applied: Json, shape: Shape) -> Any:
    found = {}
    for name in live | applied:
        below = shape.child(name)
        if below is None:
            value = applied.get(name, live.get(name, ABSENT))
        else:
            value = merged(live.get(name, ABSENT), applied.get(name, ABSENT), below)
        if value is not ABSENT:
            found[name] = value
    return found or ABSENT


def _merged_lists(live: list[Any], applied: list[Any], shape: Shape) -> Any:
    """Elements that are applied come in the order of the applied list; others stay before what they stood before."""
    assert shape.element is not None
    old = [shape.element_of(item) for item in live]
    new = {shape.element_of(item): item for item in applied}
    known = {element: ABSENT if old.count(element) > 1 else item for element, item in zip(old, live, strict=True)}
    wanted = list(new)
    found = []
    shared = [element for element in wanted if element in known]
    done: set[str] = set()
    left = right = 0
    while left < len(old) or right < len(wanted):
        if left < len(old):
            element = old[left]
            if element not in new:
                found.append(live[left])
                left += 1
                continue
            if right >= len(wanted) or (shared and element != shared[0]):
                left += 1  # it comes, or came, where the applied list has it
                continue
            left += element in done
        element = wanted[right]
        value = merged(known.get(element, ABSENT), new[element], shape.element)
        if value is not ABSENT:
            found.append(value)
        done.add(element)
        right += 1
        if left < len(old) and old[left] == element:
            left += 1
        if shared and shared[0] == element:
            shared.pop(0)
    return found or ABSENT


def taken_away(value: Any, fields: Fields, shape: Shape) -> Any:
    """The value without those fields; what nothing is left of becomes null."""
    if not shape.atomic and shape.kind == "map" and isinstance(value, dict):
        return _map_less(value, fields, shape)
    if not shape.atomic and shape.element is not None and isinstance(value, list):
        kept = []
        for item in value:
            element = shape.element_of(item)
            if element not in fields.members:
                below = fields.beneath(element)
                kept.append(taken_away(item, below, shape.element) if below else item)
        return kept or None
    return value if shape.kind not in ("map", "list") else None


def _map_less(value: Json, fields: Fields, shape: Shape) -> Json | None:
    kept = {}
    for name, item in value.items():
        element = elements.field(name)
        if element in fields.members:
            continue
        below, child = fields.beneath(element), shape.child(name)
        kept[name] = taken_away(item, below, child) if below and child is not None else item
    return kept or None


def problems(value: Any, shape: Shape, path: Path = ()) -> list[str]:
    """Why an applied configuration does not fit its type: `.spec.foo: field not declared in schema`."""
    if value is None:
        return []
    match shape.kind:
        case "map":
            return _map_problems(value, shape, path)
        case "list":
            return _list_problems(value, shape, path)
    return [] if (problem := _scalar_problem(value, shape.kind)) is None else [_at(path, problem)]


def _map_problems(value: Any, shape: Shape, path: Path) -> list[str]:
    if not isinstance(value, dict):
        return [_at(path, f"expected map, got {_go(value)}")]
    found = []
    for name, item in value.items():
        below, place = shape.child(name), (*path, elements.field(name))
        found += [_at(place, "field not declared in schema")] if below is None else problems(item, below, place)
    return found


def _list_problems(value: Any, shape: Shape, path: Path) -> list[str]:
    if not isinstance(value, list):
        return [_at(path, f"expected list, got {_go(value)}")]
    assert shape.element is not None
    found: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if not shape.atomic:
            try:
                element = shape.element_of(item)
            except elements.MalformedError as error:
                return [*found, _at(path, f"element {index}: {error}")]
            if element in seen:
                found.append(_at(path, f"duplicate entries for key {elements.printed((element,))}"))
            seen.add(element)
        found += problems(item, shape.element, (*path, element))
    return found


def _scalar_problem(value: Any, kind: str) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "numeric":
            return None if number else f"expected numeric (int or float), got {_go_type(value)}"
        case "string":
            return None if isinstance(value, str) else f"expected string, got &value.valueUnstructured{{Value:{value}}}"
        case "boolean":
            return None if isinstance(value, bool) else f"expected boolean, got &{{{value}}}"
        case "untyped":
            scalar = number or isinstance(value, str | bool)
            return None if scalar else f"expected any scalar, got &{{{value}}}"
    return None


def _at(path: Path, problem: str) -> str:
    return f"{elements.printed(path)}: {problem}" if path else problem


def _go(value: Any) -> str:
    return f"&{{{value}}}"


def _go_type(value: Any) -> str:
    match value:
        case str():
            return "string"
        case bool():
            return "bool"
        case list():
            return "[]interface {}"
    return "map[string]interface {}"


def _is_empty(value: Any) -> bool:
    return value is ABSENT or value is None or value in ({}, [])


def _or_empty(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _by_element(value: Any, shape: Shape) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in _items(value):
        found.setdefault(shape.element_of(item), []).append(item)
    return found
