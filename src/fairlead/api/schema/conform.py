"""An object held against its type: JSON types checked, and made what a round trip through Kubernetes makes of it.

A checker is compiled for each type when it is first met: `check(value, container, key)` looks at container[key] and may
replace it; it returns the unknown fields found beneath it, as paths relative to it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fairlead.api.schema import values
from fairlead.api.schema.table import FieldDef, TypeDef, type_named, type_of

Json = dict[str, Any]
Check = Callable[[Any, Any, Any], list[str] | None]
# The Python type that is right without asking further (None: always ask), whether empty values go, and who is asked.
Rule = tuple[type | None, bool, Check]

MOST_PROBLEMS = 100  # a strict decoder stops collecting there


class SchemaError(ValueError):
    """A value of the wrong JSON type. The message is Kubernetes' own: `json: cannot unmarshal string into …`."""


@dataclass(frozen=True, slots=True)
class Conformed:
    """What was found while pruning: `spec.foo`, `spec.ports[0].bar`, in the order of the document."""

    unknown: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """`unknown field "spec.foo"`: a part of `strict decoding error: …`, or a Warning of its own."""
        return [f'unknown field "{path}"' for path in self.unknown]


CLEAN = Conformed()


def conform(group_version: str, kind: str, obj: Json) -> Conformed:
    """Make `obj` what Kubernetes would store of it, in place.

    Unknown fields and nulls go, and empty values that Kubernetes leaves out; quantities and times become canonical.
    Raises SchemaError for a value of the wrong type, KeyError for a kind that the table does not have.
    """
    definition = type_of(group_version, kind)
    try:
        unknown = _checker(definition.name)(obj, None, None)
    except _MismatchError as mismatch:
        raise SchemaError(mismatch.render()) from None
    return Conformed(tuple(unknown[:MOST_PROBLEMS])) if unknown else CLEAN


def strict_decoding_error(problems: Iterable[str]) -> str:
    """`strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`."""
    return "strict decoding error: " + ", ".join(problems)


def cannot_be_handled(group_version: str, kind: str, problem: str, wanted: str | None = None) -> str:
    """The 400 BadRequest around a decoding problem; `wanted` is the kind of the resource, where it is another."""
    version = group_version.rpartition("/")[2]
    return f'{kind} in version "{version}" cannot be handled as a {wanted or kind}: {problem}'


class _MismatchError(Exception):
    """A wrong value on its way up; every struct on the way adds its field's name."""

    def __init__(self, what: str, go_type: str | None) -> None:
        self.what = what
        self.go_type = go_type  # None: `what` is the whole text
        self.struct = ""
        self.fields: list[str] = []

    def render(self) -> str:
        if self.go_type is None:
            return self.what
        if not self.struct:
            return f"json: cannot unmarshal {self.what} into Go value of type {self.go_type}"
        field = f"{self.struct}.{'.'.join(reversed(self.fields))}"
        return f"json: cannot unmarshal {self.what} into Go struct field {field} of type {self.go_type}"


