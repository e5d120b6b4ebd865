"""Each annotation with real traffic: a table of what an Ingress says, what is asked, and what comes of it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.ingress.objects import ingress, path, secret
from tests.ingress.upstreams import EchoServer, Got
from tests.ingress.world import CLIENTS, World

pytestmark = pytest.mark.netns


@dataclass(frozen=True)
class Case:
    """`expect`: what must be so of the answer, by names of its fields; a header's None is its absence."""

    name: str
    annotations: dict[str, str]
    url: str = "/"
    scheme: str = "http"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    rule: str = "/"
    kind: str = "Prefix"
    tls: bool = False
    source: str | None = None
    status: int = 200
    got: dict[str, str | None] = field(default_factory=dict)  # headers of the answer
    seen: dict[str, str | None] = field(default_factory=dict)  # headers that the pod has seen
    path: str | None = None  # that the pod was asked for


CASES = [
    Case("no-annotation", {}, url="/a%20b?c=d", path="/a%20b?c=d", seen={"x-forwarded-proto": "http"}),
    Case("rewrite-root", {"rewrite-target": "/"}, rule="/app", url="/app/x", path="/"),
    Case(
        "rewrite-capture",
        {"rewrite-target": "/$2", "use-regex": "true"},
        rule="/something(/|$)(.*)",
        kind="ImplementationSpecific",
        url="/something/new/x?y=1",
        path="/new/x?y=1",
    ),
    Case(
        "rewrite-arguments",
        {"rewrite-target": "/q?from=$1"},
        rule="/old/(.*)",
        kind="ImplementationSpecific",
        url="/old/x?y=1",
        path="/q?from=x&y=1",
    ),
    Case("regex", {"use-regex": "true"}, rule="/f[oO]+/\\d+", kind="ImplementationSpecific", url="/FOo/12"),
    Case("regex-miss", {"use-regex": "true"}, rule="/f[oO]+/\\d+$", kind="ImplementationSpecific", status=404),
    Case("app-root", {"app-root": "/app1"}, status=302, got={"location": "http://app-root.test/app1"}),
    Case("app-root-elsewhere", {"app-root": "/app1"}, url="/x", status=200),
    Case("no-ssl-redirect", {"ssl-redirect": "false"}, tls=True, status=200),
    Case("ssl-redirect", {}, tls=True, status=308, got={"location": "https://ssl-redirect.test"}),
    Case(
        "preserve-trailing-slash",
        {"preserve-trailing-slash": "true"},
        tls=True,
        url="/x/",
        status=308,
        got={"location": "https://preserve-trailing-slash.test/x/"},
    ),
    Case(
        "use-port-in-redirects",
        {"use-port-in-redirects": "true"},
        tls=True,
        url="/x/",
        status=308,
        got={"location": "https://use-port-in-redirects.test:443/x"},
    ),
    Case(
        "force-ssl-redirect",
        {"force-ssl-redirect": "true"},
        url="/x?y=z",
        status=308,
        got={"location": "https://force-ssl-redirect.test/x?y=z"},
    ),
    Case(
        "acme-is-not-redirected", {"force-ssl-redirect": "true"}, url="/.well-known/acme-challenge/t", status=200
    ),
    Case(
        "permanent-redirect",
        {"permanent-redirect": "https://example.org/x"},
        status=301,
        got={"location": "https://example.org/x"},
    ),
    Case(
        "permanent-redirect-code",
        {"permanent-redirect": "https://example.org$request_uri", "permanent-redirect-code": "308"},
        url="/a?b=c",
        status=308,
        got={"location": "https://example.org/a?b=c"},
    ),
    Case(
        "temporal-redirect",
        {"temporal-redirect": "https://example.org/t", "permanent-redirect": "https://example.org/p"},
        status=302,
        got={"location": "https://example.org/t"},
    ),
    Case("body-size", {"proxy-body-size": "1k"}, method="POST", body=b"x" * 1025, status=413),
    Case("body-size-fits", {"proxy-body-size": "1k"}, method="POST", body=b"x" * 1024, status=200),
    Case("body-size-default", {}, method="POST", body=b"x" * (1 << 20), status=200),
    Case("body-size-default-over", {}, method="POST", body=b"x" * ((1 << 20) + 1), status=413),
    Case("body-size-larger", {"proxy-body-size": "2m"}, method="POST", body=b"x" * ((1 << 20) + 1), status=200),
    Case("body-size-none", {"proxy-body-size": "0"}, method="POST", body=b"x" * (3 << 20), status=200),
    Case(
        "body-size-chunked",
        {"proxy-body-size": "1k"},
        method="POST",
        headers={"transfer-encoding": "chunked"},
        body=b"801\r\n" + b"x" * 0x801 + b"\r\n0\r\n\r\n",
        status=413,
    ),
    Case("vhost", {"upstream-vhost": "inner.example"}, seen={"host": "inner.example"}),
    Case("prefix", {"x-forwarded-prefix": "/app"}, seen={"x-forwarded-prefix": "/app"}),
    Case("connection", {"connection-proxy-header": "keep-alive"}, seen={"connection": "keep-alive"}),
    Case("buffered", {"proxy-buffering": "on", "proxy-buffer-size": "16k", "proxy-request-buffering": "off"}),
    Case("allowed", {"whitelist-source-range": f"10.9.0.0/16,{CLIENTS[0]}"}, source=CLIENTS[0]),
    Case("not-allowed", {"allowlist-source-range": f"10.9.0.0/16,{CLIENTS[0]}"}, source=CLIENTS[1], status=403),
    Case("denied", {"denylist-source-range": f"{CLIENTS[0]}/31"}, source=CLIENTS[0], status=403),
    Case("not-denied", {"denylist-source-range": f"{CLIENTS[0]}/32"}, source=CLIENTS[1]),
    Case("denied-v6-range", {"denylist-source-range": "2001:db8::/33"}, source=CLIENTS[1]),
    Case("broken-list", {"whitelist-source-range": "10.0.0.0/8,nonsense"}, status=503),
    Case(
        "cors",
        {"enable-cors": "true"},
        headers={"origin": "http://a.example"},
        got={"access-control-allow-origin": "*", "access-control-allow-credentials": "true"},
    ),
    Case(
        "cors-preflight",
        {"enable-cors": "true", "cors-allow-methods": "GET, PUT", "cors-max-age": "600", "auth-type": "basic"}
        | {"auth-secret": "users"},
        method="OPTIONS",
        headers={"origin": "http://a.example"},
        status=204,
        got={"access-control-allow-methods": "GET, PUT", "access-control-max-age": "600"},
    ),
    Case(
        "cors-origins",
        {"enable-cors": "true", "cors-allow-origin": "https://a.example, https://*.b.example"},
        headers={"origin": "https://x.b.example"},
        got={"access-control-allow-origin": "https://x.b.example", "vary": "Origin"},
    ),
    Case(
        "cors-other-origin",
        {"enable-cors": "true", "cors-allow-origin": "https://a.example"},
        headers={"origin": "https://evil.example"},
        got={"access-control-allow-origin": None},
    ),
    Case(
        "cors-star-is-one-label",
        {"enable-cors": "true", "cors-allow-origin": "https://*.b.example"},
        headers={"origin": "https://x.y.b.example"},
        got={"access-control-allow-origin": None},
    ),
    Case(
        "cors-everybody-among-others",
        {"enable-cors": "true", "cors-allow-origin": "https://a.example, *"},
        headers={"origin": "https://a.example"},
        got={"access-control-allow-origin": "*"},
    ),
    Case("tls-to-pods", {"backend-protocol": "HTTPS"}, status=502),
    Case("auth-missing-secret", {"auth-type": "basic", "auth-secret": "nowhere"}, status=503),
    Case("auth-other-namespace", {"auth-type": "basic", "auth-secret": "kube-system/users"}, status=503),
    Case(
        "auth-nothing",
        {"auth-type": "basic", "auth-secret": "users", "auth-realm": "Who?"},
        status=401,
        got={"www-authenticate": 'Basic realm="Who?"'},
    ),
    Case("snippet", {"configuration-snippet": "return 418;"}, status=200),
    Case("timeouts", {"proxy-connect-timeout": "1", "proxy-read-timeout": "2", "proxy-next-upstream-tries": "1"}),
    Case("satisfy", {"satisfy": "any", "whitelist-source-range": CLIENTS[0], "auth-type": "basic"}
         | {"auth-secret": "users"}, source=CLIENTS[0]),
    Case("satisfy-all", {"whitelist-source-range": CLIENTS[0], "auth-type": "basic", "auth-secret": "users"},
         source=CLIENTS[0], status=401),
    Case("rate", {"limit-rate": "100", "limit-rate-after": "1"}),
    Case("no-log", {"enable-access-log": "false"}),
]  # fmt: skip


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture(scope="module")
def prepared(cluster: World) -> World:
    """Every case's Ingress, of the host "<name>.test"; users whose password is "pw"."""
    htpasswd = b"apr:$apr1$oFGLRGZL$GT0Q74uTi6cI9on29is1H0\nsha:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n"
    cluster.apply(secret("users", {"auth": htpasswd}))
    for case in CASES:
        host = f"{case.name}.test"
        tls = {f"{case.name}-tls": [host]} if case.tls else None
        cluster.apply(
            ingress(case.name, {host: [path("one", case.rule, case.kind)]}, annotations=case.annotations, tls=tls)
        )
    return cluster


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_annotation_does_what_it_says(prepared: World, case: Case) -> None:
    def ask() -> None:
        got = prepared.client.get(
            f"{case.scheme}://{case.name}.test{case.url}",
            method=case.method,
            headers=case.headers,
            body=case.body,
            source=case.source,
        )
        assert got.status == case.status
        for name, value in case.got.items():
            assert got.headers.get(name) == value, name
        if case.seen or case.path is not None:
            asked = got.json
            for name, value in case.seen.items():
                assert asked["headers"].get(name) == value, name
            assert case.path in (None, asked["path"])

    prepared.settled(ask)


