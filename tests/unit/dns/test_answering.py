"""Packets at a socket: the memo, turns, cases, where replies come from, and bytes that nobody should send."""

import gc
import socket
import struct
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns.answering import Answering
from fairlead.dns.chain import Chain
from fairlead.dns.config.corefile import load
from fairlead.dns.messages import Ask
from fairlead.dns.tally import Tally
from fairlead.dns.zone import Zone
from fairlead.host import datagrams
from tests.unit.dns.clusters import endpoint, fill, service, slice_of
from tests.unit.dns.served import addresses

COREFILE = """\
. {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 30
    }
    forward up.example 192.0.2.1
    loadbalance
}
"""


class Asked:
    """A server's socket and a client's, both here: what is sent is answered when `serve` is called."""

    def __init__(self, address: str = "127.0.0.1", family: int = socket.AF_INET) -> None:
        self.server = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.server.bind((address, 0))
        self.client = socket.socket(family, socket.SOCK_DGRAM)
        self.client.settimeout(0.2)
        self.port = self.server.getsockname()[1]
        self.zone = fill(Zone())
        self.tally = Tally(datagrams.labels)
        self.delegated: list[Ask] = []
        self.answering = Answering([self.server], self.tally, self._delegate)
        self.answering.settle(Chain(load(COREFILE, {}), self.zone, {}, (bytes((10, 96, 0, 10)),)))
        self.answering.ready = True

    def _delegate(self, ask: Ask) -> bool:
        self.delegated.append(ask)
        return True

    def send(self, packet: bytes, to: str = "127.0.0.1") -> bytes | None:
        self.client.sendto(packet, (to, self.port))
        self.answering.serve(0)
        try:
            data, (host, *_) = self.client.recvfrom(65535)
        except TimeoutError:
            return None
        assert host == to
        return data

    def ask(self, name: str, qtype: str = "A", to: str = "127.0.0.1") -> dns.message.Message:
        query = dns.message.make_query(name, qtype)
        data = self.send(query.to_wire(), to)
        assert data is not None
        reply = dns.message.from_wire(data)
        assert query.is_response(reply)
        return reply


@pytest.fixture
def asked() -> Iterator[Asked]:
    found = Asked()
    yield found
    found.server.close()
    found.client.close()


def test_a_change_is_answered_though_the_old_answer_was_remembered(asked: Asked) -> None:
    name = "db.dev.svc.cluster.local"
    for _ in range(3):
        assert sorted(addresses(asked.ask(name))) == ["10.244.1.4", "10.244.2.6"]
    asked.answering.drop(asked.zone.put_slice(("dev", "db-x"), slice_of("db", endpoint("10.244.3.3"))))
    assert addresses(asked.ask(name)) == ["10.244.3.3"]
    gone = "gone.dev.svc.cluster.local"
    assert not addresses(asked.ask(gone))
    asked.answering.drop(asked.zone.put_service(("dev", "gone"), service("gone", "10.97.5.5")))
    assert addresses(asked.ask(gone)) == ["10.97.5.5"]
    asked.answering.drop(asked.zone.put_service(("dev", "gone"), None))
    assert not addresses(asked.ask(gone))


def test_many_packets_are_answered_in_one_turn_each_with_its_own_id(asked: Asked) -> None:
    names = ["web.dev", "many.dev", "none.dev", "web.other"]
    queries = [dns.message.make_query(f"{names[n % 4]}.svc.cluster.local", "A", id=1000 + n) for n in range(150)]
    for query in queries:
        asked.client.sendto(query.to_wire(), ("127.0.0.1", asked.port))
    asked.answering.serve(0)
    replies = [dns.message.from_wire(asked.client.recv(4096)) for _ in queries]
    assert all(query.is_response(reply) for query, reply in zip(queries, replies, strict=True))


