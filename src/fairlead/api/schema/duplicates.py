"""Fields given twice in a JSON document, which a decoder into dictionaries cannot see."""

import json
from typing import Any


class _Twice(dict[str, Any]):
    """An object some of whose keys came more than once."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    found = _Twice(plain)
    seen: set[str] = set()
    repeated: dict[str, None] = {}
    for key, _ in pairs:
        if key in seen:
            repeated[key] = None
        seen.add(key)
    found.repeated = tuple(repeated)
    return found


class _FoundOneError(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _FoundOneError


_ANY = json.JSONDecoder(object_pairs_hook=_unique)
_ALL = json.JSONDecoder(object_pairs_hook=_object)


def duplicate_fields(data: bytes) -> list[str]:
    """`duplicate field "spec.ports[0].name"` for each, in the order of the document. Raises ValueError if not JSON."""
    text = data.decode()
    try:
        _ANY.decode(text)
    except _FoundOneError:
        pass
    else:
        return []
    found: list[str] = []
    _collect(_ALL.decode(text), "", found)
    return [f'duplicate field "{path}"' for path in found]


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value, _Twice):
            found += [f"{path}.{key}" if path else key for key in value.repeated]
        for key, item in value.items():
            if isinstance(item, dict | list):
                _collect(item, f"{path}.{key}" if path else key, found)
    else:
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _collect(item, f"{path}[{index}]", found)
