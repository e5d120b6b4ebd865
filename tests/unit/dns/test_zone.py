"""Questions and answers of the specification, version 1.1.0, as one table; and a property over random changes."""

from ipaddress import ip_address

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import Service, ServicePort, ServiceSpec
from fairlead.api.types.discovery import EndpointConditions, EndpointSlice, SliceEndpoint, SlicePort
from fairlead.api.types.meta import ObjectMeta
from fairlead.dns.wire import Rcode, Record, Type
from fairlead.dns.zone import ServiceEntry, SliceEntry, Zone


def service(name: str, namespace: str = "dev", **spec: object) -> ServiceEntry:
    spec.setdefault("ports", [ServicePort(name="http", port=80)])
    return ServiceEntry.from_api(
        Service(metadata=ObjectMeta(name=name, namespace=namespace), spec=ServiceSpec(**spec))  # type: ignore[arg-type]
    )


def slice_of(service_name: str, *endpoints: SliceEndpoint, namespace: str = "dev") -> SliceEntry | None:
    labels = {"kubernetes.io/service-name": service_name}
    return SliceEntry.from_api(
        EndpointSlice(
            metadata=ObjectMeta(name=service_name + "-x", namespace=namespace, labels=labels),
            endpoints=list(endpoints),
            ports=[SlicePort(name="http", port=8080, protocol="TCP")],
        )
    )


def endpoint(ip: str, *, hostname: str | None = None, ready: bool = True) -> SliceEndpoint:
    return SliceEndpoint(addresses=[ip], hostname=hostname, conditions=EndpointConditions(ready=ready))


@pytest.fixture
def zone() -> Zone:
    zone = Zone("cluster.local", 30)
    zone.put_namespace("dev")
    zone.put_service(service("web", cluster_ip="10.97.97.97", cluster_ips=["10.97.97.97", "fd00::97"]))
    zone.put_service(service("db", cluster_ip="None"))
    zone.put_service(service("empty", cluster_ip="None"))
    zone.put_service(service("early", cluster_ip="None", publish_not_ready_addresses=True))
    zone.put_service(service("baidu", type="ExternalName", external_name="www.baidu.com", ports=[]))
    zone.put_service(service("byip", type="ExternalName", external_name="192.0.2.7", ports=[]))
    zone.put_service(service("alias", type="ExternalName", external_name="web.dev.svc.cluster.local", ports=[]))
    zone.put_slice("dev", "db-x", slice_of("db", endpoint("10.244.1.4", hostname="db-0"), endpoint("10.244.2.6")))
    zone.put_slice("dev", "empty-x", slice_of("empty", endpoint("10.244.1.9", ready=False)))
    zone.put_slice("dev", "early-x", slice_of("early", endpoint("10.244.1.8", ready=False)))
    return zone


def text(record: Record) -> str:
    """As dnspython reads it, the cluster's domain left out."""
    rdtype = dns.rdatatype.RdataType(record.type)
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, rdtype, record.data, 0, len(record.data))
    return f"{record.name} {record.ttl} {Type(record.type).name} {rdata}".replace(".cluster.local", "")


CASES = [
    ("web.dev.svc", "A", ["web.dev.svc 30 A 10.97.97.97"]),
    ("web.dev.svc", "AAAA", ["web.dev.svc 30 AAAA fd00::97"]),
    ("db.dev.svc", "A", ["db.dev.svc 30 A 10.244.1.4", "db.dev.svc 30 A 10.244.2.6"]),
    ("db-0.db.dev.svc", "A", ["db-0.db.dev.svc 30 A 10.244.1.4"]),
    ("10-244-2-6.db.dev.svc", "A", ["10-244-2-6.db.dev.svc 30 A 10.244.2.6"]),
    ("early.dev.svc", "A", ["early.dev.svc 30 A 10.244.1.8"]),
    ("baidu.dev.svc", "A", ["baidu.dev.svc 30 CNAME www.baidu.com."]),
    ("byip.dev.svc", "A", ["byip.dev.svc 30 A 192.0.2.7"]),
    ("alias.dev.svc", "A", ["alias.dev.svc 30 CNAME web.dev.svc.", "web.dev.svc 30 A 10.97.97.97"]),
    ("_http._tcp.web.dev.svc", "SRV", ["_http._tcp.web.dev.svc 30 SRV 0 100 80 web.dev.svc."]),
    (
        "_http._tcp.db.dev.svc",
        "SRV",
        [
            "_http._tcp.db.dev.svc 30 SRV 0 100 8080 10-244-2-6.db.dev.svc.",
            "_http._tcp.db.dev.svc 30 SRV 0 100 8080 db-0.db.dev.svc.",
        ],
    ),
    ("10-244-9-9.dev.pod", "A", ["10-244-9-9.dev.pod 30 A 10.244.9.9"]),
    ("dns-version", "TXT", ['dns-version 30 TXT "1.1.0"']),
]


@pytest.mark.parametrize(("name", "qtype", "expected"), CASES, ids=[f"{c[1]} {c[0]}" for c in CASES])
def test_the_zone_answers_as_specified(zone: Zone, name: str, qtype: str, expected: list[str]) -> None:
    reply = zone.answer(f"{name}.cluster.local", Type[qtype])
    assert reply.rcode == Rcode.NOERROR
    assert sorted(map(text, reply.answers)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("97.97.97.10.in-addr.arpa", "web.dev.svc."),
        ("4.1.244.10.in-addr.arpa", "db-0.db.dev.svc."),
        ("6.2.244.10.in-addr.arpa", "10-244-2-6.db.dev.svc."),
    ],
)
def test_addresses_lead_back_to_names(zone: Zone, name: str, expected: str) -> None:
    assert [text(r) for r in zone.answer(name, Type.PTR).answers] == [f"{name} 30 PTR {expected}"]


