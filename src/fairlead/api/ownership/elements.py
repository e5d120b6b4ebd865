"""One step of a path to a field, as text: how `fieldsV1` names it, how messages print it, and the order among them.

`f:name` a field or a map's key, `k:{"port":80,"protocol":"TCP"}` an element of a list by its keys, `v:"x"` an element
of a set by its value, `i:0` by its place. The text is canonical (keys sorted, JSON without blanks, as Go writes it), so
that equal steps are equal texts. Source: structured-merge-diff `fieldpath/serialize-pe.go`, `element.go`.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Path = tuple[str, ...]


class MalformedError(ValueError):
    """No path element, no set of fields, or a list's item that nothing tells apart."""


_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_KINDS = "fkvi"  # in the order in which they are written


def field(name: str) -> str:
    return "f:" + name


def keyed(keys: Mapping[str, Any]) -> str:
    return "k:" + _compact(keys)


def valued(value: Any) -> str:
    return "v:" + _compact(value)


@lru_cache(maxsize=1024)
def canonical(text: str) -> str | None:
    """The element that somebody else has written, in our form; None for a kind of a later release's."""
    if len(text) < 2 or text[1] != ":":
        raise MalformedError(f"missing colon: {text}")
    match text[0]:
        case "f":
            return text
        case "k":
            keys = _loads(text[2:])
            if not isinstance(keys, dict):
                raise MalformedError(f"not an object: {text}")
            return keyed(keys)
        case "v":
            return valued(_loads(text[2:]))
        case "i":
            return f"i:{_loads(text[2:])}"
    return None


@lru_cache(maxsize=4096)
def order(element: str) -> tuple[Any, ...]:
    kind, content = _KINDS.index(element[0]), element[2:]
    match element[0]:
        case "f":
            return kind, content
        case "k":
            return kind, tuple((name, _order_of(value)) for name, value in sorted(json.loads(content).items()))
        case "v":
            return kind, _order_of(json.loads(content))
    return kind, int(content)


def printed(path: Path) -> str:
    """`.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(_printed(element) for element in path)


def _printed(element: str) -> str:
    content = element[2:]
    match element[0]:
        case "f":
            return "." + content
        case "k":
            keys = json.loads(content)
            return "[" + ",".join(f"{name}={_quoted(value)}" for name, value in keys.items()) + "]"
        case "v":
            return f"[={_quoted(json.loads(content))}]"
    return f"[{content}]"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).translate(_HTML)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedError(str(error)) from error


def _order_of(value: Any) -> tuple[int, Any]:
    """Numbers before texts before truths before the rest."""
    match value:
        case bool():
            return 2, value
        case int() | float():
            return 0, value
        case str():
            return 1, value
    return 3, _compact(value)
