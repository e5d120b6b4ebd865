"""The pure parts around the plan: classes, addresses, settings, streams, names in TLS, admission, and nginx.conf."""

import ssl
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import Node
from fairlead.api.types.networking import Ingress, IngressClass
from fairlead.api.types.service import Service
from fairlead.ingress.administrator import Administrator
from fairlead.ingress.administrator import read as read_settings
from fairlead.ingress.nginx.conf import render
from fairlead.ingress.nginx.settings import Place, Static
from fairlead.ingress.plan import addresses
from fairlead.ingress.plan.admission import review
from fairlead.ingress.plan.claims import claim
from fairlead.ingress.plan.classes import Choice
from fairlead.ingress.plan.client_hello import Incomplete, server_name
from fairlead.ingress.plan.defaults import Defaults
from fairlead.ingress.plan.profiles import NEXT, next_index
from fairlead.ingress.plan.streams import read as read_streams
from fairlead.ingress.webhook import answer_to
from tests.ingress.objects import NGINX, ingress, path, service
from tests.unit.ingress.sources import typed


def classes() -> dict[str, IngressClass]:
    spec = {"ours": "k8s.io/ingress-nginx", "theirs": "example.org/other"}
    return {name: msgspec.convert({"spec": {"controller": each}}, IngressClass) for name, each in spec.items()}


@pytest.mark.parametrize(
    ("annotation", "named", "without", "taken"),
    [
        (None, None, True, True),
        (None, None, False, False),
        ("nginx", None, False, True),
        ("other", None, True, False),
        (None, "ours", False, True),
        (None, "theirs", True, False),
        (None, "unknown", True, False),
        ("nginx", "theirs", False, True),
    ],
)
def test_which_ingresses_are_ours(annotation: str | None, named: str | None, without: bool, taken: bool) -> None:
    annotations = {"kubernetes.io/ingress.class": annotation} if annotation else {}
    obj = typed(ingress("a", {}, annotations=annotations))
    obj.spec.ingress_class_name = named
    assert Choice(without_class=without).takes(obj, classes()) is taken


@pytest.mark.parametrize(
    ("spec", "status", "wanted"),
    [
        ({"type": "ClusterIP", "clusterIP": "10.96.0.7"}, {}, ["10.96.0.7"]),
        ({"type": "NodePort", "clusterIP": "10.96.0.7"}, {}, ["10.96.0.7"]),
        ({"type": "NodePort", "clusterIP": "10.96.0.7", "externalIPs": ["203.0.113.1"]}, {}, ["203.0.113.1"]),
        ({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "203.0.113.2"}]}}, ["203.0.113.2"]),
        ({"type": "ExternalName", "externalName": "lb.example.org"}, {}, ["lb.example.org"]),
    ],
)
def test_the_address_of_a_published_service(spec: dict[str, object], status: object, wanted: list[str]) -> None:
    made = msgspec.convert({"spec": spec, "status": status}, Service)
    assert [each.ip or each.hostname for each in addresses.of_service(made)] == wanted


def test_the_addresses_of_nodes() -> None:
    given_ = [("InternalIP", "192.168.0.1"), ("ExternalIP", "203.0.113.1")]
    shown = {"status": {"addresses": [{"type": kind, "address": each} for kind, each in given_]}}
    node = msgspec.convert(shown, Node)
    assert [each.ip for each in addresses.of_nodes([node], internal=False)] == ["203.0.113.1"]
    assert [each.ip for each in addresses.of_nodes([node], internal=True)] == ["192.168.0.1"]


def test_settings_are_typed_and_told_by_name() -> None:
    data = {"proxy-body-size": "5m", "use-gzip": "true", "ssl-protocols": "SSLv2", "main-snippet": "x", "typo": "y"}
    found = read_settings(data, "ns/config", Administrator())
    assert found.live.body_size == 5 << 20
    assert found.static.gzip_types
    assert found.static.protocols == Static().protocols
    told = " ".join(each.message for each in found.problems)
    assert all(name in told for name in ("ssl-protocols", "main-snippet", "typo"))


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=60), max_size=6))
def test_no_setting_is_too_odd_to_be_read(data: dict[str, str]) -> None:
    read_settings(data, "ns/config", Administrator())


