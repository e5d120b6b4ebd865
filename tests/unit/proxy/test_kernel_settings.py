"""What the configuration says of connection tracking, as the kernel's parameters."""

import pytest

from fairlead.client.config import ConfigError
from fairlead.proxy.kernel_settings import most_connections, seconds, settings


def test_without_a_word_it_is_as_kube_proxy_has_it() -> None:
    assert settings({"conntrack": {"tcpEstablishedTimeout": None}}) == {
        "net.netfilter.nf_conntrack_tcp_timeout_established": "86400",
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait": "3600",
    }
    assert most_connections({}, 2) == 131072
    assert most_connections({}, 8) == 262144


def test_zero_leaves_the_kernels() -> None:
    given = {"conntrack": {"tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s", "maxPerCore": 0}}
    assert settings(given) == {}
    assert most_connections(given, 4) == 0


def test_everything_that_can_be_said() -> None:
    given = {"tcpBeLiberal": True, "udpTimeout": "20s", "udpStreamTimeout": "1m30s", "tcpEstablishedTimeout": "1h0m0s"}
    found = settings({"conntrack": given})
    assert found["net.netfilter.nf_conntrack_tcp_be_liberal"] == "1"
    assert found["net.netfilter.nf_conntrack_udp_timeout"] == "20"
    assert found["net.netfilter.nf_conntrack_udp_timeout_stream"] == "90"
    assert found["net.netfilter.nf_conntrack_tcp_timeout_established"] == "3600"


@pytest.mark.parametrize(("text", "number"), [("1h30m", 5400), ("1.5s", 2), ("0", 0), ("250ms", 1), ("0s", 0)])
def test_a_duration(text: str, number: int) -> None:
    assert seconds("f", text) == number


@pytest.mark.parametrize("text", ["1", "abc", "1d", "-1s", "1 h"])
def test_what_is_no_duration_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(ConfigError, match=r"conntrack\.udpTimeout: Invalid value"):
        settings({"conntrack": {"udpTimeout": text}})
