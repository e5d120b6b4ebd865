"""Endpoints: subsets as Kubernetes packs and sorts them."""

from typing import Any

import pytest

from fairlead.api.types.core import Container, ContainerPort, Pod
from fairlead.api.types.meta import ObjectMeta
from fairlead.api.types.service import Endpoints, Service, ServicePort, ServiceSpec
from fairlead.controllers.endpoint_ports import TRIGGERED
from fairlead.controllers.endpoints import HEADLESS, MOST, TRUNCATED, plan, subsets_of
from tests.unit.controllers.objects import at, pod

HTTP = ServicePort(port=80, target_port=8080)


def service(*ports: ServicePort, labels: dict[str, str] | None = None, **spec: Any) -> Service:
    metadata = ObjectMeta(name="web", namespace="default", uid="s", labels=labels or {}, creation_timestamp=at(0))
    return Service(metadata=metadata, spec=ServiceSpec(ports=list(ports), selector={"app": "web"}, **spec))


def told(it: Service, pods: list[Pod]) -> list[tuple[str, str, str]]:
    """(ready addresses, other addresses, ports) of each subset."""
    return [
        (
            " ".join(address.ip for address in subset.addresses),
            " ".join(address.ip for address in subset.not_ready_addresses),
            " ".join(f"{port.name}:{port.port}" for port in subset.ports),
        )
        for subset in subsets_of(it, pods)
    ]


@pytest.mark.parametrize(
    ("what", "it", "pods", "expected"),
    [
        (
            "ready and not",
            service(HTTP),
            [pod("a", ip="10.0.0.1", ready=True), pod("b", ip="10.0.0.2", ready=False), pod("c", ip="10.0.0.3")],
            [("10.0.0.1", "10.0.0.2 10.0.0.3", ":8080")],
        ),
        (
            "sorted by text, as `kubectl get endpoints` shows them",
            service(HTTP),
            [pod(ip, ip=ip, ready=True) for ip in ("10.0.0.9", "10.0.0.10", "10.0.0.11")],
            [("10.0.0.10 10.0.0.11 10.0.0.9", "", ":8080")],
        ),
        (
            "without an address, ended, or going",
            service(HTTP),
            [
                pod("a", ready=True),
                pod("b", ip="10.0.0.2", ready=True, phase="Failed"),
                pod("c", ip="10.0.0.3", ready=True, phase="Succeeded"),
                pod("d", ip="10.0.0.4", ready=True, going=True),
            ],
            [],
        ),
        (
            "not ready ones are published where that is asked for, going ones too",
            service(HTTP, publish_not_ready_addresses=True),
            [pod("a", ip="10.0.0.1", ready=False), pod("b", ip="10.0.0.2", going=True)],
            [("10.0.0.1 10.0.0.2", "", ":8080")],
        ),
        (
            "a named port that differs from pod to pod: shared ports share their subset",
            service(
                ServicePort(port=80, name="http", target_port="http"),
                ServicePort(port=90, name="metrics", target_port=9000),
            ),
            [
                pod("a", ip="10.0.0.1", ready=True, ports={"http": 8080}),
                pod("b", ip="10.0.0.2", ready=True, ports={"http": 8081}),
            ],
            [
                ("10.0.0.1", "", "http:8080"),
                ("10.0.0.2", "", "http:8081"),
                ("10.0.0.1 10.0.0.2", "", "metrics:9000"),
            ],
        ),
        (
            "several ports that all pods have are one subset",
            service(ServicePort(port=443, name="https"), ServicePort(port=80, name="http")),
            [pod("a", ip="10.0.0.1", ready=True), pod("b", ip="10.0.0.2", ready=False)],
            [("10.0.0.1", "10.0.0.2", "http:80 https:443")],
        ),
        (
            "no pod has the named port",
            service(ServicePort(port=80, target_port="nope")),
            [pod("a", ip="10.0.0.1", ready=True)],
            [],
        ),
        (
            "headless without ports",
            service(cluster_ip="None"),
            [pod("a", ip="10.0.0.1", ready=True)],
            [("10.0.0.1", "", "")],
        ),
    ],
)
def test_subsets(what: str, it: Service, pods: list[Pod], expected: list[tuple[str, str, str]]) -> None:
    assert told(it, pods) == expected, what