def test_streams_are_read() -> None:
    found, faults = read_streams({"53": "dns/resolver:53", "90": "x", "80": "a/b:1", "91": "a/b:c::PROXY"}, "TCP",
                                 frozenset({80}))  # fmt: skip
    assert set(found) == {53, 91}
    assert found[91].send_proxy
    assert len(faults) == 2


@given(st.lists(st.sampled_from(sorted({each for flags in NEXT for each in flags} | {"http_404"})), unique=True))
def test_no_failure_is_tried_again_that_was_not_asked_for(wanted: list[str]) -> None:
    chosen = NEXT[next_index(tuple(wanted))]
    assert chosen == ("off",) or set(chosen) <= set(wanted)


@pytest.mark.parametrize("name", ["a.example.org", "x" * 60 + ".test", ""])
def test_the_name_in_a_hello(name: str) -> None:
    """As OpenSSL writes it, whole and byte by byte."""
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name or None).do_handshake()
    hello = outgoing.read()
    assert server_name(hello) == name
    for size in range(len(hello)):
        with pytest.raises(Incomplete):
            server_name(hello[:size])


@given(st.binary(max_size=300))
def test_no_bytes_are_too_odd_for_a_hello(data: bytes) -> None:
    try:
        server_name(data)
    except Incomplete:
        assert data[:1] in (b"", b"\x16")


def test_admission_says_what_is_wrong() -> None:
    other = claim(typed(ingress("old", {"a.test": [path("one")]})), NGINX, Defaults())

    def judge(obj: dict[str, object]) -> tuple[bool, str]:
        verdict = review(typed(obj), NGINX, Defaults(), [other])
        return verdict.allowed, verdict.message

    assert judge(ingress("new", {"b.test": [path("one")]})) == (True, "")
    allowed, why = judge(ingress("new", {"a.test": [path("two")]}))
    assert not allowed
    assert "already defined in ingress dev/old" in why
    assert not judge(ingress("new", {"b.test": [path("one", "/x(.*)", "Prefix")]}))[0]
    assert not judge(ingress("new", {"b.test": [path("one")]}, annotations={"server-snippet": "x"}))[0]


def test_a_review_is_answered() -> None:
    obj = ingress("new", {"b.test": [path("one")]}, annotations={"server-snippet": "x"})
    request = {"request": {"uid": "u", "operation": "CREATE", "object": obj}}
    answer = answer_to(request, lambda each: review(each, NGINX, Defaults(), []))
    assert answer["response"]["uid"] == "u"
    assert not answer["response"]["allowed"]
    assert "server-snippet" in answer["response"]["status"]["message"]
    deleted = {"request": {"uid": "u", "operation": "DELETE", "object": None}}
    assert answer_to(deleted, lambda each: review(each, NGINX, Defaults(), []))["response"]["allowed"]


def test_a_review_in_an_older_version_is_judged_by_what_it_says() -> None:
    taken = claim(msgspec.convert(ingress("old", {"b.test": [path("one")]}), Ingress), NGINX, Defaults())
    backend = {"serviceName": "two", "servicePort": 80}
    rules = [{"host": "b.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    obj = {**ingress("new", {}), "apiVersion": "networking.k8s.io/v1beta1"}
    obj["spec"] = {**obj["spec"], "rules": rules}
    request = {"request": {"uid": "u", "operation": "CREATE", "object": obj}}
    told = answer_to(request, lambda each: review(each, NGINX, Defaults(), [taken]))["response"]
    assert told["status"]["message"] == 'host "b.test" and path "/" is already defined in ingress dev/old'
    backend["serviceName"] = "one"
    assert answer_to(request, lambda each: review(each, NGINX, Defaults(), [taken]))["response"]["allowed"]


def test_the_configuration_says_nothing_but_settings() -> None:
    """The same for the same settings, whatever Ingresses there are: it has no other input."""
    place = Place(Path("/run/x"), Path("/tmp/x"), None, "off")
    assert render(place, Static(), Defaults()) == render(place, Static(), Defaults())


def test_a_service_is_named_by_port_number_name_or_target() -> None:
    from fairlead.ingress.plan.backends import port_of

    made = msgspec.convert(service("a", ports=[{"name": "web", "port": 80, "targetPort": 8080}]), Service)
    assert all(port_of(made, each) is not None for each in ("80", "web", "8080", ""))
    assert port_of(made, "81") is None