def many(ask: Callable[[], Got], count: int) -> list[str]:
    return [ask().server for _ in range(count)]


@pytest.mark.parametrize("name", ["apr", "sha"])
def test_users_come_in_by_their_password_which_the_pod_does_not_see(prepared: World, name: str) -> None:
    host = "http://auth-nothing.test/"
    password = "myPassword" if name == "apr" else "pw"
    prepared.settled(lambda: _is(prepared.client.get(host, headers=basic(name, password)).status, 200))
    assert prepared.client.get(host, headers=basic(name, "wrong")).status == 401
    assert prepared.client.get(host, headers=basic("nobody", password)).status == 401
    assert "authorization" not in prepared.client.get(host, headers=basic(name, password)).json["headers"]


def _is(got: object, wanted: object) -> None:
    assert got == wanted


def test_a_session_stays_with_its_pod(cluster: World, servers: dict[str, EchoServer]) -> None:
    annotations = {"affinity": "cookie", "session-cookie-name": "route", "session-cookie-max-age": "60"}
    cluster.apply(ingress("sticky", {"sticky.test": [path("one")]}, annotations=annotations))
    cluster.settled(lambda: cluster.client.get("http://sticky.test/").cookies[0])
    first = cluster.client.get("http://sticky.test/")
    assert first.cookies[0].startswith("route=")
    assert "Max-Age=60" in first.cookies[0]
    assert "HttpOnly" in first.cookies[0]
    cookie = {"cookie": first.cookies[0].partition(";")[0]}
    assert set(many(lambda: cluster.client.get("http://sticky.test/", headers=cookie), 10)) == {first.server}
    assert cluster.client.get("http://sticky.test/", headers=cookie).cookies == []
    assert set(many(lambda: cluster.client.get("http://sticky.test/"), 20)) == {"a", "b"}