def test_a_sidecar_has_ports_and_an_init_container_that_ends_has_none() -> None:
    each = pod("a", ip="10.0.0.1", ready=True)
    port = [ContainerPort(container_port=15001, name="mesh")]
    it = service(ServicePort(port=80, target_port="mesh"))
    each.spec.init_containers = [Container(name="i", ports=port)]
    assert told(it, [each]) == []
    each.spec.init_containers = [Container(name="i", ports=port, restart_policy="Always")]
    assert told(it, [each]) == [("10.0.0.1", "", ":15001")]


@pytest.mark.parametrize(("subdomain", "hostname"), [("web", "a"), ("other", ""), ("", "")])
def test_a_hostname_is_told_beneath_the_own_service_only(subdomain: str, hostname: str) -> None:
    each = pod("a", ip="10.0.0.1", node="node1", ready=True, hostname="a", subdomain=subdomain)
    (address,) = subsets_of(service(HTTP), [each])[0].addresses
    assert address.hostname == hostname
    assert address.node_name == "node1"
    assert address.target_ref is not None
    assert (address.target_ref.kind, address.target_ref.uid) == ("Pod", "uid-a")


def test_labels_are_the_services_with_a_mark_on_headless_ones() -> None:
    headless = plan(service(HTTP, labels={"app": "web"}, cluster_ip="None"), [], None)
    plain = plan(service(HTTP, labels={"app": "web", HEADLESS: ""}), [], None)
    assert headless is not None
    assert plain is not None
    assert headless.metadata.labels == {"app": "web", HEADLESS: ""}
    assert plain.metadata.labels == {"app": "web"}


def test_nothing_is_written_where_nothing_changes_and_the_rest_of_the_object_stays() -> None:
    it, pods = service(HTTP), [pod("a", ip="10.0.0.1", ready=True, ready_since=7)]
    made = plan(it, pods, None)
    assert made is not None
    assert made.metadata.annotations == {TRIGGERED: at(7)}
    made.metadata.resource_version, made.metadata.annotations["mine"] = "9", "x"
    assert plan(it, pods, made) is None
    changed = plan(it, [], made)
    assert changed is not None
    assert changed.metadata.resource_version == "9"
    assert changed.metadata.annotations["mine"] == "x"


@pytest.mark.parametrize(
    ("ready", "waiting", "expected"),
    [(MOST, 0, (MOST, 0)), (MOST + 1, 5, (MOST, 0)), (600, 600, (600, 400)), (1500, 1500, (MOST, 0))],
)
def test_a_thousand_addresses_are_enough_and_ready_ones_come_first(
    ready: int, waiting: int, expected: tuple[int, int]
) -> None:
    it = service(ServicePort(port=80, name="http", target_port="http"), ServicePort(port=90, name="m"))
    pods = [
        pod(str(n), ip=f"10.0.{n // 250}.{n % 250}", ready=n < ready, ports={"http": 8080 + n % 2})
        for n in range(ready + waiting)
    ]
    found = plan(service(HTTP), pods, None)
    split = plan(it, pods, None)
    assert isinstance(found, Endpoints)
    assert isinstance(split, Endpoints)
    assert _counts(found) == expected
    assert sum(_counts(split)) <= MOST
    assert (found.metadata.annotations.get(TRUNCATED) == "truncated") is (ready + waiting > MOST)


def _counts(endpoints: Endpoints) -> tuple[int, int]:
    return (
        sum(len(subset.addresses) for subset in endpoints.subsets),
        sum(len(subset.not_ready_addresses) for subset in endpoints.subsets),
    )


def test_the_trigger_is_the_latest_of_the_service_and_its_pods() -> None:
    made = plan(service(HTTP), [pod("a", ip="10.0.0.1", ready=True, ready_since=-50)], None)
    assert made is not None
    assert made.metadata.annotations[TRIGGERED] == at(0)


@pytest.mark.parametrize(
    ("families", "addresses"),
    [([], ["10.0.0.1"]), (["IPv4", "IPv6"], ["10.0.0.1"]), (["IPv6", "IPv4"], ["fd00::1", "fd00::2"])],
)
def test_endpoints_are_of_the_services_first_family(families: list[str], addresses: list[str]) -> None:
    pods = [pod("a", ips=("10.0.0.1", "fd00::1"), ready=True), pod("b", ips=("fd00::2",), ready=True)]
    found = subsets_of(service(HTTP, ip_families=families), pods)
    assert [each.ip for subset in found for each in subset.addresses] == addresses