def _described(value: Any, *, number_fits: bool = False) -> str:
    """What Go's decoder calls a JSON value; a number that a numeric type cannot hold is told with its digits."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return f"number {value}" if number_fits else "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


@cache
def _checker(name: str) -> Check:
    return _struct(type_named(name))


def _struct(definition: TypeDef) -> Check:
    rules: dict[str, Rule] = {}  # a type's rules, filled when it is first used, so that types may contain themselves
    go_type = definition.go_name
    struct = go_type.rpartition(".")[2]

    def check(value: Any, _container: Any, _key: Any) -> list[str] | None:
        if type(value) is not dict:
            raise _MismatchError(_described(value), go_type)
        if not rules:
            rules.update({field.name: _rule(field) for field in definition.fields.values()})
        unknown: list[str] | None = None
        dropped: list[str] | None = None
        name = ""
        try:
            for name, item in value.items():
                rule = rules.get(name)
                if rule is None:
                    unknown = [*(unknown or ()), name]
                    dropped = [*(dropped or ()), name]
                    continue
                expected, drops_empty, inner = rule
                if item is None:
                    dropped = [*(dropped or ()), name]
                    continue
                if type(item) is not expected and (found := inner(item, value, name)):
                    unknown = [*(unknown or ()), *(_join(name, path) for path in found)]
                if drops_empty and not value[name]:
                    dropped = [*(dropped or ()), name]
        except _MismatchError as mismatch:
            mismatch.fields.append(name)
            mismatch.struct = mismatch.struct or struct
            raise
        if dropped:
            for name in dropped:
                del value[name]
        return unknown

    return check


def _join(name: str, path: str) -> str:
    return name + path if path.startswith("[") else f"{name}.{path}"


def _rule(field: FieldDef) -> Rule:
    plain = field.shape == "one" and field.type in ("string", "bool")
    expected = {"string": str, "bool": bool}[field.type] if plain else None
    drops = field.omit_empty and not field.pointer and (field.shape != "one" or field.type in _EMPTY)
    if field.shape == "list":
        return None, drops, _list(field)
    if field.shape == "map":
        return None, drops, _map(field)
    return expected, drops, _one(field.type, field.go_type)


# Types whose zero value Kubernetes leaves out, with that value: what a null among a list's or map's elements becomes.
_EMPTY: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "int64": 0, "double": 0, "bytes": "", "stringList": [],
}  # fmt: skip


def _list(field: FieldDef) -> Check:
    element_go = field.go_type.removeprefix("[]")
    inner = _one(field.type, element_go)
    all_text = field.type == "string"

    def check(value: Any, _container: Any, _key: Any) -> list[str] | None:
        if type(value) is not list:
            raise _MismatchError(_described(value), field.go_type)
        unknown: list[str] = []
        for index, item in enumerate(value):
            if item is None:
                value[index] = _zero(field.type)
            elif all_text and type(item) is str:
                continue
            elif found := inner(item, value, index):
                unknown += [_join(f"[{index}]", path) for path in found]
        return unknown

    return check


def _map(field: FieldDef) -> Check:
    element_go = field.go_type.partition("]")[2] or field.go_type
    if not field.go_type.startswith("map["):  # a named map, such as ResourceList: its element's type is the default one
        element_go = {"quantity": "resource.Quantity", "string": "string"}.get(field.type, field.type)
    inner = _one(field.type, element_go)
    all_text = field.type == "string"

    def check(value: Any, _container: Any, _key: Any) -> list[str] | None:
        if type(value) is not dict:
            raise _MismatchError(_described(value), field.go_type)
        unknown: list[str] = []
        for key, item in value.items():
            if all_text and type(item) is str:
                continue
            if item is None:
                value[key] = _zero(field.type)
            elif found := inner(item, value, key):
                unknown += [_join(key, path) for path in found]
        return unknown

    return check


def _zero(kind: str) -> Any:
    if kind in _EMPTY:
        return [] if kind == "stringList" else _EMPTY[kind]
    return {"intOrString": 0, "quantity": "0"}.get(kind) if kind in _ONE else {}


def _one(kind: str, go_type: str) -> Check:
    make = _ONE.get(kind)
    if make is not None:
        return make(go_type)
    checker: Check | None = None

    def check(value: Any, container: Any, key: Any) -> list[str] | None:
        nonlocal checker
        if checker is None:
            checker = _checker(kind)
        return checker(value, container, key)

    return check


def _exactly(expected: type) -> Callable[[str], Check]:
    def make(go_type: str) -> Check:
        def check(value: Any, _container: Any, _key: Any) -> None:
            if type(value) is not expected:
                raise _MismatchError(_described(value), go_type)

        return check

    return make


def _integer(bits: int) -> Callable[[str], Check]:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def make(go_type: str) -> Check:
        def check(value: Any, _container: Any, _key: Any) -> None:
            if type(value) is not int or not low <= value <= high:
                raise _MismatchError(_described(value, number_fits=True), go_type)

        return check

    return make


def _double(go_type: str) -> Check:
    def check(value: Any, _container: Any, _key: Any) -> None:
        if type(value) is not int and type(value) is not float:
            raise _MismatchError(_described(value), go_type)

    return check


def _int_or_string(_go_type: str) -> Check:
    number = _integer(32)("int32")

    def check(value: Any, container: Any, key: Any) -> None:
        if type(value) is not str:
            number(value, container, key)

    return check


def _formed(read: Callable[[Any], str], *accepted: type, go_type: str | None = "string") -> Callable[[str], Check]:
    """A value that `read` makes canonical; `go_type` is None where any other JSON type is for `read` to refuse."""

    def make(own_type: str) -> Check:
        def check(value: Any, container: Any, key: Any) -> None:
            if type(value) not in accepted and go_type is not None:
                raise _MismatchError(_described(value), go_type or own_type)
            try:
                canonical = read(value)
            except ValueError as error:
                raise _MismatchError(str(error), None) from None
            if canonical != value:
                container[key] = canonical

        return check

    return make


def _bytes(go_type: str) -> Check:
    return _formed(values.base64, str, go_type=go_type)(go_type)


def _string_list(go_type: str) -> Check:
    return _list(FieldDef("", "string", "list", go_type=go_type))


def _anything(_go_type: str) -> Check:
    def check(_value: Any, _container: Any, _key: Any) -> None:
        return None

    return check


_ONE: dict[str, Callable[[str], Check]] = {
    "string": _exactly(str),
    "bool": _exactly(bool),
    "int32": _integer(32),
    "int64": _integer(64),
    "double": _double,
    "bytes": _bytes,
    "intOrString": _int_or_string,
    "quantity": _formed(values.quantity, str, int, float, go_type=None),
    "time": _formed(values.time, str),
    "microTime": _formed(values.micro_time, str),
    "duration": _exactly(str),
    "fieldsV1": _anything,
    "rawExtension": _anything,
    "json": _anything,
    "stringList": _string_list,
}
