"""Corefiles: what users of CoreDNS write is read, and what there is not is refused by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns import defaults
from fairlead.dns.config.corefile import load
from fairlead.dns.config.settings import SettingsError, Upstream
from fairlead.dns.config.syntax import parse

KUBEADM = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""


def test_kubeadms_corefile_is_honoured() -> None:
    settings = load(KUBEADM, {})
    (block,) = settings.blocks
    assert block.kubernetes is not None
    assert block.cache is not None
    assert (block.zones, block.kubernetes.zones) == (("",), ("cluster.local", "in-addr.arpa", "ip6.arpa"))
    assert (block.kubernetes.ttl, block.kubernetes.pods) == (30, "insecure")
    assert (settings.health, settings.ready, settings.metrics, settings.lameduck) == (
        ("", 8080),
        ("", 8181),
        ("", 9153),
        5.0,
    )
    assert (block.forwards[0].to, block.forwards[0].max_concurrent) == (("/etc/resolv.conf",), 1000)
    assert (block.cache.success.ttl, block.cache.success.disabled) == (30, ("cluster.local",))
    assert block.shuffles


def test_the_default_is_honoured() -> None:
    assert load(defaults.corefile("cluster.local", 30), {}).blocks[0].kubernetes is not None
    assert load(defaults.corefile("x.y", 5, "forward . /etc/resolv.conf"), {}).blocks[0].forwards


def test_stub_domains_are_blocks_of_their_own_and_the_longest_zone_wins() -> None:
    text = """
    (common) {
        errors
        cache 30
    }
    example.org sub.example.com:53 {
        import common
        forward . 10.0.0.1 10.0.0.2:5353 [2001:db8::1]:53
    }
    example.com {
        forward . tls://9.9.9.9%dns.quad9.net
    }
    . {
        import common
        import custom/*.override
        forward . {$UPSTREAM}
    }
    """
    settings = load(text, {"UPSTREAM": "192.0.2.53"})
    found = {name: settings.block_for(name) for name in ("a.example.org", "x.sub.example.com", "example.com", "other")}
    assert [block.zones[0] if block else None for block in found.values()] == ["example.org"] * 2 + ["example.com", ""]
    to = [block.forwards[0].to for block in settings.blocks]
    assert to[0] == (Upstream("10.0.0.1", 53), Upstream("10.0.0.2", 5353), Upstream("2001:db8::1", 53))
    assert to[1] == (Upstream("9.9.9.9", 853, "tls", "dns.quad9.net"),)
    assert to[2] == (Upstream("192.0.2.53", 53),)
    assert "cache" in settings.blocks[0].plugins


def test_ranges_are_the_reverse_zones_of_their_addresses() -> None:
    settings = load("10.96.0.0/15 fd00::/16 {\n kubernetes\n}", {})
    assert settings.blocks[0].zones == ("96.10.in-addr.arpa", "97.10.in-addr.arpa", "0.0.d.f.ip6.arpa")


def test_a_single_block_may_leave_its_braces_out() -> None:
    assert load("example.org\nforward . 10.0.0.1\n", {}).blocks[0].zones == ("example.org",)


def test_quotes_and_comments() -> None:
    (block,) = parse('. { # comment\n log . "{remote} \\"{name}\\"" # more\n}\n', {})
    assert block.directives[0].arguments == (".", '{remote} "{name}"')


REFUSED = [
    ("dnssec", "dnssec: there is no such plugin here"),
    ("file db.example", "file"),
    ("kubernetes {\n multicluster x\n }", "multicluster"),
    ("kubernetes {\n endpoint https://x\n }", "--kubeconfig"),
    ("kubernetes {\n ttl 4000\n }", "4000"),
    ("kubernetes\nkubernetes", "twice"),
    ("forward .", "where to ask"),
    ("forward . https://9.9.9.9", "https://"),
    ("forward . dns.example", "neither an address nor a file"),
    ("forward . 10.0.0.1 {\n policy best\n }", "policy"),
    ("cache {\n disable\n }", "disable"),
    ("cache x..y", "no domain name"),
    ("hosts {\n what 1\n }", "what"),
    ("rewrite edns0 local set 0xffee abcd", "edns0"),
    ("rewrite name regex ( x", "missing"),
    ("rewrite name a.example", "what it becomes"),
    ("autopath /etc/resolv.conf", "@kubernetes"),
    ("log {\n class some\n }", "some"),
    ("transfer {\n to example\n }", "addresses"),
    ("health :port", "ADDRESS:PORT"),
    ("import nothing", "nothing"),
    ("health {\n lameduck long\n }", "long"),
]


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=[line.replace("\n", " ") for line, _ in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_its_name(line: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(f". {{\n {line}\n}}", {})
    assert text in str(caught.value)
    assert str(caught.value).startswith("Corefile:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        ". {",
        ". {\n errors",
        ".:5353 {\n}",
        "tls://. {\n}",
        ". {\n}\n. {\n}",
        '. {\n log "\n}',
        "a/b {\n}",
    ],
)
def test_what_is_no_corefile_is_an_error_and_nothing_else(text: str) -> None:
    with pytest.raises(SettingsError):
        load(text, {})


words = st.sampled_from(
    [
        "{",
        "}",
        "\n",
        "{\n",
        "}\n",
        ".",
        "kubernetes",
        "forward",
        "cache",
        "30",
        '"',
        "#",
        "hosts",
        "10.0.0.1",
        "rewrite",
    ]
)


@given(st.lists(words, max_size=30))
def test_any_words_are_settings_or_a_settings_error(given_: list[str]) -> None:
    try:
        load(" ".join(given_), {})
    except SettingsError:
        return