def test_requests_with_the_same_key_go_to_the_same_pod(cluster: World) -> None:
    annotations = {"upstream-hash-by": "$request_uri"}
    cluster.apply(ingress("hashed", {"hashed.test": [path("one")]}, annotations=annotations))
    cluster.settled(lambda: _is(cluster.client.get("http://hashed.test/").status, 200))
    homes = {text: {cluster.client.get(f"http://hashed.test/{text}").server for _ in range(4)} for text in "abcdefghij"}
    assert all(len(home) == 1 for home in homes.values())
    assert set().union(*homes.values()) == {"a", "b"}


@pytest.mark.parametrize(
    ("annotations", "headers", "server"),
    [
        ({"canary-by-header": "x-canary"}, {"x-canary": "always"}, "c"),
        ({"canary-by-header": "x-canary", "canary-weight": "100"}, {"x-canary": "never"}, None),
        ({"canary-by-header": "x-canary", "canary-by-header-value": "v2"}, {"x-canary": "v2"}, "c"),
        ({"canary-by-header": "x-canary", "canary-by-header-pattern": "^(v2|v3)$"}, {"x-canary": "v3"}, "c"),
        ({"canary-by-cookie": "beta"}, {"cookie": "beta=always"}, "c"),
        ({"canary-weight": "100"}, {}, "c"),
        ({"canary-weight": "0"}, {}, None),
    ],
    ids=["header", "never", "value", "pattern", "cookie", "weight", "no-weight"],
)
def test_some_requests_go_to_the_canary(
    cluster: World, annotations: dict[str, str], headers: dict[str, str], server: str | None
) -> None:
    cluster.apply(ingress("stable", {"canary.test": [path("one")]}))
    cluster.apply(ingress("canary", {"canary.test": [path("two")]}, annotations={"canary": "true", **annotations}))
    wanted = {"a", "b"} if server is None else {server}
    cluster.settled(
        lambda: _is(set(many(lambda: cluster.client.get("http://canary.test/", headers=headers), 6)), wanted)
    )
    cluster.delete("ingresses.networking.k8s.io", "canary")


