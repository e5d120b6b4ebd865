"""Each way in which a Service can be wrong is told with its cause."""

from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import Pod
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.service import Service
from fairlead.services.decide import Network
from fairlead.services.explain import Finding, Source, examine, ways

Json = dict[str, Any]
NETWORK = Network("node1", ("192.168.109.101",), ("10.244.0.0/16",))
POD, OUTSIDE = Source("pod/x", ("10.244.1.9",), "node1"), Source("outside", ("192.168.109.1",), "node1")


def service(**spec: Any) -> Service:
    given = {"selector": {"app": "web"}, "clusterIP": "10.97.97.97", "ports": [{"port": 80, "protocol": "TCP"}], **spec}
    return msgspec.convert({"metadata": {"name": "web", "namespace": "dev"}, "spec": given}, Service)


def pod(
    name: str = "a", *, ready: bool = True, labels: Json | None = None, status: Json | None = None, **c: Any
) -> Pod:
    container = {"name": "c", "image": "i", **c}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "dev", "labels": {"app": "web"} if labels is None else labels},
            "spec": {"nodeName": "node1", "containers": [container]},
            "status": {"phase": "Running", "conditions": conditions, **(status or {})},
        },
        Pod,
    )


def slices(*endpoints: Json, port: int = 80) -> list[EndpointSlice]:
    obj = {
        "metadata": {"name": "web-1", "namespace": "dev"},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
    }
    return [msgspec.convert(obj, EndpointSlice)]


def endpoint(address: str = "10.244.1.2", node: str = "node1", ready: bool = True) -> Json:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": ready}}


def waiting(reason: str) -> Json:
    return {
        "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": reason, "message": "m"}}, "ready": False}]
    }


RUNNING = {"containerStatuses": [{"name": "c", "state": {"running": {}}, "ready": False}]}
PROBE = {"httpGet": {"path": "/ready", "port": 8080}}
DECLARED = [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
SETTLED = {"ports": [{"port": 80, "protocol": "TCP", "targetPort": "web"}]}
OTHER = {"ports": [{"port": 53, "protocol": "UDP", "targetPort": 8080}]}

CASES: list[tuple[str, Service, list[Pod], str, str]] = [
    ("works", service(), [pod()], "ok", "the selector app=web matches 1 pod, 1 of them ready"),
    ("no pod", service(), [], "problem", "the selector app=web matches no pod in dev"),
    (
        "nearest",
        service(selector={"app": "web", "tier": "x"}),
        [pod("near", labels={"app": "web", "tier": "y"}), pod("far", labels={"a": "b"})],
        "problem",
        "nearest is near: tier is 'y' there, not 'x'",
    ),
    ("lacks", service(selector={"app": "web", "t": "x"}), [pod()], "problem", "nearest is a: it has no label t"),
    (
        "waits",
        service(),
        [pod(ready=False, status=waiting("ImagePullBackOff"))],
        "problem",
        "pod a is not ready: container c waits: ImagePullBackOff: m",
    ),
    (
        "probe",
        service(),
        [pod(ready=False, status=RUNNING, readinessProbe=PROBE)],
        "problem",
        "its readiness probe (GET /ready on port 8080) does not succeed",
    ),
    ("one of two", service(), [pod(), pod("b", ready=False)], "ok", "matches 2 pods, 1 of them ready"),
    ("one of two, told", service(), [pod(), pod("b", ready=False)], "note", "pod b is not ready"),
    (
        "port's name",
        service(**SETTLED),
        [pod(ports=DECLARED)],
        "problem",
        "targetPort 'web' is no TCP port of pod a (named there: http)",
    ),
    (
        "protocol",
        service(**OTHER),
        [pod(ports=DECLARED)],
        "problem",
        "port 53 is UDP, and pod a declares 8080 as TCP",
    ),
    ("by hand, none", service(selector={}), [], "problem", "no selector, and no EndpointSlice was made for it"),
    ("name", service(type="ExternalName", externalName="x.org"), [], "note", "a CNAME to x.org"),
    ("headless", service(clusterIP="None"), [pod()], "note", "headless: DNS answers with the endpoints' own addresses"),
]


@pytest.mark.parametrize(("obj", "pods", "kind", "text"), [each[1:] for each in CASES], ids=[each[0] for each in CASES])
def test_what_is_found(obj: Service, pods: list[Pod], kind: str, text: str) -> None:
    found = examine(obj, [], pods)
    assert [each for each in found if each.kind == kind and text in each.text], found


def test_nothing_is_wrong_with_what_works() -> None:
    assert examine(service(), slices(endpoint()), [pod()]) == [
        Finding("ok", "the selector app=web matches 1 pod, 1 of them ready")
    ]


def test_by_hand_is_counted() -> None:
    found = examine(service(selector={}), slices(endpoint(), endpoint("10.0.0.9")), [])
    assert found == [Finding("note", "no selector: its 2 endpoints were made by hand")]


def test_ways_from_a_pod_and_from_outside() -> None:
    obj = service(
        type="NodePort", ports=[{"port": 80, "protocol": "TCP", "nodePort": 30080}], externalIPs=["203.0.113.9"]
    )
    inside = ways(obj, slices(endpoint(), endpoint("10.244.2.2", "node2")), POD, NETWORK)
    assert [(way.what, way.packet.destination, way.packet.port) for way in inside] == [
        ("ClusterIP", "10.97.97.97", 80),
        ("external address", "203.0.113.9", 80),
        ("NodePort", "192.168.109.101", 30080),
    ]
    assert inside[0].text == "one of 10.244.1.2:80, 10.244.2.2:80"
    assert inside[2].text.endswith("they see the address of node1")
    assert [way.what for way in ways(obj, slices(endpoint()), OUTSIDE, NETWORK)] == ["external address", "NodePort"]
    assert ways(obj, slices(endpoint()), POD, NETWORK, port=81) == []


def test_why_a_packet_is_refused_or_dropped() -> None:
    (way,) = ways(service(), slices(endpoint(ready=False)), POD, NETWORK)
    assert (way.decision.verdict, way.text) == ("reject", "refused: it has no endpoint that is ready")
    local = service(internalTrafficPolicy="Local")
    (way,) = ways(local, slices(endpoint("10.244.2.2", "node2")), POD, NETWORK)
    assert (way.decision.verdict, way.text) == (
        "drop",
        "dropped: internalTrafficPolicy is Local, and node1 has no endpoint; node2 has",
    )
    sticky = service(sessionAffinity="ClientIP")
    (way,) = ways(sticky, slices(endpoint()), POD, NETWORK)
    assert "a client stays with its endpoint for 10800 s" in way.text
