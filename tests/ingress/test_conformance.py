"""The scenarios of kubernetes-sigs/ingress-controller-conformance (1.19), each by real traffic: default backend, host
rules, ingress class, load balancing, path rules. What they ask of an answer is asked here."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.ingress.objects import certificate, endpoint_slice, ingress, path, service, tls_secret
from tests.ingress.upstreams import EchoServer, upstream
from tests.ingress.world import PODS, World

pytestmark = pytest.mark.netns

Json = dict[str, Any]
INGRESSES = "ingresses.networking.k8s.io"
SERVICES = (
    "wildcard-foo-com", "foo-bar-com", "foo-exact", "foo-prefix", "aaa-slash-bbb-prefix", "aaa-prefix",
    "aaa-slash-bbb-slash-prefix", "foo-slash-exact",
)  # fmt: skip
# Host, path → the Service that serves it; without one it is 404.
PATHS = [
    ("exact-path-rules", "/foo", "foo-exact"),
    ("exact-path-rules", "/foo/", None),
    ("exact-path-rules", "/FOO", None),
    ("exact-path-rules", "/bar", None),
    ("prefix-path-rules", "/foo", "foo-prefix"),
    ("prefix-path-rules", "/foo/", "foo-prefix"),
    ("prefix-path-rules", "/FOO", None),
    ("prefix-path-rules", "/aaa/bbb", "aaa-slash-bbb-prefix"),
    ("prefix-path-rules", "/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
    ("prefix-path-rules", "/aaa/ccc", "aaa-prefix"),
    ("prefix-path-rules", "/aaaccc", None),
    ("mixed-path-rules", "/foo", "foo-exact"),
    ("trailing-slash-path-rules", "/aaa/bbb", "aaa-slash-bbb-slash-prefix"),
    ("trailing-slash-path-rules", "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
    ("trailing-slash-path-rules", "/foo", None),
]
HOSTS = [
    ("http://subdomain.bar.com/", None),
    ("http://bar.foo.com/", "wildcard-foo-com"),
    ("http://baz.bar.foo.com/", None),
    ("http://foo.com/", None),
    ("https://foo.bar.com/", "foo-bar-com"),
]


@pytest.fixture(scope="module")
def conforming(cluster: World) -> Iterator[World]:
    """A Service and a pod by each name; the pod says the name."""
    with ExitStack() as stack:
        for number, name in enumerate(SERVICES):
            stack.enter_context(upstream(name, PODS[8], 8100 + number))
            ports = [{"name": "http", "port": 8080, "targetPort": 8100 + number}]
            cluster.apply(service(name, ports=ports))
            made = endpoint_slice(name, [PODS[8]], port=8100 + number)
            made["ports"][0]["name"] = "http"
            cluster.apply(made)
        yield cluster


def shown(cluster: World, name: str) -> Json:
    """The Ingress once its status says where it is exposed."""

    def exposed() -> Json | None:
        found = cluster.get(INGRESSES, name)
        return found if found.get("status", {}).get("loadBalancer", {}).get("ingress") else None

    cluster.apply(service("entry", type="NodePort", clusterIP="10.96.7.7"))  # the one that is published
    found = cluster.until(exposed)
    assert found is not None
    return found


def served(cluster: World, url: str, by: str | None) -> None:
    got = cluster.client.get(url)
    assert (got.status, got.server if got.status == 200 else None) == ((200, by) if by else (404, None))


@pytest.fixture(scope="module")
def path_rules(conforming: World) -> World:
    rules = {
        "exact-path-rules": [path("foo-exact", "/foo", "Exact", 8080)],
        "prefix-path-rules": [
            path("foo-prefix", "/foo", port=8080),
            path("aaa-slash-bbb-prefix", "/aaa/bbb", port=8080),
            path("aaa-prefix", "/aaa", port=8080),
        ],
        "mixed-path-rules": [path("foo-prefix", "/foo", port=8080), path("foo-exact", "/foo", "Exact", 8080)],
        "trailing-slash-path-rules": [
            path("aaa-slash-bbb-slash-prefix", "/aaa/bbb/", port=8080),
            path("foo-slash-exact", "/foo/", "Exact", 8080),
        ],
    }
    conforming.apply(ingress("path-rules", rules))
    conforming.settled(lambda: served(conforming, "http://trailing-slash-path-rules/aaa/bbb", SERVICES[6]))
    return conforming


@pytest.mark.parametrize(("host", "uri", "by"), PATHS)
def test_path_rules(path_rules: World, host: str, uri: str, by: str | None) -> None:
    served(path_rules, f"http://{host}{uri}", by)


@pytest.fixture(scope="module")
def host_rules(conforming: World) -> World:
    conforming.apply(tls_secret("conformance-tls", certificate("foo.bar.com")))
    rules = {
        "*.foo.com": [path("wildcard-foo-com", port=8080)],
        "foo.bar.com": [path("foo-bar-com", port="http")],
    }
    conforming.apply(ingress("host-rules", rules, tls={"conformance-tls": ["foo.bar.com"]}))
    conforming.settled(lambda: served(conforming, "https://foo.bar.com/", "foo-bar-com"))
    return conforming


@pytest.mark.parametrize(("url", "by"), HOSTS)
def test_host_rules(host_rules: World, url: str, by: str | None) -> None:
    served(host_rules, url, by)


def test_plain_requests_to_a_host_with_tls_are_served_after_the_redirect_that_clients_follow(host_rules: World) -> None:
    led = host_rules.client.get("http://foo.bar.com/")
    assert led.status == 308
    got = host_rules.client.get(led.headers["location"])
    assert got.server == "foo-bar-com"
    assert got.json["headers"]["host"] == "foo.bar.com"
    assert got.certificate is not None
    assert b"foo.bar.com" in ssl.DER_cert_to_PEM_cert(got.certificate).encode() or b"foo.bar.com" in got.certificate


def test_an_invalid_ingress_class_has_no_address_and_no_traffic(conforming: World) -> None:
    rules = {"ingress-class": [path("foo-prefix", port=8080)]}
    conforming.apply(ingress("test-ingress-class", rules, ingressClassName="some-invalid-class-name"))
    conforming.apply(ingress("of-ours", {"of-ours": [path("foo-prefix", port=8080)]}))
    shown(conforming, "of-ours")
    assert not conforming.get(INGRESSES, "test-ingress-class")["status"].get("loadBalancer", {}).get("ingress")
    served(conforming, "http://ingress-class/", None)


@pytest.fixture
def default_backend(conforming: World) -> Iterator[list[EchoServer]]:
    """Ten pods that serve whatever no rule names."""
    pods = [f"10.244.8.{number}" for number in range(1, 11)]
    with ExitStack() as stack:
        servers = []
        for pod in pods:
            subprocess.run(["ip", "addr", "replace", f"{pod}/32", "dev", "lo"], check=True)
            servers.append(stack.enter_context(upstream(pod, pod)))
        conforming.apply(service("echo-service", port=8080))
        conforming.apply(endpoint_slice("echo-service", pods))
        backend = {"service": {"name": "echo-service", "port": {"number": 8080}}}
        made = ingress("default-backend", {}, defaultBackend=backend)
        del made["spec"]["rules"]
        conforming.apply(made)
        shown(conforming, "default-backend")
        conforming.until(lambda: conforming.client.get("http://my-host/").status == 200)
        yield servers
        conforming.delete(INGRESSES, "default-backend")
        conforming.until(lambda: conforming.client.get("http://my-host/").status == 404)


def test_a_default_backend_serves_what_no_rule_names_by_all_its_pods(
    conforming: World, default_backend: list[EchoServer]
) -> None:
    cases = [
        ("GET", "my-host", "/"),
        ("GET", "my-host", "/sub-path"),
        ("POST", "some-host", "/"),
        ("PUT", "192.0.2.1", "/resource"),
        ("DELETE", "some-host", "/resource"),
        ("PATCH", "my-host", "/resource"),
    ]
    for method, host, uri in cases:
        sent = {"user-agent": "Go-http-client/1.1"}
        got = conforming.client.get(f"http://{host}{uri}", method=method, headers=sent)
        assert got.status == 200
        assert {"content-length", "content-type", "date", "server"} <= got.headers.keys()
        assert (got.json["method"], got.json["path"]) == (method, uri)
        assert got.json["headers"]["user-agent"] == "Go-http-client/1.1"
    seen = {conforming.client.get("http://load-balancing/").server for _ in range(100)}
    assert seen == {each.name for each in default_backend}
