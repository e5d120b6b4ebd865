import json
import re
from typing import Any

import pytest

from fairlead.api.protobuf.wire import as_bytes, as_text, fields
from fairlead.api.resources import RESOURCES
from fairlead.apiserver.openapi import v2

Json = dict[str, Any]

DOCUMENT: Json = json.loads(v2.as_json())


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = set().union(*map(references, value.values()))
        return found | {value["$ref"]} if isinstance(value.get("$ref"), str) else found
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_references_lead_somewhere() -> None:
    assert references(DOCUMENT) <= {f"#/definitions/{name}" for name in DOCUMENT["definitions"]}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.qualified)
def test_each_kind_is_one_definition(resource: Any) -> None:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    found = [
        name
        for name, each in DOCUMENT["definitions"].items()
        if kind in each.get("x-kubernetes-group-version-kind", ())
    ]
    assert len(found) == 1
    assert found[0].endswith(f".{resource.version}.{resource.kind}")


PROPERTIES = {
    ("core.v1.ServicePort", "port"): {"type": "integer", "format": "int32"},
    ("core.v1.ServicePort", "targetPort"): {"$ref": "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString"},
    ("core.v1.ConfigMap", "data"): {"type": "object", "additionalProperties": {"type": "string"}},
    ("core.v1.ServiceSpec", "ports"): {
        "type": "array",
        "items": {"$ref": "#/definitions/io.k8s.api.core.v1.ServicePort"},
        "x-kubernetes-patch-merge-key": "port",
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
    },
}


@pytest.mark.parametrize(
    ("place", "schema"), PROPERTIES.items(), ids=lambda value: "" if isinstance(value, dict) else value[1]
)
def test_properties_are_as_kubernetes_publishes_them(place: tuple[str, str], schema: Json) -> None:
    type_name, name = place
    assert DOCUMENT["definitions"][f"io.k8s.api.{type_name}"]["properties"][name] == schema


def test_required_fields() -> None:
    assert DOCUMENT["definitions"]["io.k8s.api.core.v1.ServicePort"]["required"] == ["port"]


def test_paths_declare_their_variables() -> None:
    for path, item in DOCUMENT["paths"].items():
        declared = [parameter["name"] for parameter in item["parameters"]]
        assert declared == re.findall(r"{(\w+)}", path)


def test_operations_are_told_apart_by_their_ids() -> None:
    ids = [
        each["operationId"]
        for item in DOCUMENT["paths"].values()
        for name, each in item.items()
        if name != "parameters"
    ]
    assert len(ids) == len(set(ids))


def test_patches_tell_that_dry_runs_and_validation_are_known() -> None:
    patch = DOCUMENT["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {"dryRun", "fieldValidation"} <= {parameter["name"] for parameter in patch["parameters"]}


def test_reviews_can_only_be_created() -> None:
    paths = {path: set(item) - {"parameters"} for path, item in DOCUMENT["paths"].items() if "reviews" in path}
    assert paths
    assert set().union(*paths.values()) == {"post"}


# The protobuf, read back with numbers of gnostic's OpenAPIv2.proto.


def at(data: bytes, *numbers: int) -> list[bytes]:
    """What is under these numbers, one after the other."""
    found = [data]
    for wanted in numbers:
        found = [as_bytes(value) for each in found for number, value in fields(each) if number == wanted]
    return found


def named(data: list[bytes]) -> dict[str, bytes]:
    return {as_text(at(each, 1)[0]): at(each, 2)[0] for each in data}


def extensions(data: bytes, number: int) -> Json:
    return {name: json.loads(at(value, 2)[0]) for name, value in named(at(data, number)).items()}


def schema_of(data: bytes) -> Json:
    """openapi.v2.Schema as JSON."""
    found: Json = extensions(data, 31)
    for name, value in {"$ref": at(data, 1), "format": at(data, 2), "type": at(data, 22, 1)}.items():
        if value:
            found[name] = value[0].decode()
    if required := at(data, 19):
        found["required"] = [value.decode() for value in required]
    for name, value in {"additionalProperties": at(data, 21, 1), "items": at(data, 23, 1)}.items():
        if value:
            found[name] = schema_of(value[0])
    if properties := at(data, 25, 1):
        found["properties"] = {name: schema_of(each) for name, each in named(properties).items()}
    return found


def test_definitions_in_protobuf_are_those_in_json() -> None:
    found = {name: schema_of(data) for name, data in named(at(v2.as_protobuf(), 9, 1)).items()}
    assert found == DOCUMENT["definitions"]


def test_paths_in_protobuf_are_those_in_json() -> None:
    methods = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    found = named(at(v2.as_protobuf(), 8, 2))
    assert found.keys() == DOCUMENT["paths"].keys()
    for path, item in DOCUMENT["paths"].items():
        assert [each.decode() for each in at(found[path], 9, 1, 2, 4, 4)] == [
            each["name"] for each in item["parameters"]
        ]
        for method, number in methods.items():
            operations = at(found[path], number)
            assert len(operations) == (method in item)
            for data in operations:
                expected = item[method]
                assert at(data, 5)[0].decode() == expected["operationId"]
                assert [each.decode() for each in at(data, 8, 1, 2, 3, 4)] == [
                    each["name"] for each in expected["parameters"]
                ]
                assert extensions(data, 13).items() <= expected.items()
                assert named(at(data, 9, 1)).keys() == expected["responses"].keys()