def test_a_canary_takes_its_share(cluster: World) -> None:
    cluster.apply(ingress("share-stable", {"share.test": [path("one")]}))
    canary = {"canary": "true", "canary-weight": "50"}
    cluster.apply(ingress("share-canary", {"share.test": [path("two")]}, annotations=canary))
    cluster.settled(lambda: _is(set(many(lambda: cluster.client.get("http://share.test/"), 40)), {"a", "b", "c"}))


def test_somebody_else_judges(cluster: World, servers: dict[str, EchoServer]) -> None:
    """The judge is a Service, by its name in the cluster."""
    judge = servers["c"]
    verdicts = {"/good": 202, "/bad": 403, "/who": 401}
    judge.answer = lambda seen: (verdicts[seen["path"].partition("?")[0]], [("x-user", "ann")], b"")
    try:
        for name in ("good", "bad", "who"):
            annotations = {
                "auth-url": f"http://two.dev.svc.cluster.local/{name}",
                "auth-response-headers": "X-User",
                "auth-signin": "http://login.test/start",
            }
            cluster.apply(ingress(f"judged-{name}", {f"judged-{name}.test": [path("one")]}, annotations=annotations))
        forged = {"x-user": "root"}
        cluster.settled(
            lambda: _is(cluster.client.get("http://judged-good.test/", headers=forged).json["headers"]["x-user"], "ann")
        )
        asked = judge.seen[-1]
        assert asked["headers"]["x-original-url"] == "http://judged-good.test/"
        assert asked["headers"]["x-original-method"] == "GET"
        cluster.settled(lambda: _is(cluster.client.get("http://judged-bad.test/").status, 403))
        cluster.apply(ingress("unjudged", {"unjudged.test": [path("one")]},
                              annotations={"auth-url": "http://nobody.dev.svc.cluster.local/"}))  # fmt: skip
        cluster.settled(lambda: _is(cluster.client.get("http://unjudged.test/").status, 500))
        cluster.settled(lambda: _is(cluster.client.get("http://judged-who.test/x?y").status, 302))
        location = cluster.client.get("http://judged-who.test/x?y").headers["location"]
        assert location == "http://login.test/start?rd=http://judged-who.test%2Fx%3Fy"
    finally:
        judge.answer = lambda _: (200, [("content-type", "application/json")], None)


def test_what_a_judge_said_is_remembered(cluster: World, servers: dict[str, EchoServer]) -> None:
    annotations = {
        "auth-url": "http://two.dev.svc/ok",
        "auth-cache-key": "$remote_addr",
        "auth-cache-duration": "200 1m",
    }
    cluster.apply(ingress("cached", {"cached.test": [path("one")]}, annotations=annotations))
    cluster.settled(lambda: _is(cluster.client.get("http://cached.test/").status, 200))
    before = servers["c"].requests
    for _ in range(5):
        assert cluster.client.get("http://cached.test/").status == 200
    assert servers["c"].requests == before


def test_requests_beyond_the_limit_are_refused(cluster: World) -> None:
    cluster.apply(ingress("limited", {"limited.test": [path("one")]}, annotations={"limit-rps": "1"}))
    cluster.settled(lambda: _is(cluster.client.get("http://limited.test/").status, 200))
    statuses = [cluster.client.get("http://limited.test/").status for _ in range(12)]
    assert statuses[0] == 200
    assert 503 in statuses
    assert cluster.client.get("http://limited.test/", source=CLIENTS[0]).status == 200


def test_a_request_is_copied(cluster: World, servers: dict[str, EchoServer]) -> None:
    annotations = {"mirror-target": "http://two.dev.svc.cluster.local/copy$request_uri"}
    cluster.apply(ingress("mirrored", {"mirrored.test": [path("one")]}, annotations=annotations))

    def ask() -> None:
        got = cluster.client.get("http://mirrored.test/x", method="POST", body=b"hello")
        assert got.server in ("a", "b")
        copies = [each for each in servers["c"].seen if each["path"] == "/copy/x"]
        assert copies
        assert copies[-1]["body"] == "hello"

    cluster.settled(ask)


