"""The lines of the plugin `log`, as CoreDNS documents and prints them (plugin/log/README.md)."""

import re
from collections.abc import Iterator

import dns.flags
import dns.message
import pytest

from fairlead.dns.chain import Chain
from fairlead.dns.config.corefile import load
from tests.unit.dns.clusters import endpoint, slice_of
from tests.unit.dns.test_answering import COREFILE, Asked


@pytest.fixture
def asked() -> Iterator[Asked]:
    found = Asked()
    yield found
    found.server.close()
    found.client.close()


def settle(asked: Asked, log: str) -> None:
    corefile = COREFILE.replace("loadbalance", f"loadbalance\n{log}")
    asked.answering.settle(Chain(load(corefile, {}), asked.zone, {}, ()))


CASES = [
    ("web.dev", "A", {}, '"A IN web.dev.svc.cluster.local. udp {size} false 512" NOERROR qr,aa,rd {replied}'),
    ("WEB.dev", "A", {}, '"A IN web.dev.svc.cluster.local. udp {size} false 512" NOERROR qr,aa,rd {replied}'),
    (
        "none.dev",
        "AAAA",
        {"use_edns": 0, "payload": 1232, "want_dnssec": True},
        '"AAAA IN none.dev.svc.cluster.local. udp {size} true 1232" NXDOMAIN qr,aa,rd {replied}',
    ),
    (
        "web.dev",
        "HTTPS",
        {"flags": dns.flags.CD},
        '"HTTPS IN web.dev.svc.cluster.local. udp {size} false 512" NOERROR qr,aa,cd {replied}',
    ),
    (
        "web.dev",
        "TYPE999",
        {},
        '"TYPE999 IN web.dev.svc.cluster.local. udp {size} false 512" NOERROR qr,aa,rd {replied}',
    ),
]


@pytest.mark.parametrize(("name", "qtype", "options", "line"), CASES)
def test_a_line_is_as_coredns_prints_it_and_there_is_one_for_each_query(
    asked: Asked, capsys: pytest.CaptureFixture[str], name: str, qtype: str, options: dict[str, object], line: str
) -> None:
    settle(asked, "log")
    host, port = asked.client.getsockname()[0], 0
    for ident in (7, 65535):
        query = dns.message.make_query(f"{name}.svc.cluster.local", qtype, id=ident, **options)  # type: ignore[arg-type]
        reply = asked.send(query.to_wire())
        assert reply is not None
        host, port = "127.0.0.1", asked.client.getsockname()[1]
        told = capsys.readouterr().out
        wanted = line.format(size=len(query.to_wire()), replied=len(reply))
        assert re.fullmatch(rf"\[INFO\] {host}:{port} - {ident} {re.escape(wanted)} 0\.\d{{9}}s\n", told), told


def test_an_answer_that_is_cut_off_says_so(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    settle(asked, 'log . "{name} {>rflags} {rsize}"')
    endpoints = [endpoint(f"10.244.3.{number}") for number in range(1, 60)]
    asked.zone.put_slice(("dev", "db-x"), slice_of("db", *endpoints))
    asked.ask("db.dev.svc.cluster.local")
    cut = capsys.readouterr().out
    assert re.fullmatch(r"\[INFO\] db\.dev\.svc\.cluster\.local\. qr,aa,tc,rd \d+\n", cut), cut


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        ("log {\nclass denial\n}", ["none.dev"]),
        ("log {\nclass success\n}", ["web.dev"]),
        ("log {\nclass error\n}", []),
        ("log other.svc.cluster.local", []),
        ("log dev.svc.cluster.local {\nclass denial error\n}\nlog", ["none.dev"]),  # the first that is for the name
    ],
)
def test_which_queries_are_told(asked: Asked, capsys: pytest.CaptureFixture[str], log: str, lines: list[str]) -> None:
    settle(asked, log)
    for name in ("web.dev", "none.dev"):
        asked.ask(f"{name}.svc.cluster.local")
    told = re.findall(r"IN (\S+)\.svc\.cluster\.local\. udp", capsys.readouterr().out)
    assert told == lines


def test_a_format_of_ones_own_and_the_combined_one(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    settle(asked, 'log . "{combined}"')
    asked.ask("web.dev.svc.cluster.local")
    assert re.search(r'" NOERROR qr,aa,rd \d+ 0\.\d{9}s "0"\n$', capsys.readouterr().out)
    settle(asked, 'log . "from {remote}: {type} {name} by {proto}, {nothing}"')
    asked.ask("web.dev.svc.cluster.local")
    assert capsys.readouterr().out == "[INFO] from 127.0.0.1: A web.dev.svc.cluster.local. by udp, -\n"
