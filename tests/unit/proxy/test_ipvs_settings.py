"""The section `ipvs` is honoured in the mode ipvs, and what cannot be done is refused by its name."""

from pathlib import Path
from typing import Any

import pytest

from fairlead.client.config import ConfigError
from fairlead.proxy.configuration import load
from fairlead.proxy.ipvs_settings import USUAL, IpvsSettings, ipvs_settings

FLAGS = dict.fromkeys(
    ("mode", "kubeconfig", "node_ip", "cluster_cidr", "service_cidr", "node_port_addresses", "health", "metrics")
)
CONFIGURATION = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: MODE
ipvs:
  scheduler: wlc
  strictARP: true
  excludeCIDRs: [198.51.100.0/24, "2001:db8::/32"]
  tcpTimeout: 15m
  tcpFinTimeout: 1m30s
  udpTimeout: 0s
  syncPeriod: 30s
  minSyncPeriod: 2s
"""


def _loaded(tmp_path: Path, mode: str) -> Any:
    file = tmp_path / "config.conf"
    file.write_text(CONFIGURATION.replace("MODE", mode))
    flags = {**FLAGS, "node_name": "node1", "cluster_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/12"}
    return load(str(file), **flags).nodes()["IPv4"].ipvs


def test_all_of_it_comes_to_the_mode(tmp_path: Path) -> None:
    expected = IpvsSettings("wlc", True, ("198.51.100.0/24", "2001:db8::/32"), (900, 90, 0))
    assert _loaded(tmp_path, "ipvs") == expected


def test_it_has_no_effect_on_other_modes(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "nftables") == USUAL


def test_what_is_not_said_is_as_kube_proxy_has_it() -> None:
    assert ipvs_settings({}) == ipvs_settings({"ipvs": {"scheduler": "", "excludeCIDRs": None}}) == USUAL


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"scheduler": "magic"}, 'ipvs.scheduler: Unsupported value: "magic": supported values: "rr"'),
        ({"excludeCIDRs": ["10.0.0.0/33"]}, "ipvs.excludeCIDRs: Invalid value: '10.0.0.0/33'"),
        ({"excludeCIDRs": "10.0.0.0/8"}, "ipvs.excludeCIDRs: Invalid value"),
        ({"tcpTimeout": "soon"}, "ipvs.tcpTimeout: Invalid value: 'soon'"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ipvs_settings({"ipvs": given})
    assert text in str(refused.value)
