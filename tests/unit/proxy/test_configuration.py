"""KubeProxyConfiguration: what kubeadm writes is accepted, and what cannot be done is refused by its name."""

import platform
from pathlib import Path

import pytest

from fairlead.client.config import ConfigError
from fairlead.proxy.configuration import load, parse

# As `kubeadm init` of Kubernetes 1.17 and 1.32 write it.
KUBEADM = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  verbosity: 0
metricsBindAddress: ""
mode: "MODE"
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
udpIdleTimeout: 0s
winkernel:
  enableDSR: false
"""


def test_what_kubeadm_writes_is_accepted() -> None:
    assert parse(KUBEADM.replace("MODE", "ipvs"), "config.conf")["mode"] == "ipvs"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("masqueradeBit: null", "masqueradeBit: 32", "iptables.masqueradeBit: Invalid value: 32: must be within"),
        ("nodePortAddresses: null", "nodePortAddress: []", "nodePortAddress: unknown field"),
        ('portRange: ""', "portRnge: x", "portRnge: unknown field"),
        ("strictARP: false", "strictArp: false", "ipvs.strictArp: unknown field"),
        ("kind: KubeProxyConfiguration", "kind: KubeletConfiguration", "kind: must be KubeProxyConfiguration"),
        ("v1alpha1", "v1", "apiVersion: must be kubeproxy.config.k8s.io/v1alpha1"),
        ("mode:", "mode: [", "config.conf"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(before: str, after: str, text: str) -> None:
    assert before in KUBEADM
    with pytest.raises(ConfigError) as refused:
        parse(KUBEADM.replace(before, after), "config.conf")
    assert text in str(refused.value)


FLAGS = dict.fromkeys(
    (
        "mode",
        "node_name",
        "node_ip",
        "kubeconfig",
        "cluster_cidr",
        "service_cidr",
        "health",
        "metrics",
        "node_port_addresses",
    )
)


def test_flags_win_and_modes_that_are_none_are_refused(tmp_path: Path) -> None:
    text = KUBEADM.replace("MODE", "").replace('healthzBindAddress: ""', "healthzBindAddress: 127.0.0.1")
    (tmp_path / "config.conf").write_text(text)
    path = str(tmp_path / "config.conf")
    found = load(path, **{**FLAGS, "node_name": "n1"})
    assert (found.mode, found.health, found.metrics) == ("nftables", "127.0.0.1:10256", "127.0.0.1:10249")
    assert load(path, **{**FLAGS, "node_name": "n1", "mode": "iptables"}).mode == "iptables"
    with pytest.raises(ConfigError, match='mode: Unsupported value: "magic"'):
        load(path, **{**FLAGS, "node_name": "n1", "mode": "magic"})
    addresses = {
        **FLAGS,
        "node_name": "n1",
        "node_ip": "10.0.0.1",
        "node_port_addresses": "primary,192.168.0.0/16,fd00::/8",
    }
    assert load(path, **addresses).node_port_addresses == ("10.0.0.1/32", "192.168.0.0/16", "fd00::/8")
    with pytest.raises(ConfigError, match="nodePortAddresses: Invalid value"):
        load(path, **{**addresses, "node_port_addresses": "10.0.0.1/8"})
    assert load(path, **FLAGS).node_name == platform.node().lower()


@pytest.mark.parametrize(
    ("mode", "addresses", "wanted", "there"),
    [
        ("iptables", None, "localhostNodePorts: true", True),
        ("iptables", None, "localhostNodePorts: null", True),
        ("iptables", None, "localhostNodePorts: false", False),
        ("iptables", "10.0.0.0/8", "localhostNodePorts: true", False),
        ("iptables", "10.0.0.0/8,127.0.0.0/8", "localhostNodePorts: true", True),
        ("nftables", None, "localhostNodePorts: true", False),
    ],
)
def test_node_ports_on_loopback_as_kube_proxy_has_them(
    tmp_path: Path, mode: str, addresses: str | None, wanted: str, there: bool
) -> None:
    path = tmp_path / "config.conf"
    path.write_text(KUBEADM.replace("MODE", "").replace("localhostNodePorts: null", wanted))
    given = {"node_name": "n1", "service_cidr": "10.96.0.0/12", "mode": mode, "node_port_addresses": addresses}
    found = load(str(path), **{**FLAGS, **given}).nodes()
    assert found["IPv4"].localhost_node_ports == there


def test_every_flag_of_kube_proxy_stands_for_its_field(tmp_path: Path) -> None:
    path = tmp_path / "config.conf"
    path.write_text(KUBEADM.replace("MODE", "iptables"))
    flags = {
        **FLAGS,
        "node_name": "n1",
        "service_cidr": "10.96.0.0/12",
        "masquerade_all": "true",
        "iptables_masquerade_bit": "7",
        "iptables_localhost_nodeports": "false",
        "conntrack_tcp_be_liberal": "true",
        "conntrack_min": "1000",
        "ipvs_exclude_cidrs": "",
        "feature_gates": "A=true,B=false",
    }
    found = load(str(path), **flags)
    node = found.nodes()["IPv4"]
    assert (node.masquerade_all, node.masquerade_bit, node.localhost_node_ports) == (True, 7, False)
    assert node.tcp_be_liberal
    assert found.configuration is not None
    assert found.configuration["conntrack"]["min"] == 1000
    assert found.configuration["featureGates"] == {"A": True, "B": False}
    for wrong in ({"iptables_masquerade_bit": "32"}, {"masquerade_all": "maybe"}, {"conntrack_min": "many"}):
        with pytest.raises(ConfigError, match=r"masqueradeBit|masquerade-all|conntrack-min"):
            load(str(path), **{**flags, **wrong})


def test_rules_are_made_in_each_family_that_pods_have_addresses_of(tmp_path: Path) -> None:
    text = KUBEADM.replace("MODE", "").replace("clusterCIDR: 10.244.0.0/16", "clusterCIDR: 10.244.0.0/16,fd00::/56")
    path = tmp_path / "config.conf"
    path.write_text(text.replace("masqueradeAll: false", "masqueradeAll: true"))
    given = {**FLAGS, "node_name": "n1", "node_ip": "10.0.0.1,fd01::1", "service_cidr": "10.96.0.0/12,fd02::/112"}
    found = load(str(path), **{**given, "mode": "iptables", "node_port_addresses": "primary"}).nodes()
    assert list(found) == ["IPv4", "IPv6"]
    six = found["IPv6"]
    assert (six.pod_cidr, six.service_cidr, six.address) == ("fd00::/56", "fd02::/112", "fd01::1")
    assert six.node_port_addresses == ("fd01::1/128",)
    assert six.masquerade_all
    assert list(load(str(path), **{**given, "service_cidr": "10.96.0.0/12"}).nodes()) == ["IPv4"]
    with pytest.raises(ConfigError, match="no family of addresses in common"):
        load(str(path), **{**given, "service_cidr": "fd02::/112", "cluster_cidr": "10.244.0.0/16"})
