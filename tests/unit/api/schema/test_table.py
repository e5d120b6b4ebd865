"""Facts of Kubernetes' own .proto files and Go types, checked against the generated table."""

import pytest

from fairlead.api.resources import RESOURCES
from fairlead.api.schema import reachable, type_named, type_of
from fairlead.api.schema.table import SCALARS, SPECIALS


def test_every_kind_served_has_a_type() -> None:
    for resource in RESOURCES:
        assert type_of(resource.group_version, resource.kind).fields


@pytest.mark.parametrize(
    ("type_name", "field", "number", "kind", "shape"),
    [
        ("meta.v1.ObjectMeta", "creationTimestamp", 8, "time", "one"),
        ("meta.v1.ObjectMeta", "labels", 11, "string", "map"),
        ("core.v1.ServicePort", "targetPort", 4, "intOrString", "one"),
        ("core.v1.ServiceSpec", "clusterIPs", 18, "string", "list"),
        ("core.v1.ResourceRequirements", "limits", 1, "quantity", "map"),
        ("core.v1.Secret", "data", 2, "bytes", "map"),
        ("discovery.v1.EndpointConditions", "ready", 1, "bool", "one"),
        ("coordination.v1.LeaseSpec", "renewTime", 4, "microTime", "one"),
    ],
)
def test_fields_are_those_of_the_proto_files(type_name: str, field: str, number: int, kind: str, shape: str) -> None:
    found = type_named(type_name).fields[field]
    assert (found.number, found.type, found.shape) == (number, kind, shape)


def test_numbers_are_given_once_within_a_type() -> None:
    for definition in reachable(type_of(r.group_version, r.kind).name for r in RESOURCES).values():
        numbers = [field.number for field in definition.fields.values() if field.number is not None]
        numbers += [number for number, _ in definition.inline]
        assert len(numbers) == len(set(numbers)), definition.name


def test_types_lead_to_types_that_there_are() -> None:
    for definition in reachable(["core.v1.Pod", "apps.v1.Deployment"]).values():
        for field in definition.fields.values():
            assert field.type in SCALARS | SPECIALS or type_named(field.type)


def test_what_patches_merge_by() -> None:
    ports = type_named("core.v1.ServiceSpec").fields["ports"]
    assert (ports.merge_key, ports.strategy) == ("port", ("merge",))
    assert ports.list_map_keys == ("port", "protocol")


def test_names() -> None:
    assert type_named("core.v1.Pod").openapi_name == "io.k8s.api.core.v1.Pod"
    assert type_named("meta.v1.ObjectMeta").openapi_name == "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    assert type_named("core.v1.ServicePort").go_name == "v1.ServicePort"
