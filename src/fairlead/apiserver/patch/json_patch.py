"""JSON Patch (RFC 6902)."""

import copy
from typing import Any

from fairlead.apiserver.patch.errors import PatchError

Json = dict[str, Any]


def apply(obj: Json, operations: list[Any]) -> Json:
    """All operations or none. Raises PatchError."""
    document: Any = copy.deepcopy(obj)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("an operation is an object with op and path")
        document = _step(document, operation)
    if not isinstance(document, dict):
        raise PatchError("the patch replaces the object by something else")
    return document


def _step(document: Any, operation: Json) -> Any:
    path = _tokens(operation["path"])
    match operation.get("op"):
        case "add":
            return _add(document, path, copy.deepcopy(_value(operation)))
        case "remove":
            _remove(document, path)
        case "replace":
            value = copy.deepcopy(_value(operation))
            if not path:
                return value
            _get(document, path)
            container, key = _locate(document, path)
            container[key] = value
        case "move":
            source = _tokens(operation.get("from", ""))
            if path[: len(source)] == source and path != source:
                raise PatchError("cannot move a value into itself")
            value = _get(document, source)
            _remove(document, source)
            return _add(document, path, value)
        case "copy":
            return _add(document, path, copy.deepcopy(_get(document, _tokens(operation.get("from", "")))))
        case "test":
            if not _equal(_get(document, path), operation.get("value")):
                raise PatchError(f"testing value {operation['path']} failed")
        case op:
            raise PatchError(f"Unexpected kind: {op}")
    return document


def _value(operation: Json) -> Any:
    if "value" not in operation:
        raise PatchError(f"{operation['op']} operation does not apply: missing value")
    return operation["value"]


def _tokens(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise PatchError(f"{path!r} is no JSON pointer")
    return [token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/")]


def _get(document: Any, path: list[str]) -> Any:
    for token in path:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list):
            document = document[_index(token, len(document) - 1)]
        else:
            raise PatchError(f"doc is missing key: /{'/'.join(path)}")
    return document


def _locate(document: Any, path: list[str]) -> tuple[Any, Any]:
    container = _get(document, path[:-1])
    if isinstance(container, list):
        return container, _index(path[-1], len(container) - 1)
    if isinstance(container, dict):
        return container, path[-1]
    raise PatchError(f"/{'/'.join(path)} is beneath a value that holds nothing")


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    container = _get(document, path[:-1])
    if isinstance(container, list):
        position = len(container) if path[-1] == "-" else _index(path[-1], len(container))
        container.insert(position, value)
    elif isinstance(container, dict):
        container[path[-1]] = value
    else:
        raise PatchError(f"/{'/'.join(path)} is beneath a value that holds nothing")
    return document


def _remove(document: Any, path: list[str]) -> None:
    if not path:
        raise PatchError("the whole object cannot be removed")
    _get(document, path)
    container, key = _locate(document, path)
    del container[key]


def _index(token: str, last: int) -> int:
    if not token.isdigit() or (len(token) > 1 and token[0] == "0") or int(token) > last:
        raise PatchError(f"Unable to access invalid index: {token}")
    return int(token)


def _equal(left: Any, right: Any) -> bool:
    """JSON equality: True is not 1."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_equal(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)
