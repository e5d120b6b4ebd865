"""Questions through the plugins of a Corefile; upstreams are a table."""

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from fairlead.dns.chain import Ask, Chain, Resolution
from fairlead.dns.config.corefile import load
from fairlead.dns.config.rewriting import Question
from fairlead.dns.wire import IN, Rcode, Record, Reply, Type, encode_name
from fairlead.dns.zone import Zone, number_of
from tests.unit.dns.clusters import fill, text

KUBERNETES = "kubernetes cluster.local in-addr.arpa ip6.arpa {\n pods insecure\n ttl 30\n fallthrough in-addr.arpa\n}\n"
DENIED = Reply(Rcode.NXDOMAIN)


def a(name: str, address: str) -> Record:
    return Record(name, Type.A, 60, ip_address(address).packed)


def resolve(
    corefile: str,
    name: str,
    qtype: int = Type.A,
    *,
    upstream: Mapping[str, Reply] | None = None,
    client: str = "10.244.9.9",
    zone: Zone | None = None,
) -> tuple[Resolution, list[str]]:
    """The answer, and what upstreams were asked for."""
    chain = Chain(load(corefile, {}), zone or fill(Zone()), {"/hosts": "192.0.2.5 file.example\n"})
    steps = chain.resolve(Question(name, qtype, IN), number_of(ip_address(client).packed))
    asked = []
    try:
        ask: Ask = next(steps)
        while True:
            asked.append(ask.name)
            ask = steps.send((upstream or {}).get(ask.name, DENIED))
    except StopIteration as end:
        found: Resolution = end.value
        return found, asked


def lines(found: Resolution) -> list[str]:
    return [text(record) for record in found.reply.answers]


def corefile(*plugins: str) -> str:
    return ". {\n" + "\n".join(plugins) + "\n}\n"


def test_names_of_nobody_are_refused() -> None:
    found, _ = resolve("cluster.local {\nkubernetes\n}", "www.example")
    assert found.reply.rcode == Rcode.REFUSED
    found, _ = resolve(corefile(KUBERNETES), "www.example")
    assert found.reply.rcode == Rcode.REFUSED


def test_an_external_name_is_followed_by_the_block_of_its_target() -> None:
    other = "baidu.com {\n forward . 10.0.0.2\n}\n"
    reply = Reply(answers=(a("www.baidu.com", "192.0.2.8"), a("else.example", "192.0.2.9")))
    found, asked = resolve(
        corefile(KUBERNETES) + other, "baidu.dev.svc.cluster.local", upstream={"www.baidu.com": reply}
    )
    assert asked == ["www.baidu.com"]
    assert lines(found) == ["baidu.dev.svc 30 CNAME www.baidu.com.", "www.baidu.com 60 A 192.0.2.8"]
    assert found.reply.authoritative
    assert not found.shared


@pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED])
def test_where_an_external_names_records_cannot_be_had_the_alias_is_told(rcode: Rcode) -> None:
    forward = "forward . 10.0.0.1"
    reply = Reply(rcode)
    found, _ = resolve(corefile(KUBERNETES, forward), "baidu.dev.svc.cluster.local", upstream={"www.baidu.com": reply})
    assert (found.reply.rcode, lines(found)) == (Rcode.NOERROR, ["baidu.dev.svc 30 CNAME www.baidu.com."])


def test_addresses_of_nobody_here_fall_through_and_names_do_not() -> None:
    text_ = corefile(KUBERNETES, "forward . 10.0.0.1")
    assert resolve(text_, "9.9.9.9.in-addr.arpa", Type.PTR)[1] == ["9.9.9.9.in-addr.arpa"]
    assert resolve(text_, "97.97.97.10.in-addr.arpa", Type.PTR)[1] == []
    assert resolve(text_, "none.dev.svc.cluster.local")[1] == []
    found, _ = resolve(corefile(KUBERNETES), "9.9.9.9.in-addr.arpa", Type.PTR)
    assert (found.reply.rcode, len(found.reply.authority)) == (Rcode.NXDOMAIN, 1)


def test_forwards_go_by_their_order_and_exceptions() -> None:
    text_ = corefile("forward lab.example 10.0.0.1", "forward . 10.0.0.2 {\n except secret.example\n}")
    assert resolve(text_, "a.lab.example")[1] == ["a.lab.example"]
    assert resolve(text_, "a.secret.example")[1] == []


HOSTS = "hosts /hosts {\n 192.0.2.1 one.example two.example\n fd00::1 one.example\n ttl 60\n fallthrough\n}"


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        ("one.example", Type.A, ["one.example 60 A 192.0.2.1"]),
        ("one.example", Type.AAAA, ["one.example 60 AAAA fd00::1"]),
        ("two.example", Type.AAAA, []),
        ("file.example", Type.A, ["file.example 60 A 192.0.2.5"]),
        (
            "1.2.0.192.in-addr.arpa",
            Type.PTR,
            ["1.2.0.192.in-addr.arpa 60 PTR one.example.", "1.2.0.192.in-addr.arpa 60 PTR two.example."],
        ),
    ],
)
def test_hosts_are_told_before_anything_else(name: str, qtype: int, expected: list[str]) -> None:
    found, asked = resolve(corefile(HOSTS, KUBERNETES, "forward . 10.0.0.1"), name, qtype)
    assert (lines(found), asked, found.plugin) == (expected, [], "hosts")


