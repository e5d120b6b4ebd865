"""Services beyond the chapter's, in a cluster: made by hand, another proxy's, not ready, at odds with each other."""

import json
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, Result, eventually

pytestmark = pytest.mark.e2e

EXTERNAL = "192.168.109.77"  # of the nodes' LAN, and nobody's


def curl(machine: Machine, url: str) -> Result:
    return machine.on_node("master", "curl", "-sS", "-m", "2", url)


def apply(kubectl: Kubectl, *objects: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl.argv("apply", "-f", "-", stdin=text).ok()


def service(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "dev", "labels": labels or {}}
    ports = spec.pop("ports", [{"port": 80, "protocol": "TCP"}])
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def reaches(machine: Machine, url: str, pages: set[str], *, seconds: float = 15) -> None:
    def check() -> None:
        done = curl(machine, url)
        assert done.code == 0, done.err
        assert done.out.strip() in pages, done.out

    eventually(check, seconds)


def test_endpoints_made_by_hand(cluster: Machine, newest: Kubectl, application: dict[str, str]) -> None:
    """As Endpoints, which are mirrored, and as an EndpointSlice of several ports."""
    first, second, third = application.values()
    named = [{"name": name, "port": port, "protocol": "TCP"} for name, port in (("http", 80), ("other", 81))]
    apply(
        newest,
        service("old", clusterIP="10.97.50.1"),
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "old", "namespace": "dev"},
            "subsets": [{"addresses": [{"ip": first}], "ports": [{"port": 80}]}],
        },
        service("new", clusterIP="10.97.50.2", ports=named),
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "mine", "namespace": "dev", "labels": {"kubernetes.io/service-name": "new"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [second]}, {"addresses": [third], "conditions": {"ready": False}}],
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP"},
                {"name": "other", "port": 80, "protocol": "TCP"},
            ],
        },
    )
    reaches(cluster, "http://10.97.50.1", {first})
    for url in ("http://10.97.50.2", "http://10.97.50.2:81"):
        reaches(cluster, url, {second})


def test_a_service_that_another_proxy_has_is_left_alone(
    cluster: Machine, newest: Kubectl, application: dict[str, str]
) -> None:
    label = "service.kubernetes.io/service-proxy-name"
    apply(newest, service("theirs", clusterIP="10.97.50.3", selector={"app": "nginx-pod"}, labels={label: "other"}))
    apply(newest, service("ours", clusterIP="10.97.50.4", selector={"app": "nginx-pod"}))
    reaches(cluster, "http://10.97.50.4", set(application.values()))
    assert curl(cluster, "http://10.97.50.3").code != 0
    newest(f"label service theirs -n dev {label}-").ok()
    reaches(cluster, "http://10.97.50.3", set(application.values()))
    newest(f"label service ours -n dev {label}=other").ok()
    eventually(lambda: _refused(cluster, "http://10.97.50.4"))


def _refused(machine: Machine, url: str) -> None:
    assert curl(machine, url).code == 7


def test_pods_that_are_not_ready_where_they_are_asked_for(cluster: Machine, newest: Kubectl) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    container = {"name": "nginx", "image": "nginx:1.17.1", "readinessProbe": probe}
    metadata = {"name": "never-ready", "namespace": "dev", "labels": {"app": "never"}}
    apply(
        newest,
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}},
        service("waits", clusterIP="10.97.50.5", selector={"app": "never"}),
        service("takes", clusterIP="10.97.50.6", selector={"app": "never"}, publishNotReadyAddresses=True),
    )

    def answers() -> None:
        assert "Welcome to nginx" in curl(cluster, "http://10.97.50.6").out

    eventually(answers, 20)
    _refused(cluster, "http://10.97.50.5")


