"""The ConfigMap's keys, while requests go on: some hold at once, some once nginx has reloaded."""

import re
from collections.abc import Iterator

import pytest

from tests.ingress.objects import endpoint_slice, ingress, path, service
from tests.ingress.world import CLIENTS, PODS, World

pytestmark = pytest.mark.netns


@pytest.fixture
def settings(cluster: World) -> Iterator[World]:
    cluster.apply(ingress("set", {"set.test": [path("one")]}))
    cluster.until(lambda: cluster.client.get("http://set.test/").status == 200)
    yield cluster
    write(cluster, {})


def write(cluster: World, data: dict[str, str]) -> None:
    metadata = {"name": "nginx-configuration", "namespace": "dev"}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def test_a_size_holds_at_once(settings: World) -> None:
    write(settings, {"proxy-body-size": "10"})
    settings.until(lambda: settings.client.get("http://set.test/", method="POST", body=b"x" * 11).status == 413)
    write(settings, {})
    settings.until(lambda: settings.client.get("http://set.test/", method="POST", body=b"x" * 11).status == 200)


def test_forwarded_headers_are_believed_when_they_are_to_be(settings: World) -> None:
    told = {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "outer.test, inner.test",
    }

    def seen() -> dict[str, str]:
        headers: dict[str, str] = settings.client.get("http://set.test/", headers=told).json["headers"]
        return headers

    assert seen()["x-forwarded-for"] != "203.0.113.9"
    assert seen()["x-original-forwarded-for"] == "203.0.113.9"
    write(settings, {"use-forwarded-headers": "true"})
    settings.until(lambda: seen()["x-forwarded-for"] == "203.0.113.9")
    assert seen()["x-forwarded-proto"] == "https"
    assert seen()["x-forwarded-host"] == "outer.test"


def test_a_redirect_leads_to_the_host_that_a_believed_proxy_was_asked_for(settings: World) -> None:
    settings.apply(ingress("led", {"led.test": [path("one")]}, annotations={"force-ssl-redirect": "true"}))
    told = {"x-forwarded-host": "outer.test:8443, led.test", "x-forwarded-proto": "http"}

    def location() -> str | None:
        return settings.client.get("http://led.test/x/", headers=told).headers.get("location")

    settings.until(lambda: location() == "https://led.test/x")
    write(settings, {"use-forwarded-headers": "true"})
    settings.until(lambda: location() == "https://outer.test/x")


@pytest.mark.parametrize(
    ("data", "blocked", "served"),
    [
        ({"block-user-agents": r"~*chrome\/68\.0 safari,AlphaBot"}, {"user-agent": "A Chrome/68.0 Safari"}, {}),
        ({"block-user-agents": "~Bot,AlphaBot"}, {"user-agent": "alphabot"}, {"user-agent": "betabot"}),
        ({"block-referers": r"~*example\.com,qwerty"}, {"referer": "http://EXAMPLE.com/"}, {"referer": "qwerty123"}),
        ({"block-user-agents": "~*(,AlphaBot"}, {"user-agent": "AlphaBot"}, {"user-agent": "("}),
    ],
    ids=["pattern", "whole texts", "pages", "beside one that is no pattern"],
)
def test_some_are_turned_away_from_every_host(
    settings: World, data: dict[str, str], blocked: dict[str, str], served: dict[str, str]
) -> None:
    write(settings, data)
    for host in ("set.test", "unknown.test"):
        settings.until(lambda: settings.client.get(f"http://{host}/", headers=blocked).status == 403)  # noqa: B023
    assert settings.client.get("http://set.test/", headers=served).status == 200


def test_ranges_are_turned_away_from_every_host(settings: World) -> None:
    write(settings, {"block-cidrs": f"192.0.2.0/24,{CLIENTS[0]}/32"})
    settings.until(lambda: settings.client.get("http://set.test/", source=CLIENTS[0]).status == 403)
    assert settings.client.get("http://set.test/", source=CLIENTS[1]).status == 200


def test_a_reload_loses_no_request(settings: World) -> None:
    """Compression is nginx's own, so it takes one."""
    write(settings, {"use-gzip": "true", "gzip-min-length": "10", "gzip-types": "application/json"})

    def compressed() -> bool:
        got = settings.client.get("http://set.test/", headers={"accept-encoding": "gzip"})
        assert got.status == 200
        return got.headers.get("content-encoding") == "gzip"

    settings.until(compressed)


def test_headers_of_a_config_map_are_evaluated_as_nginx_would(settings: World) -> None:
    data = {"X-Request-Start": "t=${msec}", "X-Kept": "$5 ${host $nothing_known", "X-Who": "$namespace/$host}"}
    metadata = {"name": "custom-headers", "namespace": "dev"}
    settings.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    both = {"proxy-set-headers": "dev/custom-headers", "add-headers": "dev/custom-headers"}
    write(settings, both)

    def told(headers: dict[str, str]) -> bool:
        return re.fullmatch(r"t=\d+\.\d{3}", headers.get("x-request-start", "")) is not None

    settings.until(lambda: told(settings.client.get("http://set.test/").headers))
    got = settings.client.get("http://set.test/")
    assert told(got.json["headers"])
    for headers in (got.headers, got.json["headers"]):
        assert headers["x-kept"] == "$5 ${host $nothing_known"
        assert headers["x-who"] == "dev/set.test}"


def test_a_range_holds_for_all_hosts(settings: World) -> None:
    write(settings, {"denylist-source-range": CLIENTS[0]})
    settings.until(lambda: settings.client.get("http://set.test/", source=CLIENTS[0]).status == 403)
    assert settings.client.get("http://set.test/", source=CLIENTS[1]).status == 200


def test_what_cannot_be_taken_is_told_and_changes_nothing(settings: World) -> None:
    write(settings, {"log-format-upstream": "$no_such_variable", "main-snippet": "x", "nonsense": "y"})
    settings.until(
        lambda: {"InvalidSettings", "InvalidAnnotation"} <= {each[1] for each in settings.events("nginx-configuration")}
    )
    assert settings.client.get("http://set.test/").status == 200


def test_nginx_names_itself_to_nobody_where_it_shall_not(settings: World) -> None:
    settings.apply(service("dead"))
    settings.apply(endpoint_slice("dead", [PODS[7]]))
    settings.apply(ingress("nameless", {"nameless.test": [path("one"), path("dead", "/dead")]}))
    write(settings, {"server-tokens": "false"})
    settings.until(lambda: "server" not in settings.client.get("http://nameless.test/").headers)

    def nameless() -> None:
        for url, status in (("nameless.test/", 200), ("nameless.test/dead", 502), ("nobody.test/", 404)):
            got = settings.client.get(f"http://{url}")
            assert (got.status, "server" in got.headers) == (status, False)

    settings.settled(nameless)  # a worker of before the reload may still take a connection


def test_what_nginx_holds_outlives_a_reload(settings: World) -> None:
    """A reload reads no snapshot: shared memory is newer."""
    settings.until(lambda: settings.client.get("http://set.test/").headers.get("server") == "nginx")
    write(settings, {"server-tokens": "true"})
    settings.until(lambda: "nginx/" in settings.client.get("http://set.test/").headers.get("server", ""))
    assert settings.client.get("http://set.test/").status == 200
