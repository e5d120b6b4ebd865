"""Label and field selectors of a request as one filter of entries."""

from collections.abc import Callable

from fairlead.api.selectors import Selector, SelectorError, parse_fields, parse_labels
from fairlead.api.status import bad_request
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.kinds import Kind
from fairlead.apiserver.watchcache import Matcher

IDENTITY = frozenset({"metadata.name", "metadata.namespace"})


def prefix(call: Call) -> str:
    """Of the keys that the request is about: those of its namespace, or all."""
    if call.resource.namespaced and call.namespace is not None:
        return f"{call.resource.prefix}{call.namespace}/"
    return call.resource.prefix


def matcher(call: Call) -> Matcher | None:
    """None: all. Raises ApiError (400) for a selector that is malformed or selects by an unknown field."""
    tests: list[Callable[[Entry], bool]] = []
    try:
        if text := call.request.parameter("labelSelector"):
            labels = parse_labels(text)
            tests.append(lambda entry: labels.matches(entry.labels))
        if text := call.request.parameter("fieldSelector"):
            tests.append(_fields(parse_fields(text), call.kind))
    except SelectorError as error:
        raise bad_request(str(error)) from error
    if call.route.verb == "watch" and call.route.name is not None:
        name = call.route.name
        tests.append(lambda entry: entry.name == name)
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda entry: all(test(entry) for test in tests)


def _fields(selector: Selector, kind: Kind) -> Callable[[Entry], bool]:
    asked = {requirement.key for requirement in selector.requirements}
    for key in asked:
        if key not in kind.selectable_field_names:
            raise SelectorError(f"field label not supported: {key}")
    if asked <= IDENTITY:
        return lambda entry: selector.matches(
            {"metadata.name": entry.name, "metadata.namespace": entry.namespace or ""}
        )
    return lambda entry: selector.matches(kind.selectable_fields(entry.decode()))
