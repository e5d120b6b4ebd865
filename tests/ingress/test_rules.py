"""Hosts, paths and certificates, with real traffic through real nginx."""

import ssl

import pytest

from tests.ingress.objects import certificate, endpoint_slice, ingress, path, service, tls_secret
from tests.ingress.world import PODS, World

pytestmark = pytest.mark.netns


def test_a_host_leads_to_the_pods_of_its_service_in_rotation(cluster: World) -> None:
    cluster.apply(ingress("rotation", {"rotation.test": [path("one")]}))
    cluster.until(lambda: cluster.client.get("http://rotation.test/").status == 200)
    seen = [cluster.client.get("http://rotation.test/").server for _ in range(8)]
    assert set(seen) == {"a", "b"}


def test_plain_http_is_led_to_https_where_there_is_a_certificate(cluster: World) -> None:
    pair = certificate("secure.test")
    cluster.apply(tls_secret("secure", pair))
    cluster.apply(ingress("secure", {"secure.test": [path("one")]}, tls={"secure": ["secure.test"]}))
    cluster.until(lambda: cluster.client.get("http://secure.test/").status == 308)
    got = cluster.client.get("http://secure.test/x?y=1")
    assert got.headers["location"] == "https://secure.test/x?y=1"
    shown = cluster.client.get("https://secure.test/")
    assert shown.status == 200
    assert shown.certificate == ssl.PEM_cert_to_DER_cert(pair[0].decode())
    assert shown.json["headers"]["x-forwarded-proto"] == "https"
    assert "max-age" in shown.headers["strict-transport-security"]


def test_a_certificate_that_is_replaced_is_shown_at_once(cluster: World) -> None:
    for pair in (certificate("fresh.test"), certificate("fresh.test")):
        cluster.apply(tls_secret("fresh", pair))
        cluster.apply(ingress("fresh", {"fresh.test": [path("one")]}, tls={"fresh": ["fresh.test"]}))
        wanted = ssl.PEM_cert_to_DER_cert(pair[0].decode())
        cluster.until(lambda: cluster.client.get("https://fresh.test/").certificate == wanted)  # noqa: B023  # at once


@pytest.mark.parametrize("broken", ["missing", "garbage"])
def test_without_a_usable_certificate_the_default_one_is_shown_and_an_event_says_so(
    cluster: World, broken: str
) -> None:
    name = f"{broken}-cert"
    if broken == "garbage":
        cluster.apply(tls_secret(name, (certificate("x.test")[0], certificate("y.test")[1])))
    cluster.apply(ingress(name, {f"{broken}.test": [path("one")]}, tls={name: [f"{broken}.test"]}))
    shown = cluster.until(lambda: cluster.client.get(f"https://{broken}.test/"))
    assert shown.certificate is not None
    assert b"Kubernetes Ingress Controller Fake Certificate" in shown.certificate
    cluster.until(lambda: [each for each in cluster.events(name) if each[0] == "Warning" and name in each[2]])


def test_events_say_what_happened_to_an_ingress(cluster: World) -> None:
    cluster.apply(ingress("told", {"told.test": [path("one")]}))
    cluster.until(lambda: ("Normal", "CREATE", "Ingress dev/told") in cluster.events("told"))
    cluster.apply(ingress("told", {"told.test": [path("two")]}))
    cluster.until(lambda: ("Normal", "UPDATE", "Ingress dev/told") in cluster.events("told"))
    cluster.delete("ingresses.networking.k8s.io", "told")
    cluster.until(lambda: ("Normal", "DELETE", "Ingress dev/told") in cluster.events("told"))
    cluster.until(lambda: cluster.client.get("http://told.test/").status == 404)


def test_a_change_of_endpoints_shows_at_once_and_none_left_is_503(cluster: World) -> None:
    cluster.apply(service("moving"))
    cluster.apply(endpoint_slice("moving", PODS[:1]))
    cluster.apply(ingress("moving", {"moving.test": [path("moving")]}))
    cluster.until(lambda: cluster.client.get("http://moving.test/").server == "a")
    cluster.apply(endpoint_slice("moving", PODS[2:3]))
    cluster.until(lambda: cluster.client.get("http://moving.test/").server == "c")
    cluster.apply(endpoint_slice("moving", []))
    cluster.until(lambda: cluster.client.get("http://moving.test/").status == 503)


def test_the_status_shows_the_address_of_the_published_service(cluster: World) -> None:
    entry = service("entry", type="NodePort", clusterIP="10.96.7.7")
    cluster.apply(entry)
    cluster.apply(ingress("shown", {"shown.test": [path("one")]}))

    def shown() -> object:
        return cluster.get("ingresses.networking.k8s.io", "shown")["status"].get("loadBalancer", {}).get("ingress")

    cluster.until(lambda: shown() == [{"ip": "10.96.7.7"}])
    cluster.until(lambda: ("Normal", "UPDATE", "Ingress dev/shown") in cluster.events("shown"))
