"""Beside a real authoritative server, Knot, that is given the records of our own zone transfer."""

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from fairlead.dns.entries import text_of
from tests.unit.dns.clusters import answers
from tests.unit.dns.served import ADDRESS, free_port
from tests.unit.dns.test_answering import Asked

CONFIGURATION = """\
server:
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    rundir: {folder}
database:
    storage: {folder}
zone:
  - domain: cluster.local
    file: {folder}/zone
    journal-content: none
    zonefile-sync: -1
"""
TYPES = ("A", "AAAA", "SRV", "TXT", "CNAME", "NS", "SOA", "MX")
KNOTD = shutil.which("knotd") or shutil.which("knotd", path="/usr/sbin")


@pytest.fixture(scope="module")
def asked() -> Asked:
    return Asked()


@pytest.fixture(scope="module")
def knot(asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    if KNOTD is None:
        pytest.skip("knotd is not installed")
    folder, port = tmp_path_factory.mktemp("knot"), free_port()
    lines = []
    for record in list(answers(asked.zone).transfer("cluster.local"))[:-1]:
        rdtype = dns.rdatatype.RdataType(record.type)
        data = dns.rdata.from_wire(dns.rdataclass.IN, rdtype, record.data, 0, len(record.data))
        lines.append(f"{record.name}. {record.ttl} IN {rdtype.name} {data}")
    (folder / "zone").write_text("\n".join(lines) + "\n")
    (folder / "knot.conf").write_text(CONFIGURATION.format(address=ADDRESS, port=port, folder=folder))
    with subprocess.Popen([KNOTD, "-c", str(folder / "knot.conf")], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        query = dns.message.make_query("cluster.local", "SOA")
        while True:
            try:
                if dns.query.udp(query, ADDRESS, port=port, timeout=0.2).answer:
                    break
            except (dns.exception.Timeout, OSError):
                assert time.monotonic() < deadline, (folder / "zone").read_text()
        yield port
        process.kill()


def shown(reply: dns.message.Message) -> tuple[object, ...]:
    sections = (reply.answer, reply.authority)
    found = [
        {f"{rrset.name} {rrset.ttl} {rdata}".lower() for rrset in section for rdata in rrset} for section in sections
    ]
    soa = {line for line in found[1] if " ns.dns." in line}
    return reply.rcode(), found[0], bool(soa) if not found[0] else None


def names(asked: Asked) -> list[str]:
    """Of everything there is, and beside and below everything there is."""
    found = ["cluster.local", "svc.cluster.local", "ns.dns.cluster.local", "dns.cluster.local", "no.cluster.local"]
    for key in asked.zone.services:
        own = f"{key[1]}.{key[0]}.svc.cluster.local"
        found += [own, own.replace(key[1], "x" + key[1], 1), f"{key[0]}.svc.cluster.local", f"x.{own}", f"x.y.{own}"]
        found += [f"{protocol}.{own}" for protocol in ("_tcp", "_udp", "_http._tcp", "_dns._udp", "_http._udp")]
        for slice_ in asked.zone.slices_of(key):
            found += [f"{text_of(each).replace('.', '-').replace(':', '-')}.{own}" for each in slice_.packed(all_=True)]
    return [*dict.fromkeys(found), "db-0.db.dev.svc.cluster.local", "nowhere.svc.cluster.local"]


def test_both_say_the_same_to_every_question(asked: Asked, knot: int) -> None:
    differences = []
    for name, qtype in itertools.product(names(asked), TYPES):
        theirs = dns.query.udp(dns.message.make_query(name, qtype), ADDRESS, port=knot, timeout=5)
        ours = asked.ask(name, qtype)
        if shown(ours) != shown(theirs):
            differences.append(f"{name} {qtype}: ours {shown(ours)}, Knot's {shown(theirs)}")
    assert not differences, "\n".join(differences)
