"""Strategic merge patch: a merge patch that knows the types, so that lists of named things merge by their names.

Source: apimachinery `util/strategicpatch` and its design document. Directives: `$patch: delete|replace|merge`,
`$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
"""

import copy
from typing import Any

from fairlead.api.schema import FieldDef, type_named
from fairlead.apiserver.patch.errors import PatchError

Json = dict[str, Any]

PATCH, RETAIN = "$patch", "$retainKeys"
ORDER, PRUNE = "$setElementOrder/", "$deleteFromPrimitiveList/"


def apply(obj: Json, patch: Json, type_name: str) -> Json:
    """`type_name` as in the schema table: `apps.v1.Deployment`. Raises PatchError."""
    return _merge_object(obj, copy.deepcopy(patch), type_name)


def _merge_object(known: Json, patch: Json, type_name: str | None) -> Json:
    directive = patch.pop(PATCH, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(f"Unknown patch type found: {directive}")
    merged = dict(known)
    retained = patch.pop(RETAIN, None)
    if retained is not None:
        merged = {key: value for key, value in merged.items() if key in retained}
    fields = _fields(type_name)
    orders = {key[len(ORDER) :]: patch.pop(key) for key in list(patch) if key.startswith(ORDER)}
    prunes = {key[len(PRUNE) :]: patch.pop(key) for key in list(patch) if key.startswith(PRUNE)}
    for key, gone in prunes.items():
        if isinstance(merged.get(key), list):
            merged[key] = [item for item in merged[key] if item not in gone]
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(merged.get(key), value, fields.get(key), orders.get(key))
    for key, order in orders.items():
        if key not in patch and isinstance(merged.get(key), list):
            merged[key] = _ordered(merged[key], order, fields.get(key), merged[key])
    return merged


def _merge_value(known: Any, value: Any, field: FieldDef | None, order: list[Any] | None) -> Any:
    replaces = field is not None and "replace" in field.strategy
    if isinstance(value, dict):
        if replaces and PATCH not in value:
            return value
        below = field.type if field is not None and field.is_message and field.shape == "one" else None
        if field is not None and field.shape == "map" and field.is_message:
            return _merge_map(known if isinstance(known, dict) else {}, value, field.type)
        return _merge_object(known if isinstance(known, dict) else {}, value, below)
    if isinstance(value, list):
        return _merge_list(known if isinstance(known, list) else [], value, field, order)
    return value


def _merge_map(known: Json, patch: Json, type_name: str) -> Json:
    merged = dict(known)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_object(merged.get(key, {}), value, type_name)
    return merged


def _merge_list(known: list[Any], patch: list[Any], field: FieldDef | None, order: list[Any] | None) -> list[Any]:
    merges = field is not None and "merge" in field.strategy
    replaced = any(isinstance(item, dict) and item.get(PATCH) == "replace" for item in patch)
    if not merges or replaced:
        return [item for item in patch if not (isinstance(item, dict) and PATCH in item)]
    assert field is not None
    if field.merge_key is None:
        merged = [*known, *(item for item in patch if item not in known)]
        return _ordered(merged, order, field, known) if order else merged
    return _merge_by_key(known, patch, field, order)


def _merge_by_key(known: list[Any], patch: list[Any], field: FieldDef, order: list[Any] | None) -> list[Any]:
    key = field.merge_key
    assert key is not None
    merged = list(known)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {key}")
        at = [index for index, each in enumerate(merged) if isinstance(each, dict) and each.get(key) == item[key]]
        if item.get(PATCH) == "delete":
            merged = [each for index, each in enumerate(merged) if index not in at]
        elif at:
            merged[at[0]] = _merge_object(merged[at[0]], item, field.type)
        else:
            merged.append(_merge_object({}, item, field.type))
    return _ordered(merged, order, field, known) if order else merged


def _ordered(items: list[Any], order: list[Any], field: FieldDef | None, known: list[Any]) -> list[Any]:
    """Items that the patch orders come in its order; the others keep their places relative to their neighbours."""
    key = field.merge_key if field is not None else None

    def name(item: Any) -> Any:
        return item.get(key) if key is not None and isinstance(item, dict) else item

    wanted = {_hashable(name(item)): position for position, item in enumerate(order)}
    ordered = sorted(
        (item for item in items if _hashable(name(item)) in wanted), key=lambda i: wanted[_hashable(name(i))]
    )
    others = [item for item in items if _hashable(name(item)) not in wanted]
    if not others:
        return ordered
    before = [_hashable(name(item)) for item in known]
    result = list(ordered)
    for item in others:
        place = before.index(_hashable(name(item))) if _hashable(name(item)) in before else len(before)
        earlier = set(before[:place])
        position = max((i + 1 for i, each in enumerate(result) if _hashable(name(each)) in earlier), default=0)
        result.insert(position, item)
    return result


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, dict | list) else value


def _fields(type_name: str | None) -> dict[str, FieldDef]:
    return {} if type_name is None else type_named(type_name).fields
