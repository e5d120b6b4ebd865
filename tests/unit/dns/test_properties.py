"""Random clusters and random changes: the index answers as the plain reference does, and no memo is ever old."""

from functools import cache

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.dns.wire import Record, Type
from fairlead.dns.zone import Zone
from tests.unit.dns import reference
from tests.unit.dns.clusters import answers, endpoint, service, slice_of

NAMES, NAMESPACES, HOSTS = ("a", "b", "c"), ("dev", "prod"), (None, "h-0", "h-1")
PORTS = (("http", "tcp", 80), ("dns", "udp", 53), ("http", "udp", 81))
POD_ADDRESSES = tuple(f"10.0.0.{n}" for n in range(1, 6))
SERVICE_ADDRESSES = tuple(f"10.96.0.{n}" for n in range(1, 5))

endpoints = st.lists(
    st.fixed_dictionaries(
        {"address": st.sampled_from(POD_ADDRESSES), "hostname": st.sampled_from(HOSTS), "ready": st.booleans()}
    ),
    max_size=4,
    unique_by=lambda each: each["address"],
)
services = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "namespace": st.sampled_from(NAMESPACES),
        "addresses": st.lists(st.sampled_from((*SERVICE_ADDRESSES, "fd00::1")), max_size=2, unique=True),
        "ports": st.lists(st.sampled_from(PORTS), min_size=1, max_size=3, unique=True),
        "publish": st.booleans(),
    }
)
slices = st.fixed_dictionaries(
    {
        "owner": st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(NAMES)),
        "endpoints": endpoints,
        "ports": st.lists(st.sampled_from(PORTS), min_size=1, max_size=2, unique=True),
    }
)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("service"), services),
        st.tuples(st.just("no service"), services),
        st.tuples(st.just("slice"), st.tuples(st.sampled_from("xyz"), slices)),
        st.tuples(st.just("no slice"), st.tuples(st.sampled_from("xyz"), slices)),
        st.tuples(st.just("namespace"), st.sampled_from(NAMESPACES)),
        st.tuples(st.just("no namespace"), st.sampled_from(NAMESPACES)),
    ),
    max_size=12,
)
TYPES = ("A", "AAAA", "SRV", "PTR")


def questions() -> list[tuple[str, str]]:
    names = ["cluster.local", "svc.cluster.local", "none.dev.svc.cluster.local"]
    for namespace in NAMESPACES:
        names += [f"{namespace}.svc.cluster.local", f"{namespace}.pod.cluster.local"]
        for name in NAMES:
            own = f"{name}.{namespace}.svc.cluster.local"
            names += [
                own,
                f"h-0.{own}",
                f"10-0-0-1.{own}",
                f"_http._tcp.{own}",
                f"_dns._udp.{own}",
                f"_udp.{own}",
                f"a.b.{own}",
            ]
    found = [(name, qtype) for name in names for qtype in TYPES]
    for address in (*POD_ADDRESSES, *SERVICE_ADDRESSES):
        found.append((".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR"))
    return found


QUESTIONS = questions()


class Model:
    """The same changes, as plain lists."""

    def __init__(self) -> None:
        self.namespaces: set[str] = set()
        self.services: dict[tuple[str, str], reference.Json] = {}
        self.slices: dict[tuple[str, str], reference.Json] = {}

    def records(self) -> reference.Records:
        return reference.records(self.namespaces, list(self.services.values()), list(self.slices.values()))


def change(zone: Zone, model: Model, what: str, value: object) -> set[object]:
    """Both; the tags that the zone names."""
    match what, value:
        case (("namespace" | "no namespace"), str(name)):
            model.namespaces = model.namespaces | {name} if what == "namespace" else model.namespaces - {name}
            return set(zone.put_namespace(name, exists=what == "namespace"))
        case (("service" | "no service"), dict(given)):
            key = given["namespace"], given["name"]
            model.services.pop(key, None)
            if what == "no service":
                return set(zone.put_service(key, None))
            taken = {each for other in model.services.values() for each in other["addresses"]}
            given = {**given, "addresses": [each for each in given["addresses"] if each not in taken]}
            model.services[key] = given
            ports = [{"name": p, "protocol": t.upper(), "port": n} for p, t, n in given["ports"]]
            entry = service(
                given["name"],
                *given["addresses"],
                namespace=given["namespace"],
                ports=ports,
                publishNotReadyAddresses=given["publish"],
            )
            return set(zone.put_service(key, entry))
        case (("slice" | "no slice"), (str(name), dict(given))):
            where = given["owner"][0], name
            model.slices.pop(where, None)
            if what == "no slice":
                return set(zone.put_slice(where, None))
            model.slices[where] = given
            built = [endpoint(e["address"], hostname=e["hostname"], ready=e["ready"]) for e in given["endpoints"]]
            ports = [{"name": p, "protocol": t.upper(), "port": n} for p, t, n in given["ports"]]
            return set(zone.put_slice(where, slice_of(given["owner"][1], *built, namespace=where[0], ports=ports)))
    raise AssertionError(what)


@cache
def data(record: Record) -> str:
    """The last words of what dnspython reads: of SRV the port and the target."""
    rdtype = dns.rdatatype.RdataType(record.type)
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, rdtype, record.data, 0, len(record.data))
    return " ".join(str(rdata).split()[-2:])


@settings(max_examples=40)
@given(changes)
def test_the_index_answers_as_the_plain_reference_and_tags_name_all_that_changes(
    steps: list[tuple[str, object]],
) -> None:
    zone, model = Zone(), Model()
    remembered: dict[tuple[str, str], tuple[object, frozenset[object]]] = {}
    for step in steps:
        tags = change(zone, model, *step)
        remembered = {question: each for question, each in remembered.items() if not each[1] & tags}
        known = model.records()
        answering = answers(zone)
        for name, qtype in QUESTIONS:
            answered = answering.answer(name, Type[qtype])
            assert answered is not None
            ours = answered.reply.rcode, {data(record) for record in answered.reply.answers}
            assert ours == reference.answer(known, name, qtype), (name, qtype)
            kept = remembered.setdefault((name, qtype), (ours, frozenset(answered.tags)))
            assert kept[0] == ours, f"{name} {qtype} was remembered, and no tag of {step[0]} dropped it"
