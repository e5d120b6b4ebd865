"""The straight way and the others: what a client and a pod see does not tell which one a request has taken."""

import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.ingress.objects import certificate, endpoint_slice, ingress, path, service, tls_secret
from tests.ingress.upstreams import Got
from tests.ingress.world import ADDRESS, PODS, World

Json = dict[str, Any]
pytestmark = pytest.mark.netns


def answers(cluster: World, url: str, status: int = 200) -> None:
    cluster.until(lambda: cluster.client.get(url).status == status)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_pod_and_a_client_see_the_same_by_either_way(cluster: World, scheme: str) -> None:
    """A body is for the other ways."""
    cluster.apply(tls_secret("ways", certificate("ways.test")))
    annotations = {"ssl-redirect": "false"}
    rules = {"ways.test": [path("two")]}
    cluster.apply(ingress("ways", rules, annotations=annotations, tls={"ways": ["ways.test"]}))
    answers(cluster, f"{scheme}://ways.test/")
    told = {"x-forwarded-for": "203.0.113.9", "x-forwarded-host": "evil.test", "proxy": "evil", "x-scheme": "evil"}

    def ask(body: bytes | None) -> tuple[Got, Json]:
        got = cluster.client.get(f"{scheme}://ways.test/a?b=c", headers=told, body=body)
        return got, got.json

    (straight, seen), (around, seen_around) = ask(None), ask(b"x")
    ids = [each["headers"].pop("x-request-id") for each in (seen, seen_around)]
    assert ids[0] != ids[1]
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)
    assert seen_around["headers"].pop("content-length") == "1"
    assert seen["headers"] == seen_around["headers"]
    assert seen["path"] == seen_around["path"]
    assert straight.headers.keys() == around.headers.keys()
    assert ("strict-transport-security" in straight.headers) == (scheme == "https")


def test_an_id_that_the_client_gives_goes_on(cluster: World) -> None:
    cluster.apply(ingress("given", {"given.test": [path("two")]}))
    answers(cluster, "http://given.test/")
    got = cluster.client.get("http://given.test/", headers={"x-request-id": "mine"})
    assert got.json["headers"]["x-request-id"] == "mine"


def test_paths_of_one_host_lead_each_to_its_own(cluster: World) -> None:
    rules = {"many.test": [path("one", "/one"), path("two", "/two"), path("two", "/only", "Exact")]}
    cluster.apply(ingress("many", rules))
    answers(cluster, "http://many.test/one/x")
    found = {each: cluster.client.get(f"http://many.test{each}") for each in ("/one", "/two/x", "/only", "/only/x")}
    assert [found["/one"].server in "ab", found["/two/x"].server, found["/only"].server] == [True, "c", "c"]
    assert found["/only/x"].status == 404


def test_a_pod_that_refuses_is_passed_over(cluster: World) -> None:
    cluster.apply(service("half"))
    cluster.apply(endpoint_slice("half", [PODS[2], PODS[7]]))  # nobody listens at the second one
    cluster.apply(ingress("half", {"half.test": [path("half")]}))
    answers(cluster, "http://half.test/")
    assert [cluster.client.get("http://half.test/").status for _ in range(10)] == [200] * 10


def test_many_at_once_get_each_his_own_answer(cluster: World) -> None:
    """Some come without ending what they ask, and go again."""
    cluster.apply(ingress("crowd", {f"crowd{n}.test": [path("two" if n % 2 else "one")] for n in range(6)}))
    answers(cluster, "http://crowd5.test/")

    def ask(number: int) -> bool:
        if number % 7 == 0:
            with socket.create_connection((ADDRESS, 80)) as half:
                half.sendall(b"GET / HTTP/1.1\r\nHost: crowd1.test\r\n\r\n")
        host = f"crowd{number % 6}.test"
        method, body = ("POST", b"x") if number % 5 == 0 else ("GET", None)
        got = cluster.client.get(f"http://{host}/{number}", method=method, body=body)
        return bool(got.json["path"] == f"/{number}") and (got.server == "c") == (number % 6 % 2 == 1)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))


def test_requests_of_every_way_are_counted(cluster: World) -> None:
    cluster.apply(ingress("counted-ways", {"counted-ways.test": [path("one")]}))
    answers(cluster, "http://counted-ways.test/")

    def counted(method: str) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", 10254, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        wanted = ("nginx_ingress_controller_requests{", 'ingress="counted-ways"', f'method="{method}"')
        found = [line for line in lines if all(each in line for each in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    time.sleep(1.2)  # until all that was asked before is counted
    known = counted("GET"), counted("POST")
    for _ in range(5):
        cluster.client.get("http://counted-ways.test/")
        cluster.client.get("http://counted-ways.test/", method="POST", body=b"x")
    cluster.settled(lambda: _are((counted("GET") - known[0], counted("POST") - known[1]), (5, 5)))


def _are(found: tuple[float, float], wanted: tuple[float, float]) -> None:
    assert found == wanted