def test_what_hosts_does_not_know_falls_through_or_fails() -> None:
    assert resolve(corefile(HOSTS, "forward . 10.0.0.1"), "other.example")[1] == ["other.example"]
    without = HOSTS.replace("fallthrough\n", "")
    assert resolve(corefile(without), "other.example")[0].reply.rcode == Rcode.SERVFAIL


REWRITES = [
    ("rewrite name old.example web.dev.svc.cluster.local", "old.example", ["old.example 30 A 10.97.97.97"]),
    (
        "rewrite name suffix .my.zone .dev.svc.cluster.local answer auto",
        "web.my.zone",
        ["web.my.zone 30 A 10.97.97.97"],
    ),
    (
        r"rewrite name regex (.*)\.in\.(.*)\.zone {1}.{2}.svc.cluster.local",
        "web.in.dev.zone",
        ["web.dev.svc 30 A 10.97.97.97"],
    ),
    (
        (
            "rewrite stop {\n name regex (.*)\\.my\\.zone {1}.dev.svc.cluster.local\n"
            " answer name (.*)\\.dev\\.svc\\.cluster\\.local {1}.my.zone\n}"
        ),
        "web.my.zone",
        ["web.my.zone 30 A 10.97.97.97"],
    ),
    ("rewrite name prefix old- web", "old-.dev.svc.cluster.local", ["web.dev.svc 30 A 10.97.97.97"]),
    ("rewrite name substring .prod. .dev.", "web.prod.svc.cluster.local", ["web.dev.svc 30 A 10.97.97.97"]),
    ("rewrite ttl web.dev.svc.cluster.local 5", "web.dev.svc.cluster.local", ["web.dev.svc 5 A 10.97.97.97"]),
    ("rewrite ttl suffix cluster.local 40-", "web.dev.svc.cluster.local", ["web.dev.svc 40 A 10.97.97.97"]),
    (
        "rewrite continue name a.example b.example\nrewrite name b.example web.dev.svc.cluster.local",
        "a.example",
        ["a.example 30 A 10.97.97.97"],
    ),
    ("rewrite type AAAA A", "web.dev.svc.cluster.local", ["web.dev.svc 30 A 10.97.97.97"]),
]


@pytest.mark.parametrize(("rule", "name", "expected"), REWRITES, ids=[rule for rule, _, _ in REWRITES])
def test_questions_are_rewritten_and_answers_written_back(rule: str, name: str, expected: list[str]) -> None:
    qtype = Type.AAAA if "type" in rule else Type.A
    assert lines(resolve(corefile(rule, KUBERNETES), name, qtype)[0]) == expected


AUTOPATH = corefile("autopath @kubernetes", KUBERNETES.replace("insecure", "verified"), "forward . 10.0.0.1")


def cluster() -> Zone:
    zone = fill(Zone())
    zone.put_pod(("dev", "client"), (ip_address("10.244.7.7").packed,))
    return zone


def test_the_search_path_of_a_pod_is_gone_through_here() -> None:
    reply = Reply(answers=(a("www.example.com", "192.0.2.3"),), authoritative=False)
    found, asked = resolve(
        AUTOPATH,
        "www.example.com.dev.svc.cluster.local",
        upstream={"www.example.com": reply},
        client="10.244.7.7",
        zone=cluster(),
    )
    assert asked == ["www.example.com"]
    assert lines(found) == ["www.example.com.dev.svc 60 CNAME www.example.com.", "www.example.com 60 A 192.0.2.3"]
    found, asked = resolve(AUTOPATH, "web.other.dev.svc.cluster.local", client="10.244.7.7", zone=cluster())
    assert lines(found) == ["web.other.dev.svc 30 CNAME web.other.svc.", "web.other.svc 30 A 10.98.98.98"]
    assert (asked, found.shared, found.plugin) == ([], False, "autopath")


def test_only_pods_of_the_namespace_are_helped_and_denials_are_theirs_alone() -> None:
    found, asked = resolve(AUTOPATH, "www.example.com.dev.svc.cluster.local", zone=cluster())
    assert (found.reply.rcode, asked, found.shared) == (Rcode.NXDOMAIN, [], False)
    found, _ = resolve(AUTOPATH, "web.dev.svc.cluster.local", client="10.244.7.7", zone=cluster())
    assert (lines(found), found.shared) == (["web.dev.svc 30 A 10.97.97.97"], True)
    found, _ = resolve(AUTOPATH, "none.dev.svc.cluster.local", client="10.244.7.7", zone=cluster())
    assert (found.reply.rcode, len(found.reply.authority)) == (Rcode.NXDOMAIN, 1)


def test_other_classes_are_refused() -> None:
    steps = Chain(load(corefile(KUBERNETES), {}), fill(Zone()), {}).resolve(Question("version.bind", Type.TXT, 3), 0)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value.reply.rcode == Rcode.REFUSED


def test_an_alias_to_a_name_that_upstreams_lead_back_to_the_cluster_ends() -> None:
    reply = Reply(answers=(Record("www.baidu.com", Type.CNAME, 60, encode_name("baidu.dev.svc.cluster.local")),))
    found, asked = resolve(
        corefile(KUBERNETES, "forward . 10.0.0.1"), "baidu.dev.svc.cluster.local", upstream={"www.baidu.com": reply}
    )
    assert len(asked) == 1
    assert len(found.reply.answers) == 2