@pytest.mark.parametrize(
    ("name", "qtype", "rcode"),
    [
        ("web.dev.svc.cluster.local", Type.TXT, Rcode.NOERROR),
        ("db.dev.svc.cluster.local", Type.AAAA, Rcode.NOERROR),
        ("dev.svc.cluster.local", Type.A, Rcode.NOERROR),
        ("svc.cluster.local", Type.A, Rcode.NOERROR),
        ("cluster.local", Type.A, Rcode.NOERROR),
        ("empty.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
        ("absent.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
        ("web.other.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
        ("other.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
        ("_https._tcp.web.dev.svc.cluster.local", Type.SRV, Rcode.NXDOMAIN),
        ("x.y.z.web.dev.svc.cluster.local", Type.A, Rcode.NXDOMAIN),
        ("10-1.dev.pod.cluster.local", Type.A, Rcode.NXDOMAIN),
        ("9.9.9.9.in-addr.arpa", Type.PTR, Rcode.NXDOMAIN),
    ],
)
def test_what_has_no_records_says_so_with_the_soa(zone: Zone, name: str, qtype: Type, rcode: Rcode) -> None:
    reply = zone.answer(name, qtype)
    assert (reply.rcode, reply.answers) == (rcode, ())
    assert [record.type for record in reply.authority] == [Type.SOA]


def test_names_of_others_are_refused_not_denied(zone: Zone) -> None:
    reply = zone.answer("www.example.com", Type.A)
    assert (reply.rcode, reply.authoritative) == (Rcode.REFUSED, False)


def test_srv_brings_the_addresses_of_its_targets(zone: Zone) -> None:
    reply = zone.answer("_http._tcp.web.dev.svc.cluster.local", Type.SRV)
    assert sorted(map(text, reply.additional)) == [
        "web.dev.svc 30 A 10.97.97.97",
        "web.dev.svc 30 AAAA fd00::97",
    ]


def test_every_address_comes_first_in_turn(zone: Zone) -> None:
    firsts = {text(zone.answer("db.dev.svc.cluster.local", Type.A).answers[0]) for _ in range(4)}
    assert len(firsts) == 2


def test_a_removed_service_leaves_nothing_behind(zone: Zone) -> None:
    for name in ("web", "db", "empty", "early", "baidu", "byip", "alias"):
        zone.remove_service(("dev", name))
    assert zone.answer("web.dev.svc.cluster.local", Type.A).rcode == Rcode.NXDOMAIN
    assert zone.answer("97.97.97.10.in-addr.arpa", Type.PTR).rcode == Rcode.NXDOMAIN
    assert zone.answer("4.1.244.10.in-addr.arpa", Type.PTR).rcode == Rcode.NXDOMAIN


def test_endpoints_may_arrive_before_their_service() -> None:
    zone = Zone("cluster.local", 30)
    zone.put_namespace("dev")
    zone.put_slice("dev", "db-x", slice_of("db", endpoint("10.244.1.4")))
    zone.put_service(service("db", cluster_ip="None"))
    assert [text(r) for r in zone.answer("4.1.244.10.in-addr.arpa", Type.PTR).answers] == [
        "4.1.244.10.in-addr.arpa 30 PTR 10-244-1-4.db.dev.svc."
    ]


changes = st.lists(
    st.tuples(
        st.sampled_from(["put service", "remove service", "put slice", "remove slice"]),
        st.sampled_from(["a", "b"]),  # the Service
        st.sampled_from(["s1", "s2"]),  # the slice
        st.lists(st.integers(1, 6), max_size=4, unique=True),  # endpoints
    ),
    max_size=30,
)


@given(changes)
def test_after_any_changes_the_zone_equals_one_built_afresh(steps: list[tuple[str, str, str, list[int]]]) -> None:
    zone = Zone("cluster.local", 30)
    services: dict[str, ServiceEntry] = {}
    slices: dict[str, SliceEntry | None] = {}
    for action, name, slice_name, hosts in steps:
        if action == "put service":
            services[name] = service(name, cluster_ip="None")
            zone.put_service(services[name])
        elif action == "remove service":
            services.pop(name, None)
            zone.remove_service(("dev", name))
        else:
            entry = slice_of(name, *(endpoint(f"10.0.0.{h}") for h in hosts)) if action == "put slice" else None
            slices[slice_name] = entry
            zone.put_slice("dev", slice_name, entry)
    fresh = Zone("cluster.local", 30)
    for service_entry in services.values():
        fresh.put_service(service_entry)
    for slice_name, slice_entry in slices.items():
        fresh.put_slice("dev", slice_name, slice_entry)
    questions = [(f"{n}.dev.svc.cluster.local", Type.A) for n in "ab"]
    questions += [(f"{h}.0.0.10.in-addr.arpa", Type.PTR) for h in range(1, 7)]
    for question in questions:
        ours, theirs = zone.answer(*question), fresh.answer(*question)
        assert (ours.rcode, set(ours.answers)) == (theirs.rcode, set(theirs.answers)), question
    assert {str(a) for a in zone._pointers} == {str(ip_address(a)) for a in fresh._pointers}
