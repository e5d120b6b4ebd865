"""Questions and answers of the specification, version 1.1.0, as tables."""

from dataclasses import replace

import pytest

from fairlead.dns.config.settings import Kubernetes
from fairlead.dns.wire import Rcode, Type
from fairlead.dns.zone import Zone
from tests.unit.dns.clusters import INSECURE, answers, ask, endpoint, fill, service, slice_of, text


@pytest.fixture
def zone() -> Zone:
    return fill(Zone())


CASES = [
    # 2.3: Services with a cluster IP
    ("web.dev.svc", "A", ["web.dev.svc 30 A 10.97.97.97"]),
    ("web.dev.svc", "AAAA", ["web.dev.svc 30 AAAA fd00::97"]),
    ("web.other.svc", "A", ["web.other.svc 30 A 10.98.98.98"]),
    (
        "_http._tcp.web.dev.svc",
        "SRV",
        ["_http._tcp.web.dev.svc 30 SRV 0 50 80 web.dev.svc."],
    ),
    ("_http._tcp.many.dev.svc", "SRV", ["_http._tcp.many.dev.svc 30 SRV 0 100 80 many.dev.svc."]),
    ("_dns._udp.many.dev.svc", "SRV", ["_dns._udp.many.dev.svc 30 SRV 0 100 53 many.dev.svc."]),
    (
        "many.dev.svc",
        "SRV",
        ["many.dev.svc 30 SRV 0 50 53 many.dev.svc.", "many.dev.svc 30 SRV 0 50 80 many.dev.svc."],
    ),
    ("nameless.dev.svc", "SRV", ["nameless.dev.svc 30 SRV 0 100 80 nameless.dev.svc."]),
    # 2.4: headless Services
    ("db.dev.svc", "A", ["db.dev.svc 30 A 10.244.1.4", "db.dev.svc 30 A 10.244.2.6"]),
    ("six.dev.svc", "AAAA", ["six.dev.svc 30 AAAA fd00:244::", "six.dev.svc 30 AAAA fd00:244::5"]),
    ("db-0.db.dev.svc", "A", ["db-0.db.dev.svc 30 A 10.244.1.4"]),
    ("10-244-2-6.db.dev.svc", "A", ["10-244-2-6.db.dev.svc 30 A 10.244.2.6"]),
    ("fd00-244--5.six.dev.svc", "AAAA", ["fd00-244--5.six.dev.svc 30 AAAA fd00:244::5"]),
    ("fd00-244--0.six.dev.svc", "AAAA", ["fd00-244--0.six.dev.svc 30 AAAA fd00:244::"]),
    ("10-244-1-5.web.dev.svc", "A", ["10-244-1-5.web.dev.svc 30 A 10.244.1.5"]),
    ("10-244-1-6.web.dev.svc", "A", ["10-244-1-6.web.dev.svc 30 A 10.244.1.6"]),
    ("early.dev.svc", "A", ["early.dev.svc 30 A 10.244.1.8"]),
    (
        "_http._tcp.db.dev.svc",
        "SRV",
        [
            "_http._tcp.db.dev.svc 30 SRV 0 50 8080 10-244-2-6.db.dev.svc.",
            "_http._tcp.db.dev.svc 30 SRV 0 50 8080 db-0.db.dev.svc.",
        ],
    ),
    ("db-0.db.dev.svc", "SRV", ["db-0.db.dev.svc 30 SRV 0 100 8080 db-0.db.dev.svc."]),
    # 2.5: external names
    ("baidu.dev.svc", "A", ["baidu.dev.svc 30 CNAME www.baidu.com."]),
    ("baidu.dev.svc", "AAAA", ["baidu.dev.svc 30 CNAME www.baidu.com."]),
    ("baidu.dev.svc", "CNAME", ["baidu.dev.svc 30 CNAME www.baidu.com."]),
    ("upper.dev.svc", "A", ["upper.dev.svc 30 CNAME www.baidu.com."]),
    ("alias.dev.svc", "A", ["alias.dev.svc 30 CNAME web.dev.svc.", "web.dev.svc 30 A 10.97.97.97"]),
    ("baidu.dev.svc", "SRV", ["baidu.dev.svc 30 CNAME www.baidu.com."]),
    ("loop.dev.svc", "A", ["loop.dev.svc 30 CNAME loop.dev.svc."]),
    # Pods
    ("10-244-9-9.dev.pod", "A", ["10-244-9-9.dev.pod 30 A 10.244.9.9"]),
    ("fd00--9.dev.pod", "AAAA", ["fd00--9.dev.pod 30 AAAA fd00::9"]),
    # 2.2 and the apex
    ("dns-version", "TXT", ['dns-version 28800 TXT "1.1.0"']),
    ("ns.dns", "A", ["ns.dns 30 A 10.96.0.10"]),
]