def test_one_that_is_handed_on_does_not_hold_up_the_others(asked: Asked) -> None:
    names = ["web.dev.svc.cluster.local", "www.up.example", "many.dev.svc.cluster.local"]
    for number, name in enumerate(names):
        asked.client.sendto(dns.message.make_query(name, "A", id=number).to_wire(), ("127.0.0.1", asked.port))
    asked.answering.serve(0)
    assert {struct.unpack_from("!H", asked.client.recv(4096))[0] for _ in range(2)} == {0, 2}
    (ask,) = asked.delegated
    assert dns.message.from_wire(ask.packet).question[0].name.to_text() == "www.up.example."
    datagrams.send_from(asked.server, b"the way back", ask.client, ask.destination)
    assert asked.client.recv(100) == b"the way back"


def test_a_reply_comes_from_the_address_that_was_asked() -> None:
    asked = Asked("0.0.0.0")
    for to in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        assert addresses(asked.ask("web.dev.svc.cluster.local", to=to)) == ["10.97.97.97"]
    asked.send(dns.message.make_query("www.up.example", "A").to_wire(), "127.0.0.4")
    datagrams.send_from(asked.server, b"from there", asked.delegated[0].client, asked.delegated[0].destination)
    assert asked.client.recvfrom(100)[1][0] == "127.0.0.4"


@pytest.mark.parametrize("address", ["::1", "::"])
def test_ipv6_is_answered_too(address: str) -> None:
    try:
        asked = Asked(address, socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert addresses(asked.ask("web.dev.svc.cluster.local", to="::1")) == ["10.97.97.97"]


def test_without_batches_it_is_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "AVAILABLE", False)
    asked = Asked()
    assert isinstance(asked.answering._inputs[0], datagrams.Singles)
    assert addresses(asked.ask("web.dev.svc.cluster.local")) == ["10.97.97.97"]
    assert addresses(asked.ask("WEB.dev.svc.cluster.LOCAL")) == ["10.97.97.97"]
    assert asked.ask("none.dev.svc.cluster.local").authority


def test_what_is_not_complete_yet_denies_nothing(asked: Asked) -> None:
    asked.answering.ready = False
    asked.answering.settle(asked.answering._chain)
    assert asked.ask("none.dev.svc.cluster.local").rcode() == 2
    asked.answering.ready = True
    assert asked.ask("none.dev.svc.cluster.local").rcode() == 3


def test_the_memos_bound_is_kept_and_what_is_asked_often_stays(asked: Asked) -> None:
    memo = asked.answering._memo
    memo._most = 64 * 540  # bytes
    for number in range(500):
        asked.ask(f"n{number}.dev.svc.cluster.local")
        asked.ask("web.dev.svc.cluster.local")
        assert len(memo.young) + len(memo._old.entries) <= 130
    key = dns.message.make_query("web.dev.svc.cluster.local", "A").to_wire()[2:]
    assert key in memo.young or key in memo._old.entries


def test_a_cluster_ips_answer_outlives_changes_of_its_endpoints(asked: Asked) -> None:
    queries = [dns.message.make_query(f"{name}.dev.svc.cluster.local", "A") for name in ("web", "db")]
    for query in queries:
        asked.send(query.to_wire())
    web, db = (query.to_wire()[2:] for query in queries)
    asked.answering.drop(asked.zone.put_slice(("dev", "web-x"), slice_of("web", endpoint("10.244.3.3"))))
    assert web in asked.answering._memo.young
    asked.answering.drop(asked.zone.put_slice(("dev", "db-x"), slice_of("db", endpoint("10.244.3.4"))))
    assert db not in asked.answering._turning.young
    assert addresses(asked.ask("10-244-3-3.web.dev.svc.cluster.local")) == ["10.244.3.3"]
    asked.answering.drop(asked.zone.put_service(("dev", "web"), service("web", "10.97.1.1")))
    assert addresses(asked.ask("web.dev.svc.cluster.local")) == ["10.97.1.1"]


