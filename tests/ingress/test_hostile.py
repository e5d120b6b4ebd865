"""Hostile Ingresses: whatever a tenant writes, nginx.conf stays as it is and nothing of it is executed.

The published cases of ingress-nginx are replayed: CVE-2021-25742 (snippets), CVE-2021-25745 (path), CVE-2023-5043
(snippet), CVE-2023-5044 (permanent-redirect), CVE-2024-7646 (validation by carriage return), CVE-2025-1097
(auth-tls-match-cn), CVE-2025-1098 (mirror UID), CVE-2025-1974 (admission runs nginx), CVE-2025-24514 (auth-url),
CVE-2025-15566 (auth-proxy-set-headers), CVE-2026-1580 (auth-method), CVE-2026-24512 (path), CVE-2026-3288
(rewrite-target), CVE-2026-4342 (comments).
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.api.status import ApiError
from fairlead.ingress.plan.annotations.names import KNOWN
from fairlead.ingress.plan.annotations.refused import REFUSED
from tests.ingress.objects import ingress, path
from tests.ingress.world import World

pytestmark = pytest.mark.netns

MARK = "/tmp/fairlead-was-here"
LUA = f'content_by_lua_block {{ os.execute("touch {MARK}") }}'
PAYLOADS = [
    f"x;\n{LUA}\n#",
    f'x"; {LUA} #',
    f"x'; {LUA} #",
    f"x}} location /evil {{ {LUA} }} #",
    f"}}}}}}\nssl_engine {MARK};\n#",
    f"$(touch {MARK})",
    f"`touch {MARK}`",
    "x\r\nX-Injected: yes",
    "${jndi:x}",
    "../../../../etc/passwd",
    "x\0y",
    "]]; os.execute('touch " + MARK + "') --[[",
]
PUBLISHED: list[tuple[str, dict[str, str], str]] = [
    ("CVE-2021-25742", {"server-snippet": f"location /evil {{ {LUA} }}"}, "/"),
    ("CVE-2021-25745", {}, f"/x{{{LUA}}}"),
    ("CVE-2023-5043", {"configuration-snippet": LUA}, "/"),
    ("CVE-2023-5044", {"permanent-redirect": f"https://x/;\n}} {LUA} #"}, "/"),
    ("CVE-2024-7646", {"auth-realm": f'x"\r;{LUA}', "auth-type": "basic", "auth-secret": "users"}, "/"),
    ("CVE-2025-1097", {"auth-tls-secret": "dev/ca", "auth-tls-match-cn": f'CN=x" ) {{}} {LUA} #'}, "/"),
    ("CVE-2025-1098", {"mirror-target": f"https://x/;\n}} {LUA} #", "mirror-host": f'x";{LUA}'}, "/"),
    ("CVE-2025-24514", {"auth-url": f"http://x/#;\n}} {LUA} #"}, "/"),
    ("CVE-2025-15566", {"auth-url": "http://x/", "auth-proxy-set-headers": f"dev/x;{LUA}"}, "/"),
    ("CVE-2026-1580", {"auth-url": "http://x/", "auth-method": f"GET;\n{LUA}"}, "/"),
    ("CVE-2026-24512", {}, f"/x\\{{{LUA}"),
    ("CVE-2026-3288", {"rewrite-target": f'/x"; {LUA} #'}, "/"),
    ("CVE-2026-4342", {"auth-tls-secret": f"dev/x\n{LUA}", "auth-secret": f"x #\n{LUA}", "auth-type": "basic"}, "/"),
]


def untouched(cluster: World, before: str) -> None:
    """nginx.conf is the same, byte by byte; nothing ran; requests are still answered."""
    assert conf(cluster) == before
    assert not Path(MARK).exists()
    assert cluster.client.get("http://well.test/").status == 200
    assert cluster.client.get("http://hostile.test/evil").status != 418


def conf(cluster: World) -> str:
    return (cluster.folder.parent / "run" / "nginx.conf").read_text()


@pytest.fixture(scope="module")
def well(cluster: World) -> World:
    """Somebody else's host, which must go on all the while."""
    cluster.apply(ingress("well", {"well.test": [path("one")]}))
    cluster.until(lambda: cluster.client.get("http://well.test/").status == 200)
    return cluster


@pytest.mark.parametrize(("name", "annotations", "text"), PUBLISHED, ids=[each[0] for each in PUBLISHED])
def test_a_published_case_has_no_place_to_happen(
    well: World, name: str, annotations: dict[str, str], text: str
) -> None:
    before = conf(well)
    rules = {"hostile.test": [path("one", text, "ImplementationSpecific")]}
    put(well, ingress("hostile", rules, annotations=annotations))
    for url in ("/", "/evil", "/x"):
        well.client.get(f"http://hostile.test{url}")
    untouched(well, before)


def put(cluster: World, obj: dict[str, Any]) -> bool:
    """False where the API server does not even take it."""
    try:
        cluster.apply(obj)
    except ApiError as error:
        assert error.code in (400, 422)
        return False
    cluster.apply(ingress("marker", {"marker.test": [path("one")]}, annotations={"app-root": "/"}))
    cluster.until(lambda: cluster.client.get("http://marker.test/x").status == 200)
    return True


NAMES = sorted(KNOWN | set(REFUSED))
texts = st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=60), st.sampled_from(["true", "on", "1", "dev/x", "*"]))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    annotations=st.dictionaries(st.sampled_from(NAMES), texts, max_size=40),
    where=st.one_of(st.sampled_from([f"/{each}" for each in PAYLOADS]), st.text(max_size=30).map(lambda t: f"/{t}")),
    kind=st.sampled_from(["Exact", "Prefix", "ImplementationSpecific"]),
)
def test_nothing_that_a_tenant_writes_reaches_the_configuration(
    well: World, annotations: dict[str, str], where: str, kind: str
) -> None:
    before = conf(well)
    clean = {name: value.encode(errors="replace").decode() for name, value in annotations.items()}
    put(well, ingress("hostile", {"hostile.test": [path("one", where, kind)]}, annotations=clean))
    well.client.get("http://hostile.test/", headers={"host": "hostile.test"})
    untouched(well, before)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (
            b"GET / HTTP/1.1\r\nHost: well.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
        ),
        (b"GET / HTTP/1.1\r\nHost: well.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nHost: well.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: well.test\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: well.test\r\nX: " + b"a" * 20000 + b"\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: well.test\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: well.test\r\nContent-Length : 5\r\n\r\nhello", b"400"),
    ],
    ids=["both-lengths", "odd-coding", "two-lengths", "two-hosts", "large-header", "large-line", "blank-before-colon"],
)
def test_requests_that_two_servers_could_read_differently_are_refused(
    well: World, request_: bytes, status: bytes
) -> None:
    import socket

    with socket.create_connection((well.client.address, 80), 5) as client:
        client.sendall(request_)
        assert client.recv(4096).split(b" ")[1] == status


def test_a_client_cannot_say_what_only_we_say(well: World) -> None:
    forged = dict.fromkeys(("x-real-ip", "x-forwarded-proto", "x-forwarded-port", "x-scheme", "proxy"), "forged")
    seen = well.client.get("http://well.test/", headers=forged | {"x_under_score": "1"}).json["headers"]
    assert "forged" not in {value for name, value in seen.items() if name in forged}
    assert "proxy" not in seen
    assert "x_under_score" not in seen
