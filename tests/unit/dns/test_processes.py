"""The part as a whole: its sockets asked by an independent client while things change, and while processes die."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.zone
import pytest

from fairlead.client.rest import Client
from fairlead.dns.sockets import SO_RCVBUFFORCE
from tests.unit.api_server import api_server, until
from tests.unit.dns.served import ADDRESS, Served, addresses, create_service, create_slice, kill, served

DOMAIN = "default.svc.cluster.local"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with api_server(tmp_path) as client:
        yield client


@pytest.fixture
async def server(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> AsyncIterator[Served]:
    """With a worker; alone in one process where the test says so."""
    await create_service(client, "web", "10.97.97.97")
    workers = getattr(request, "param", 1)
    async with served(client, tmp_path, "transfer {\n to 127.0.0.1\n }", workers=workers) as server:
        yield server


both = pytest.mark.parametrize("server", [1, 0], ids=["worker", "alone"], indirect=True)


@both
async def test_questions_are_answered_as_the_chapter_shows(server: Served) -> None:
    reply = await server.ask(f"web.{DOMAIN}", use_edns=0)
    assert addresses(reply) == ["10.97.97.97"]
    assert dns.flags.to_text(reply.flags) == "QR AA RD"
    assert reply.edns == 0
    reply = await server.ask(f"none.{DOMAIN}")
    assert (reply.rcode(), reply.authority[0].rdtype) == (dns.rcode.NXDOMAIN, dns.rdatatype.SOA)
    assert (await server.ask("www.example.com")).rcode() == dns.rcode.REFUSED


@both
async def test_a_service_is_known_at_once_and_forgotten_at_once(server: Served) -> None:
    name = f"new.{DOMAIN}"
    assert (await server.ask(name)).rcode() == dns.rcode.NXDOMAIN

    async def there() -> bool:
        return addresses(await server.ask(name)) == ["10.97.1.1"]

    async def gone() -> bool:
        return (await server.ask(name)).rcode() == dns.rcode.NXDOMAIN

    await create_service(server.client, "new", "10.97.1.1")
    await until(there, 1)
    await server.client.delete("services", "new", "default")
    await until(gone, 1)


async def test_the_clients_case_is_kept_and_the_memo_is_used_all_the_same(server: Served) -> None:
    for name in (f"web.{DOMAIN}", f"WeB.{DOMAIN.upper()}", f"wEb.{DOMAIN}"):
        reply = await server.ask(name)
        assert reply.question[0].name.to_text() == f"{name}."
        assert reply.answer[0].name.to_text() == f"{name}."
        assert addresses(reply) == ["10.97.97.97"]
    for name in (f"NO.{DOMAIN}", f"nO.{DOMAIN}"):
        reply = await server.ask(name)
        assert (reply.rcode(), reply.question[0].name.to_text()) == (dns.rcode.NXDOMAIN, f"{name}.")


async def test_every_address_comes_first_in_turn(server: Served) -> None:
    await create_service(server.client, "db", "None")
    await create_slice(server.client, "db", *({"addresses": [f"10.244.1.{n}"]} for n in range(1, 4)))

    async def all_there() -> bool:
        return len(addresses(await server.ask(f"db.{DOMAIN}"))) == 3

    await until(all_there)
    firsts = {addresses(await server.ask(f"db.{DOMAIN}"))[0] for _ in range(6)}
    assert firsts == {"10.244.1.1", "10.244.1.2", "10.244.1.3"}


async def test_what_is_too_long_for_udp_is_truncated_and_comes_whole_over_tcp(server: Served) -> None:
    await create_service(server.client, "big", "None")
    await create_slice(server.client, "big", *({"addresses": [f"10.244.{n // 200}.{n % 200}"]} for n in range(300)))

    async def there() -> bool:
        return (await server.ask(f"big.{DOMAIN}")).rcode() == dns.rcode.NOERROR

    await until(there)
    reply = await server.ask(f"big.{DOMAIN}")
    assert reply.flags & dns.flags.TC
    assert not reply.answer
    query = dns.message.make_query(f"big.{DOMAIN}", "A")
    reply, over_tcp = await dns.asyncquery.udp_with_fallback(query, ADDRESS, port=server.port, timeout=5)
    assert over_tcp
    assert len(addresses(reply)) == 300


async def test_several_questions_share_one_tcp_connection(server: Served) -> None:
    reader, writer = await asyncio.open_connection(ADDRESS, server.port)
    for _ in range(3):
        query = dns.message.make_query(f"web.{DOMAIN}", "A")
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(await reader.readexactly(2), "big")
        assert query.is_response(dns.message.from_wire(await reader.readexactly(length)))
    writer.close()


async def test_a_zone_is_transferred_to_who_may_have_it(server: Served) -> None:
    zone = dns.zone.Zone("cluster.local")
    await dns.asyncquery.inbound_xfr(ADDRESS, zone, port=server.port, timeout=5)
    found = zone.find_rdataset("web.default.svc", "A")
    assert [str(record) for record in found] == ["10.97.97.97"]
    await server.configure(server.corefile("transfer {\n to 192.0.2.1\n }"))

    async def refused() -> bool:
        return (await server.tcp("cluster.local", "AXFR")).rcode() == dns.rcode.REFUSED

    await until(refused)


async def test_what_is_not_done_here_is_refused_by_its_own_code(server: Served) -> None:
    query = dns.message.make_query(f"web.{DOMAIN}", "A")
    query.set_opcode(dns.opcode.STATUS)
    reply = await dns.asyncquery.udp(query, ADDRESS, port=server.port, timeout=5)
    assert reply.rcode() == dns.rcode.NOTIMP
    reply = await server.ask(f"web.{DOMAIN}", use_edns=1)
    assert reply.rcode() == dns.rcode.BADVERS
    assert (await server.ask("cluster.local", "AXFR")).rcode() == dns.rcode.REFUSED


async def test_cookies_and_long_packets_are_no_trouble(server: Served) -> None:
    option = dns.edns.GenericOption(dns.edns.OptionType(10), bytes(8))
    assert addresses(await server.ask(f"web.{DOMAIN}", use_edns=0, options=[option])) == ["10.97.97.97"]
    padding = dns.edns.GenericOption(dns.edns.OptionType(12), bytes(1400))
    assert addresses(await server.ask(f"web.{DOMAIN}", payload=4096, options=[padding])) == ["10.97.97.97"]


async def test_garbage_is_survived(server: Served) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(ADDRESS, server.port))
    for size in range(200):
        transport.sendto(struct.pack("!H", size) + bytes([size]) * size)
    transport.close()
    assert addresses(await server.ask(f"web.{DOMAIN}")) == ["10.97.97.97"]


@both
async def test_metrics_have_coredns_names(server: Served) -> None:
    for _ in range(3):
        await server.ask(f"web.{DOMAIN}")
    await server.tcp(f"none.{DOMAIN}")
    code, text = await server.get("/metrics")
    assert code == 200
    labels = 'family="1",proto="udp",server="dns://:53",type="A",view="",zone="."'
    assert f"coredns_dns_requests_total{{{labels}}} 3.0" in text
    assert 'coredns_dns_responses_total{plugin="kubernetes",rcode="NXDOMAIN"' in text
    for name in (
        "coredns_dns_request_duration_seconds_bucket",
        "coredns_dns_response_size_bytes_sum",
        "coredns_dns_request_size_bytes_count",
        'coredns_plugin_enabled{name="kubernetes"',
        "coredns_build_info",
        "coredns_reload_failed_total 0.0",
        "fairlead_dns_stale_seconds 0.0",
    ):
        assert name in text, name
    assert (await server.get("/health"))[0] == 200


@both
async def test_settings_take_effect_without_a_restart_and_bad_ones_are_told(server: Served) -> None:
    async def ttl(wanted: int) -> bool:
        return (await server.ask(f"web.{DOMAIN}")).answer[0].ttl == wanted

    assert await ttl(30)
    await server.configure(server.corefile().replace("ttl 30", "ttl 7"))
    await until(lambda: ttl(7))
    await server.configure(server.corefile("dnssec").replace("ttl 30", "ttl 9"))

    async def told() -> bool:
        events = await server.client.list("events", type=dict, namespace="kube-system")
        return any(e["reason"] == "InvalidCorefile" and "dnssec" in e["message"] for e in events.items)

    await until(told)
    assert await ttl(7)
    assert "coredns_reload_failed_total 1.0" in (await server.get("/metrics"))[1]


@pytest.mark.parametrize("victim", ["fl-dns-worker0", "fl-dns-watch"])
async def test_a_process_that_is_killed_under_load_loses_no_more_than_what_was_on_its_way(
    client: Client, tmp_path: Path, victim: str
) -> None:
    await create_service(client, "web", "10.97.97.97")
    async with served(client, tmp_path) as server:
        loop = asyncio.get_running_loop()
        answered: set[int] = set()

        class Asking(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                if struct.unpack_from("!H", data, 6)[0]:
                    answered.add(struct.unpack_from("!H", data)[0])

        transport, _ = await loop.create_datagram_endpoint(Asking, remote_addr=(ADDRESS, server.port))
        # A new worker answers all that has waited at once, which this client may be slow to read.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        question = dns.message.make_query(f"web.{DOMAIN}", "A").to_wire()[2:]
        before = server.children()
        asked = 2000
        for number in range(asked):
            transport.sendto(struct.pack("!H", number) + question)
            if number in (500, 1000):
                kill(server.children()[victim])
            await asyncio.sleep(0.001)
        deadline = time.monotonic() + 5
        while len(answered) < asked - 4 and time.monotonic() < deadline:  # noqa: ASYNC110  # bounded
            await asyncio.sleep(0.05)
        transport.close()
        assert len(answered) >= asked - 4  # two kills, each with what was just read
        assert server.children()[victim] != before[victim]

        async def changes_arrive() -> bool:
            return addresses(await server.ask(f"later.{DOMAIN}")) == ["10.97.3.3"]

        await create_service(client, "later", "10.97.3.3")
        await until(changes_arrive)


@pytest.mark.parametrize("workers", [1, 0])
async def test_without_the_api_answers_go_on_and_a_metric_says_how_old_they_are(tmp_path: Path, workers: int) -> None:
    async with api_server(tmp_path) as client:
        await create_service(client, "web", "10.97.97.97")
        context = served(client, tmp_path, workers=workers)
        server = await context.__aenter__()
    try:
        await asyncio.sleep(1.2)
        assert addresses(await server.ask(f"web.{DOMAIN}")) == ["10.97.97.97"]
        assert addresses(await server.tcp(f"web.{DOMAIN}")) == ["10.97.97.97"]
        (line,) = [x for x in (await server.get("/metrics"))[1].splitlines() if x.startswith("fairlead_dns_stale")]
        assert float(line.split()[1]) > 0.5
        if workers:
            kill(server.children()["fl-dns-watch"])
            await asyncio.sleep(0.5)
            assert addresses(await server.ask(f"web.{DOMAIN}")) == ["10.97.97.97"]
    finally:
        await context.__aexit__(None, None, None)
