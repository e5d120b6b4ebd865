"""What one version says, another gives back: Ingress, EndpointSlice and Event by way of every form that they have."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.conversion import endpointslice, event, ingress
from fairlead.api.schema import conform
from tests.unit.api.schema.objects import objects

Json = dict[str, Any]

_NAME = st.sampled_from(["web", "api", "a-b"])
_PORT = st.one_of(st.builds(lambda number: {"number": number}, st.integers(1, 65535)), st.just({"name": "http"}))
_SERVICE = st.builds(lambda name, port: {"service": {"name": name, "port": port}}, _NAME, _PORT)
_RESOURCE = st.builds(lambda name: {"resource": {"apiGroup": "x.io", "kind": "Bucket", "name": name}}, _NAME)
_BACKEND = _SERVICE | _RESOURCE
_PATH = st.builds(
    lambda path, kind, backend: {"path": path, "pathType": kind, "backend": backend},
    st.sampled_from(["/", "/a", "/a/b"]),
    st.sampled_from(["Exact", "Prefix", "ImplementationSpecific"]),
    _BACKEND,
)
_RULE = st.builds(
    lambda host, paths: {**({"host": host} if host else {}), **({"http": {"paths": paths}} if paths else {})},
    st.sampled_from(["", "a.com", "*.a.com"]),
    st.lists(_PATH, max_size=3),
)


@st.composite
def ingresses(draw: st.DrawFn) -> Json:
    """Valid Ingresses as they are stored."""
    spec: Json = {}
    if rules := draw(st.lists(_RULE, max_size=3)):
        spec["rules"] = rules
    if draw(st.booleans()) or not rules:
        spec["defaultBackend"] = draw(_BACKEND)
    if draw(st.booleans()):
        spec["ingressClassName"] = "nginx"
    if draw(st.booleans()):
        spec["tls"] = [{"hosts": ["a.com"], "secretName": "s"}]
    status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}} if draw(st.booleans()) else {"loadBalancer": {}}
    return {"metadata": {"name": "x"}, "apiVersion": "networking.k8s.io/v1", "kind": "Ingress"} | {
        "spec": spec,
        "status": status,
    }


@given(ingresses(), st.sampled_from(["extensions/v1beta1", "networking.k8s.io/v1beta1"]))
def test_an_ingress_comes_back_from_v1beta1_as_it_was(stored: Json, version: str) -> None:
    before = copy.deepcopy(stored)
    served = {**ingress.to_v1beta1(stored), "apiVersion": version}
    assert stored == before
    assert conform(version, "Ingress", served).problems == []  # all that it says is of that version
    shown = copy.deepcopy(served)
    assert {**ingress.to_v1(served), "apiVersion": "networking.k8s.io/v1"} == stored
    assert served == shown


@given(ingresses())
def test_v1beta1_comes_back_from_v1_as_it_was(stored: Json) -> None:
    old = ingress.to_v1beta1(stored)
    assert ingress.to_v1beta1(ingress.to_v1(copy.deepcopy(old))) == old


_TOPOLOGY = {"topology.kubernetes.io/zone": "z", "kubernetes.io/hostname": "n1", "rack": "7"}


@given(
    st.fixed_dictionaries(
        {"addresses": st.just(["10.0.0.1"])},
        optional={
            "nodeName": st.sampled_from(["n1", "n2"]),
            "zone": st.just("z"),
            "hints": st.just({"forZones": [{"name": "z"}]}),
            "deprecatedTopology": st.sampled_from([{"rack": "7"}, {"kubernetes.io/hostname": "another"}]),
        },
    )
)
def test_an_endpoint_comes_back_from_v1beta1_as_it_was(endpoint: Json) -> None:
    stored = {"metadata": {"name": "x"}, "addressType": "IPv4", "endpoints": [endpoint], "ports": []}
    served = endpointslice.to_v1beta1(stored)
    version = "discovery.k8s.io/v1beta1"
    assert conform(version, "EndpointSlice", {**served, "apiVersion": version}).problems == []
    assert endpointslice.to_v1(served) == stored


def test_what_v1beta1_calls_topology_is_zone_and_node_in_v1() -> None:
    told = {"endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n1", "topology": _TOPOLOGY}]}
    assert endpointslice.to_v1(told)["endpoints"] == [
        {"addresses": ["10.0.0.1"], "nodeName": "n1", "zone": "z", "deprecatedTopology": {"rack": "7"}}
    ]
    assert endpointslice.to_v1beta1(endpointslice.to_v1(told)) == told
    assert endpointslice.v1beta1_field("endpoints[0].deprecatedTopology") == "endpoints[0].topology"


@settings(max_examples=50)
@given(objects("events.k8s.io/v1", "Event"))
def test_an_event_comes_back_from_core_as_it_was(new: Json) -> None:
    core = {**event.to_core(new), "apiVersion": "v1"}
    assert conform("v1", "Event", copy.deepcopy(core)).problems == []
    assert {**event.to_new(core), "apiVersion": "events.k8s.io/v1"} == new


def test_a_port_is_a_name_where_it_is_text_and_a_path_has_a_type() -> None:
    paths = [
        {"path": "/a", "backend": {"serviceName": "a", "servicePort": "http"}},
        {"path": "/b", "pathType": "Exact", "backend": {"serviceName": "b", "servicePort": 80}},
        {"backend": {}},
    ]
    old = {"spec": {"backend": {"serviceName": "d", "servicePort": 1}, "rules": [{"http": {"paths": paths}}]}}
    assert ingress.to_v1(old) == {
        "spec": {
            "defaultBackend": {"service": {"name": "d", "port": {"number": 1}}},
            "rules": [
                {
                    "http": {
                        "paths": [
                            {
                                "path": "/a",
                                "backend": {"service": {"name": "a", "port": {"name": "http"}}},
                                "pathType": "ImplementationSpecific",
                            },
                            {
                                "path": "/b",
                                "pathType": "Exact",
                                "backend": {"service": {"name": "b", "port": {"number": 80}}},
                            },
                            {"backend": {}, "pathType": "ImplementationSpecific"},
                        ]
                    }
                }
            ],
        }
    }


def test_fields_are_called_as_in_the_version() -> None:
    assert ingress.v1beta1_field("spec.defaultBackend.service.name") == "spec.backend.serviceName"
    path = "spec.rules[0].http.paths[1].backend"
    assert ingress.v1beta1_field(f"{path}.service.port.number") == f"{path}.servicePort"
    assert event.new_field("involvedObject.name") == "regarding.name"
