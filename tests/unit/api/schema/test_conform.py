import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.resources import RESOURCES
from fairlead.api.schema import SchemaError, conform
from fairlead.api.schema.conform import CLEAN
from tests.unit.api.schema.objects import objects

Json = dict[str, Any]


def pod(**spec: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": None, **spec}}


@pytest.mark.parametrize(("group_version", "kind"), sorted({(r.group_version, r.kind) for r in RESOURCES}))
@settings(max_examples=10)
@given(data=st.data())
def test_what_is_stored_already_stays_as_it_is(data: st.DataObject, group_version: str, kind: str) -> None:
    obj = data.draw(objects(group_version, kind))
    before = copy.deepcopy(obj)
    assert conform(group_version, kind, obj) is CLEAN
    assert obj == before


STORED: dict[str, tuple[Json, Json, list[str]]] = {
    "nulls go": ({"nodeName": None, "hostNetwork": True}, {"hostNetwork": True}, []),
    "empty texts, lists and maps go": ({"nodeName": "", "tolerations": [], "nodeSelector": {}}, {}, []),
    "a pointer's zero stays": ({"terminationGracePeriodSeconds": 0}, {"terminationGracePeriodSeconds": 0}, []),
    "an empty message stays": ({"securityContext": {}}, {"securityContext": {}}, []),
    "quantities become canonical": (
        {"overhead": {"cpu": 0.5, "memory": "1024Ki"}},
        {"overhead": {"cpu": "500m", "memory": "1Mi"}},
        [],
    ),
    "an unknown field goes": ({"foo": 1, "nodeName": "a"}, {"nodeName": "a"}, ["spec.foo"]),
    "an unknown field of an element goes": (
        {"tolerations": [{"key": "a"}, {"key": "b", "kee": "c"}]},
        {"tolerations": [{"key": "a"}, {"key": "b"}]},
        ["spec.tolerations[1].kee"],
    ),
    "names are told apart by case": ({"nodename": "a"}, {}, ["spec.nodename"]),
    "a null element is its type's zero": ({"tolerations": [None]}, {"tolerations": [{}]}, []),
}  # fmt: skip


@pytest.mark.parametrize(("given", "stored", "unknown"), STORED.values(), ids=STORED)
def test_an_object_becomes_what_is_stored(given: Json, stored: Json, unknown: list[str]) -> None:
    obj = pod(**given)
    found = conform("v1", "Pod", obj)
    assert obj["spec"] == stored
    assert list(found.unknown) == unknown
    assert found.problems == [f'unknown field "{path}"' for path in unknown]


WRONG = {
    "a text for a number": (
        {"terminationGracePeriodSeconds": "30"},
        "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
    ),
    "a number for a text": (
        {"containers": [{"name": 5}]},
        "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
    ),
    "a message for a list": (
        {"containers": {}},
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    ),
    "a number too large": (
        {"priority": 1 << 31},
        "json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32",
    ),
    "no quantity": (
        {"overhead": {"cpu": "lots"}},
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_a_value_of_the_wrong_type_is_refused_in_gos_words(given: Json, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        conform("v1", "Pod", pod(**given))
    assert str(caught.value) == message


def test_a_kind_that_is_not_served_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        conform("v1", "Nothing", {})


def test_times_of_the_first_years_have_four_digits_too() -> None:
    """Go's zero time is of the year 1."""
    spec = {"acquireTime": "0001-01-01T00:00:02.000000Z", "renewTime": "0001-01-01T01:00:05.5+01:00"}
    lease: Json = {"metadata": {"deletionTimestamp": "0001-01-01T01:00:00+01:00"}, "spec": spec}
    conform("coordination.k8s.io/v1", "Lease", lease)
    assert spec == {"acquireTime": "0001-01-01T00:00:02.000000Z", "renewTime": "0001-01-01T00:00:05.500000Z"}
    assert lease["metadata"]["deletionTimestamp"] == "0001-01-01T00:00:00Z"
