import json
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes with kubernetes-validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.resources import RESOURCES, Resource
from fairlead.apiserver.openapi import v3
from tests.unit.api.schema.objects import objects

Json = dict[str, Any]


def path_of(resource: Resource) -> str:
    return f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"


@cache
def document(resource: Resource) -> Json:
    found: Json = json.loads(v3.document(path_of(resource)) or b"")
    return found


@cache
def validator(resource: Resource) -> Any:
    """jsonschema's, held strictly: what a schema does not name is not allowed."""
    schemas: Json = document(resource)["components"]["schemas"]
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    (name,) = (name for name, each in schemas.items() if kind in each.get("x-kubernetes-group-version-kind", ()))
    strict = {
        name: {**each, **({"additionalProperties": False} if "properties" in each else {})}
        for name, each in schemas.items()
    }
    return jsonschema.Draft4Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": strict}})


def test_the_index_leads_to_each_group_and_version() -> None:
    paths = json.loads(v3.index())["paths"]
    assert list(paths) == list(dict.fromkeys(map(path_of, RESOURCES)))
    for key, item in paths.items():
        path, _, digest = item["serverRelativeURL"].partition("?hash=")
        assert path == f"/openapi/v3/{key}"
        assert digest
        assert v3.document(key) is not None


def test_hashes_tell_documents_apart() -> None:
    paths = json.loads(v3.index())["paths"]
    assert len({item["serverRelativeURL"].partition("?")[2] for item in paths.values()}) == len(paths)


@pytest.mark.parametrize("path", ["", "api", "api/v2", "apis/apps", "apis/apps/v1/deployments", "apps/v1"])
def test_nothing_else_is_served(path: str) -> None:
    assert v3.document(path) is None


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.qualified)
@settings(max_examples=5)
@given(data=st.data())
def test_what_can_be_stored_is_valid(data: st.DataObject, resource: Resource) -> None:
    obj = data.draw(objects(resource.group_version, resource.kind))
    # Objects are drawn without regard to what must be there.
    errors = [error for error in validator(resource).iter_errors(obj) if error.validator != "required"]
    assert not errors


@pytest.mark.parametrize(
    "spec", [{"ports": [{"port": "http"}]}, {"ports": [{"port": 80, "targetPort": True}]}, {"ports": {}}, {"portz": []}]
)
def test_what_is_of_the_wrong_type_is_not(spec: Json) -> None:
    services = next(resource for resource in RESOURCES if resource.plural == "services")
    assert not validator(services).is_valid({"apiVersion": "v1", "kind": "Service", "spec": spec})


def test_nothing_stands_beside_a_reference() -> None:
    for resource in RESOURCES:
        for schema in document(resource)["components"]["schemas"].values():
            for each in schema.get("properties", {}).values():
                assert "$ref" not in each or len(each) == 1


def test_a_document_has_only_the_paths_of_its_group_and_version() -> None:
    for resource in RESOURCES:
        paths = document(resource)["paths"]
        assert all(path.startswith(f"/{path_of(resource)}/") for path in paths)


def test_patches_tell_that_fields_are_validated() -> None:
    pods = next(resource for resource in RESOURCES if resource.plural == "pods")
    patch = document(pods)["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert {"dryRun", "fieldValidation"} <= {parameter["name"] for parameter in patch["parameters"]}
