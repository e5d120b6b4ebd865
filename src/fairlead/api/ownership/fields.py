"""A set of fields of an object: a tree of path elements, some of which are members. Values, never changed.

A member need not have its parents as members, nor its children. Source: structured-merge-diff `fieldpath/set.go`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fairlead.api.ownership import elements
from fairlead.api.ownership.elements import Path
from fairlead.api.ownership.shapes import Shape

Wire = dict[str, Any]

_SELF = "."


class Fields:
    """`members` are fields right here, `children` what is in the set beneath each of them; no child is empty."""

    __slots__ = ("children", "members")

    def __init__(self, members: Iterable[str] = (), children: Mapping[str, "Fields"] | None = None) -> None:
        self.members = frozenset(members)
        self.children = {element: child for element, child in (children or {}).items() if child}

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "Fields":
        members = []
        below: dict[str, list[Path]] = {}
        for path in paths:
            if len(path) == 1:
                members.append(path[0])
            elif path:
                below.setdefault(path[0], []).append(path[1:])
        return cls(members, {element: cls.of(rest) for element, rest in below.items()})

    @classmethod
    def from_wire(cls, wire: Any) -> "Fields":
        """`{"f:data":{".":{},"f:key":{}}}` (FieldsV1). Raises MalformedError."""
        if not isinstance(wire, dict):
            raise elements.MalformedError("fieldsV1: not an object")
        members, children = [], {}
        for text, below in wire.items():
            if text == _SELF or (element := elements.canonical(text)) is None:
                continue
            if not below or _SELF in below:
                members.append(element)
            if below:
                children[element] = cls.from_wire(below)
        return cls(members, children)

    def to_wire(self) -> Wire:
        wire: Wire = {}
        for element in sorted(self.members | self.children.keys(), key=elements.order):
            child = self.children.get(element)
            if child is None:
                wire[element] = {}
            else:
                wire[element] = {_SELF: {}, **child.to_wire()} if element in self.members else child.to_wire()
        return wire

    def __bool__(self) -> bool:
        return bool(self.members or self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.members == other.members and self.children == other.children

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "{" + ", ".join(elements.printed(path) for path in self) + "}"

    def __iter__(self) -> Iterator[Path]:
        """Every member's path: those right here first, then those beneath, in the order of their elements."""
        for element in sorted(self.members, key=elements.order):
            yield (element,)
        for element in sorted(self.children, key=elements.order):
            for path in self.children[element]:
                yield (element, *path)

    def __contains__(self, path: Path) -> bool:
        if len(path) == 1:
            return path[0] in self.members
        return bool(path) and path[0] in self.children and path[1:] in self.children[path[0]]

    def __or__(self, other: "Fields") -> "Fields":
        children = dict(self.children)
        for element, child in other.children.items():
            children[element] = children[element] | child if element in children else child
        return Fields(self.members | other.members, children)

    def __and__(self, other: "Fields") -> "Fields":
        shared = self.children.keys() & other.children.keys()
        children = {element: self.children[element] & other.children[element] for element in shared}
        return Fields(self.members & other.members, children)

    def __sub__(self, other: "Fields") -> "Fields":
        """Member by member: a field that goes takes nothing beneath it along."""
        return self._less(other, lambda element, child: child - other.children[element])

    def without(self, other: "Fields") -> "Fields":
        """A field that goes takes all beneath it along."""
        kept = Fields(self.members, {e: child for e, child in self.children.items() if e not in other.members})
        return kept._less(other, lambda element, child: child.without(other.children[element]))

    def _less(self, other: "Fields", less: Callable[[str, "Fields"], "Fields"]) -> "Fields":
        children = {
            element: less(element, child) if element in other.children else child
            for element, child in self.children.items()
        }
        return Fields(self.members - other.members, children)

    def beneath(self, element: str) -> "Fields":
        return self.children.get(element, NONE)

    def with_structs(self, shape: Shape | None) -> "Fields":
        """Also the fields of structs that members lie beneath. They are not owned as a rule, since an empty one says
        nothing; they have to go when all beneath them goes (EnsureNamedFieldsAreMembers)."""
        if shape is None:
            return self
        named = {element for element in self.children if element[0] == "f" and shape.declares(element[2:])}
        children = {element: child.with_structs(shape.beneath(element)) for element, child in self.children.items()}
        return Fields(self.members | named, children)


NONE = Fields()