NAMES = (
    "web.dev.svc.cluster.local",
    "WEB.dev.svc.CLUSTER.local",
    "many.dev.svc.cluster.local",
    "gone.Dev.svc.cluster.local",
)


def test_every_client_reads_its_own_spelling_whoever_asked_before(asked: Asked) -> None:
    for count in (1, 3, 40):
        queries = [dns.message.make_query(NAMES[n % 4], "A", id=n) for n in range(count)]
        for query in queries:
            asked.client.sendto(query.to_wire(), ("127.0.0.1", asked.port))
        asked.answering.serve(0)
        for query in queries:
            data = asked.client.recv(4096)
            wire = query.to_wire()
            assert data[:2] + data[12 : len(wire)] == wire[:2] + wire[12:]
            assert query.is_response(dns.message.from_wire(data))


def test_numbers_that_read_as_letters_are_not_taken_for_one_another(asked: Asked) -> None:
    """To fold the case of a packet as a whole makes type 97 of 65, and 1400 bytes of 1368."""
    for _ in range(2):
        for name in NAMES:
            for size in (0x0578, 0x0558):
                query = dns.message.make_query(name, "A", use_edns=0, payload=size)
                data = asked.send(query.to_wire())
                assert data is not None
                assert dns.message.from_wire(data).payload == size
            for qtype in (97, 65):
                reply = asked.ask(name, f"TYPE{qtype}")
                assert reply.question[0].rdtype == qtype
    kinds, _, _ = asked.tally.take()
    for qtype in (97, 65):
        assert sum(count for kind, count in kinds if kind.type == qtype and kind.rcode == 0) == 6


def test_every_answer_is_counted_once(asked: Asked) -> None:
    for _ in range(3):
        asked.ask("web.dev.svc.cluster.local")
    asked.ask("none.dev.svc.cluster.local")
    asked.ask("db.dev.svc.cluster.local")
    kinds, spent, _ = asked.tally.take()
    assert sum(count for _, count in kinds) == sum(spent) == 5
    assert sorted((kind.rcode, kind.plugin, count) for kind, count in kinds) == [
        (0, "kubernetes", 1),
        (0, "kubernetes", 3),
        (3, "kubernetes", 1),
    ]


FUZZED = Asked()
labels = st.binary(min_size=1, max_size=70).map(lambda each: bytes([min(len(each), 255)]) + each)
pointers = st.sampled_from([b"\xc0\x0c", b"\xc0\x0d", b"\xff\xff", b"\xc0", b"\x40", b"\x80\x01"])
counts = st.lists(st.sampled_from([0, 1, 2, 65535]), min_size=4, max_size=4)


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """Headers of any kind before names that are too long, point at themselves, or never end."""
    head = struct.pack("!HH4H", draw(st.integers(0, 65535)), draw(st.integers(0, 65535)), *draw(counts))
    body = b"".join(draw(st.lists(st.one_of(labels, pointers, st.binary(max_size=40)), max_size=12)))
    return (head + body + draw(st.sampled_from([b"", b"\0\0\1\0\1", b"\0\0\xff\0\xff"])))[:1400]


@given(st.one_of(packets(), st.binary(max_size=600)))
def test_any_packet_is_answered_in_form_or_not_at_all_and_quickly(packet: bytes) -> None:
    FUZZED.client.settimeout(0)
    FUZZED.client.sendto(packet, ("127.0.0.1", FUZZED.port))
    gc.disable()  # a collection would look through all that other tests have left
    began = time.thread_time()
    FUZZED.answering.serve(0)
    spent = time.thread_time() - began
    gc.enable()
    assert spent < 0.02  # a millisecond where nobody else is at work
    try:
        reply = FUZZED.client.recv(65535)
    except BlockingIOError:
        return
    assert reply[:2] == packet[:2]
    assert reply[2] & 0x80
    assert len(reply) <= max(512, len(packet)) or dns.message.from_wire(reply).flags & dns.flags.QR