def test_two_services_that_claim_one_address(cluster: Machine, newest: Kubectl, application: dict[str, str]) -> None:
    """The older one has it, the younger one is told, and gets it when the older one goes."""
    first, second, _ = application.values()
    for name, address, ip in (("older", first, "10.97.50.7"), ("younger", second, "10.97.50.8")):
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "dev", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
        }
        apply(newest, service(name, clusterIP=ip, externalIPs=[EXTERNAL]), slice_)
        reaches(cluster, f"http://{ip}", {address})
    reaches(cluster, f"http://{EXTERNAL}", {first})

    def told() -> None:
        events = newest("get events -n dev --field-selector involvedObject.name=younger").ok().out
        assert f"{EXTERNAL}:80/TCP belongs to Service dev/older: not served here" in events

    eventually(told)
    newest("delete service older -n dev").ok()
    reaches(cluster, f"http://{EXTERNAL}", {second})


def test_people_find_kube_proxy_where_the_documentation_looks_for_it(cluster: Machine, newest: Kubectl) -> None:
    """The page "Debug Services": by ps on a node, and by its mode in its log."""
    assert "kube-proxy-" in cluster.on_node("node1", "ps", "auxw").ok().out
    assert "Using nftables Proxier" in newest("logs -n kube-system ds/kube-proxy").ok().out


def test_a_node_that_is_going_tells_load_balancers_but_lives(cluster: Machine, newest: Kubectl) -> None:
    def answers(path: str, code: str) -> None:
        ask = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:10256{path}")
        assert cluster.on_node("node2", *ask).ok().out == code

    eventually(lambda: answers("/healthz", "200"))
    newest("taint node node2 ToBeDeletedByClusterAutoscaler=1:PreferNoSchedule").ok()
    try:
        eventually(lambda: answers("/healthz", "503"))
        answers("/livez", "200")
    finally:
        newest("taint node node2 ToBeDeletedByClusterAutoscaler-").ok()
    eventually(lambda: answers("/healthz", "200"))


def test_connections_are_tracked_as_long_as_kube_proxy_has_them(cluster: Machine) -> None:
    read = ("cat", "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait")
    assert cluster.on_node("node1", *read).ok().out.strip() == "3600"


def test_a_configuration_that_is_refused_is_told_and_services_go_on(
    cluster: Machine, newest: Kubectl, application: dict[str, str]
) -> None:
    apply(newest, service("stays", clusterIP="10.97.50.9", selector={"app": "nginx-pod"}))
    reaches(cluster, "http://10.97.50.9", set(application.values()))
    was = json.loads(newest("get cm kube-proxy -n kube-system -o json").ok().out)["data"]["config.conf"]

    def configure(text: str) -> None:
        patch = json.dumps({"data": {"config.conf": text}})
        newest.argv("patch", "cm", "kube-proxy", "-n", "kube-system", "-p", patch).ok()
        newest("delete pod -l k8s-app=kube-proxy -n kube-system --wait=false").ok()

    def told() -> None:
        found = newest("get events -n default --field-selector reason=InvalidConfiguration").ok().out
        assert "portRnge: unknown field" in found

    configure(was + "portRnge: x\n")
    try:
        eventually(told, 20)
        reaches(cluster, "http://10.97.50.9", set(application.values()))
    finally:
        configure(was)

    def serves_again() -> None:
        assert newest("get pods -n kube-system -l k8s-app=kube-proxy").ok().out.count("1/1") == 3

    eventually(serves_again, 60)


def test_services_and_pods_are_reached_through_the_api_server(newest: Kubectl, application: dict[str, str]) -> None:
    """As the documentation's `access cluster services` does, and `kubectl proxy`'s users."""
    apply(newest, service("web", selector={"app": "nginx-pod"}))
    space = "/api/v1/namespaces/dev"
    name, address = next(iter(application.items()))

    def served() -> None:
        found = newest(f"get --raw {space}/services/http:web:80/proxy/index.html")
        assert found.out.strip() in application.values(), found.err

    eventually(served, 15)
    assert newest(f"get --raw {space}/pods/{name}/proxy/").ok().out.strip() == address
    assert "error trying to reach service" in newest(f"get --raw {space}/pods/{name}:81/proxy/").err
    nobody = newest(f"get --raw {space}/services/web:81/proxy/")
    assert 'no service port 81 found for service "web"' in nobody.err