@pytest.mark.parametrize(("name", "qtype", "expected"), CASES, ids=[f"{c[1]} {c[0]}" for c in CASES])
def test_the_zone_answers_as_specified(zone: Zone, name: str, qtype: str, expected: list[str]) -> None:
    reply = ask(zone, f"{name}.cluster.local", Type[qtype])
    assert reply.rcode == Rcode.NOERROR
    assert sorted(map(text, reply.answers)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("97.97.97.10.in-addr.arpa", ["web.dev.svc."]),
        ("4.1.244.10.in-addr.arpa", ["db-0.db.dev.svc."]),
        ("6.2.244.10.in-addr.arpa", ["10-244-2-6.db.dev.svc."]),
        ("5.1.244.10.in-addr.arpa", ["10-244-1-5.web.dev.svc."]),
        ("7.9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", ["web.dev.svc."]),
        ("5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa", ["fd00-244--5.six.dev.svc."]),
    ],
)
def test_addresses_lead_back_to_names(zone: Zone, name: str, expected: list[str]) -> None:
    assert [text(r) for r in ask(zone, name, Type.PTR).answers] == [f"{name} 30 PTR {each}" for each in expected]


NOTHING = [
    ("web.dev.svc.cluster.local", Type.TXT, Rcode.NOERROR),
    ("many.dev.svc.cluster.local", Type.AAAA, Rcode.NOERROR),
    ("db.dev.svc.cluster.local", Type.AAAA, Rcode.NOERROR),
    ("db-0.db.dev.svc.cluster.local", Type.AAAA, Rcode.NOERROR),
    ("_http._tcp.web.dev.svc.cluster.local", Type.A, Rcode.NOERROR),
    ("_tcp.web.dev.svc.cluster.local", Type.A, Rcode.NOERROR),
    ("_udp.web.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("_tcp.db.dev.svc.cluster.local", Type.A, Rcode.NOERROR),
    ("10-244-9-9.dev.pod.cluster.local", Type.AAAA, Rcode.NOERROR),
    ("dev.svc.cluster.local", Type.A, Rcode.NOERROR),
    ("dev.pod.cluster.local", Type.A, Rcode.NOERROR),
    ("svc.cluster.local", Type.A, Rcode.NOERROR),
    ("pod.cluster.local", Type.A, Rcode.NOERROR),
    ("cluster.local", Type.A, Rcode.NOERROR),
    ("4.1.244.10.in-addr.arpa", Type.A, Rcode.NOERROR),
    ("empty.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("empty.dev.svc.cluster.local", Type.SRV, Rcode.NXDOMAIN),
    ("absent.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("web.nowhere.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("nowhere.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("_https._tcp.web.dev.svc.cluster.local", Type.SRV, Rcode.NXDOMAIN),
    ("_http._udp.web.dev.svc.cluster.local", Type.SRV, Rcode.NXDOMAIN),
    ("x.y.z.web.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("www.baidu.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("byip.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("10-1.dev.pod.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("10-244-9-9.nowhere.pod.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("anything.cluster.local", Type.A, Rcode.NXDOMAIN),
    ("9.9.9.9.in-addr.arpa", Type.PTR, Rcode.NXDOMAIN),
    ("8.1.244.10.in-addr.arpa", Type.A, Rcode.NOERROR),
    ("9.1.244.10.in-addr.arpa", Type.PTR, Rcode.NXDOMAIN),
    ("1.in-addr.arpa", Type.PTR, Rcode.NXDOMAIN),
]


@pytest.mark.parametrize(("name", "qtype", "rcode"), NOTHING, ids=[f"{c[1].name} {c[0]}" for c in NOTHING])
def test_what_has_no_records_says_so_with_the_soa(zone: Zone, name: str, qtype: Type, rcode: Rcode) -> None:
    reply = ask(zone, name, qtype)
    assert (reply.rcode, reply.answers) == (rcode, ())
    assert [record.type for record in reply.authority] == [Type.SOA]


def test_names_of_others_are_none_of_its_business(zone: Zone) -> None:
    assert answers(zone).answer("www.example.com", Type.A) is None


def test_a_name_that_has_an_address_is_never_denied_for_another_type(zone: Zone) -> None:
    for key in zone.services:
        name = f"{key[1]}.{key[0]}.svc.cluster.local"
        if any(record.type == Type.A for record in ask(zone, name, Type.A).answers):
            assert {ask(zone, name, each).rcode for each in Type if each is not Type.OPT} == {Rcode.NOERROR}


def test_srv_brings_the_addresses_of_its_targets(zone: Zone) -> None:
    reply = ask(zone, "_http._tcp.web.dev.svc.cluster.local", Type.SRV)
    assert sorted(map(text, reply.additional)) == ["web.dev.svc 30 A 10.97.97.97", "web.dev.svc 30 AAAA fd00::97"]
    reply = ask(zone, "_http._tcp.db.dev.svc.cluster.local", Type.SRV)
    assert sorted(map(text, reply.additional)) == [
        "10-244-2-6.db.dev.svc 30 A 10.244.2.6",
        "db-0.db.dev.svc 30 A 10.244.1.4",
    ]


def test_the_code_of_an_alias_is_that_of_its_end(zone: Zone) -> None:
    reply = ask(zone, "dangling.dev.svc.cluster.local", Type.A)
    assert reply.rcode == Rcode.NXDOMAIN
    assert [text(r) for r in reply.answers] == ["dangling.dev.svc 30 CNAME gone.dev.svc."]
    assert [record.type for record in reply.authority] == [Type.SOA]


def test_an_external_name_says_whose_records_belong_to_it(zone: Zone) -> None:
    answered = answers(zone).answer("baidu.dev.svc.cluster.local", Type.A)
    assert answered is not None
    assert answered.follow == "www.baidu.com"


def test_the_apex_has_a_soa_and_a_name_server(zone: Zone) -> None:
    (soa,) = map(text, ask(zone, "cluster.local", Type.SOA).answers)
    assert soa.startswith("cluster.local 30 SOA ns.dns. hostmaster. ")
    assert soa.endswith(" 7200 1800 86400 30")
    reply = ask(zone, "cluster.local", Type.NS)
    assert [text(r) for r in reply.answers] == ["cluster.local 30 NS ns.dns."]
    assert [text(r) for r in reply.additional] == ["ns.dns 30 A 10.96.0.10"]


@pytest.mark.parametrize("apex", ["example.org", "in-addr.arpa"])
def test_a_zones_own_server_is_named_in_that_zone(zone: Zone, apex: str) -> None:
    settings = replace(INSECURE, zones=("cluster.local", "example.org", "in-addr.arpa"))
    (soa,) = map(text, ask(zone, apex, Type.SOA, settings).answers)
    assert soa.startswith(f"{apex} 30 SOA ns.dns.{apex}. hostmaster.{apex}. ")
    reply = ask(zone, apex, Type.NS, settings)
    assert [text(r) for r in reply.answers] == [f"{apex} 30 NS ns.dns.{apex}."]
    assert [text(r) for r in reply.additional] == [f"ns.dns.{apex} 30 A 10.96.0.10"]
    assert [text(r) for r in ask(zone, f"ns.dns.{apex}", Type.A, settings).answers] == [
        f"ns.dns.{apex} 30 A 10.96.0.10"
    ]


def test_srv_records_lead_to_names_of_the_zone_that_was_asked(zone: Zone) -> None:
    settings = replace(INSECURE, zones=("cluster.local", "example.org"))
    reply = ask(zone, "_http._tcp.db.dev.svc.example.org", Type.SRV, settings)
    assert sorted(text(r).split()[-1] for r in reply.answers) == [
        "10-244-2-6.db.dev.svc.example.org.",
        "db-0.db.dev.svc.example.org.",
    ]
    assert ask(zone, reply.additional[0].name, Type.A, settings).answers == (reply.additional[0],)


@pytest.mark.parametrize(
    ("changed", "name", "rcode"),
    [
        (replace(INSECURE, pods="disabled"), "10-244-9-9.dev.pod", Rcode.NXDOMAIN),
        (replace(INSECURE, pods="verified"), "10-244-9-9.dev.pod", Rcode.NXDOMAIN),
        (replace(INSECURE, pods="verified"), "10-244-7-7.dev.pod", Rcode.NOERROR),
        (replace(INSECURE, pods="verified"), "10-244-7-7.other.pod", Rcode.NXDOMAIN),
        (replace(INSECURE, namespaces=("other",)), "web.dev.svc", Rcode.NXDOMAIN),
        (replace(INSECURE, namespaces=("other",)), "web.other.svc", Rcode.NOERROR),
        (replace(INSECURE, endpoints=False), "db.dev.svc", Rcode.NXDOMAIN),
        (replace(INSECURE, ignore_empty_service=True), "many.dev.svc", Rcode.NXDOMAIN),
        (replace(INSECURE, ignore_empty_service=True), "web.dev.svc", Rcode.NOERROR),
        (replace(INSECURE, endpoint_pod_names=True), "p.db.dev.svc", Rcode.NOERROR),
        (INSECURE, "p.db.dev.svc", Rcode.NXDOMAIN),
    ],
)
def test_options_of_the_plugin_are_honoured(zone: Zone, changed: Kubernetes, name: str, rcode: Rcode) -> None:
    zone.put_pod(("dev", "client"), (bytes((10, 244, 7, 7)),))
    assert ask(zone, f"{name}.cluster.local", Type.A, changed).rcode == rcode


def test_the_order_in_which_objects_arrive_does_not_matter() -> None:
    zone = Zone()
    zone.put_slice(("dev", "db-x"), slice_of("db", endpoint("10.244.1.4")))
    zone.put_service(("dev", "db"), service("db"))
    zone.put_namespace("dev", exists=True)
    assert [text(r) for r in ask(zone, "4.1.244.10.in-addr.arpa", Type.PTR).answers] == [
        "4.1.244.10.in-addr.arpa 30 PTR 10-244-1-4.db.dev.svc."
    ]
    assert ask(zone, "db.dev.svc.cluster.local", Type.A).answers


def test_a_transfer_has_every_name_and_ends_as_it_begins(zone: Zone) -> None:
    records = list(answers(zone).transfer("cluster.local"))
    assert records[0].type == records[-1].type == Type.SOA
    lines = set(map(text, records))
    for name, qtype, expected in CASES:
        if qtype in ("A", "AAAA", "SRV") and ".pod" not in name and "alias" not in name and "db-0" not in name:
            assert set(expected) <= lines, name