def test_a_failed_pod_is_passed_over(cluster: World) -> None:
    from tests.ingress.objects import endpoint_slice, service
    from tests.ingress.world import PODS

    cluster.apply(service("half"))
    cluster.apply(endpoint_slice("half", [PODS[0], PODS[8]]))  # nobody listens at the second
    cluster.apply(ingress("half", {"half.test": [path("half")]}))
    cluster.settled(lambda: _is(cluster.client.get("http://half.test/").status, 200))
    assert set(many(lambda: cluster.client.get("http://half.test/"), 6)) == {"a"}


def test_error_pages_come_from_their_backend(cluster: World, servers: dict[str, EchoServer]) -> None:
    """Statuses of pods and nginx's own; others stay as they are."""
    pod, pages = servers["a"], servers["c"]
    cluster.apply(ingress("erring", {"erring.test": [path("only-a")]},
                          annotations={"custom-http-errors": "404,503", "default-backend": "two"}))  # fmt: skip
    from tests.ingress.objects import endpoint_slice, service
    from tests.ingress.world import PODS

    cluster.apply(service("only-a"))
    cluster.apply(endpoint_slice("only-a", PODS[:1]))
    pod.answer = lambda seen: (int(seen["path"][1:] or 200), [], b"the pod's own")
    try:

        def missing() -> None:
            got = cluster.client.get("http://erring.test/404", headers={"accept": "text/x"})
            asked = got.json
            assert asked["server"] == pages.name
            assert asked["headers"]["x-code"] == "404"
            assert asked["headers"]["x-format"] == "text/x"
            assert asked["headers"]["x-original-uri"] == "/404"
            assert asked["headers"]["x-service-name"] == "only-a"

        cluster.settled(missing)
        assert cluster.client.get("http://erring.test/500").body == b"the pod's own"
        cluster.apply(endpoint_slice("only-a", []))
        cluster.settled(lambda: _is(cluster.client.get("http://erring.test/").json["headers"]["x-code"], "503"))
    finally:
        pod.answer = lambda _: (200, [("content-type", "application/json")], None)


def test_another_name_serves_the_same_and_www_leads_to_the_host(cluster: World) -> None:
    annotations = {"server-alias": "alias.test, *.alias.test", "from-to-www-redirect": "true"}
    cluster.apply(ingress("named", {"named.test": [path("two")]}, annotations=annotations))
    for host in ("named.test", "alias.test", "x.alias.test"):
        cluster.settled(lambda: _is(cluster.client.get(f"http://{host}/").server, "c"))  # noqa: B023  # at once
    cluster.settled(lambda: _is(cluster.client.get("http://www.named.test/x").status, 308))
    assert cluster.client.get("http://www.named.test/x").headers["location"] == "http://named.test/x"


def test_answers_have_the_headers_of_a_config_map(cluster: World, servers: dict[str, EchoServer]) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hdr", "namespace": "dev"},
                   "data": {"X-Frame-Options": "DENY"}})  # fmt: skip
    cluster.apply(ingress("hdr", {"hdr.test": [path("two")]}, annotations={"custom-headers": "dev/hdr"}))
    cluster.settled(lambda: _is(cluster.client.get("http://hdr.test/").headers["x-frame-options"], "DENY"))


def test_redirects_and_cookies_of_pods_are_translated(cluster: World, servers: dict[str, EchoServer]) -> None:
    annotations = {
        "proxy-redirect-from": "http://inner/",
        "proxy-redirect-to": "https://$host/app/",
        "proxy-cookie-domain": "inner.example outer.example",
        "proxy-cookie-path": "/one/ /two/",
    }
    cluster.apply(ingress("translated", {"translated.test": [path("two")]}, annotations=annotations))
    pod = servers["c"]
    answered = [("location", "http://inner/x"), ("set-cookie", "a=b; Domain=inner.example; Path=/one/")]
    pod.answer = lambda _: (302, answered, b"")
    try:
        cluster.settled(
            lambda: _is(
                cluster.client.get("http://translated.test/").headers["location"], "https://translated.test/app/x"
            )
        )
        cookies = cluster.client.get("http://translated.test/").cookies
        assert cookies == ["a=b; Domain=outer.example; Path=/two/"]
    finally:
        pod.answer = lambda _: (200, [("content-type", "application/json")], None)


def test_what_is_refused_is_told_by_name(prepared: World) -> None:
    prepared.until(lambda: [each for each in prepared.events("snippet") if "configuration-snippet" in each[2]])
