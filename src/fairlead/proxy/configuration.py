"""kube-proxy's flags and its KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1).

A field is honoured, or of no effect here because it tunes what Fairlead does not do, or refused by its name.
"""

import ipaddress
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fairlead.client.config import ConfigError, mounted
from fairlead.proxy.flags import merged
from fairlead.proxy.ipvs_settings import USUAL, ipvs_settings
from fairlead.proxy.mode import Node
from fairlead.services.model import FAMILIES, Family, family_of

API_VERSION, KIND = "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"
POD_CIDR, SERVICE_CIDR = "10.244.0.0/16", "10.96.0.0/12"
DEFAULT_MODE = "nftables"
MODES = ("ebpf", "iptables", "ipvs", "nftables", "userspace")
MASQUERADE_BIT = 14
LOOPBACK = ipaddress.ip_address("127.0.0.1")

_HONOURED = {
    "apiVersion",
    "kind",
    "mode",
    "clusterCIDR",
    "hostnameOverride",
    "healthzBindAddress",
    "metricsBindAddress",
    "clientConnection.kubeconfig",
    "nodePortAddresses",
    "conntrack.max",
    "conntrack.maxPerCore",
    "conntrack.min",
    "conntrack.tcpBeLiberal",
    "conntrack.tcpCloseWaitTimeout",
    "conntrack.tcpEstablishedTimeout",
    "conntrack.udpStreamTimeout",
    "conntrack.udpTimeout",
    "iptables.localhostNodePorts",
    "ipvs.excludeCIDRs",
    "ipvs.scheduler",
    "ipvs.strictARP",
    "ipvs.tcpFinTimeout",
    "ipvs.tcpTimeout",
    "ipvs.udpTimeout",
    "iptables.masqueradeAll",
    "iptables.masqueradeBit",
    "nftables.masqueradeAll",
    "nftables.masqueradeBit",
}
# Periods and limits of rewriting everything, which nothing here does; and what belongs to other systems.
_WITHOUT_EFFECT = {
    "bindAddress",
    "bindAddressHardFail",
    "clientConnection.acceptContentTypes",
    "clientConnection.burst",
    "clientConnection.contentType",
    "clientConnection.qps",
    "configSyncPeriod",
    "enableProfiling",
    "featureGates",
    "iptables.minSyncPeriod",
    "iptables.syncPeriod",
    "ipvs.minSyncPeriod",
    "ipvs.syncPeriod",
    "logging",
    "nftables.minSyncPeriod",
    "nftables.syncPeriod",
    "oomScoreAdj",
    "resourceContainer",
    "showHiddenMetricsForVersion",
    "udpIdleTimeout",
    "windowsRunAsService",
    "winkernel",
}
# What would change how packets go: accepted at the value that is the case anyway.
_ONLY: dict[str, tuple[object, ...]] = {
    "detectLocal": (None, {"bridgeInterface": "", "interfaceNamePrefix": ""}),
    "detectLocalMode": ("", "ClusterCIDR", "NodeCIDR"),
    "portRange": ("",),
}
_SECTIONS = {name.partition(".")[0] for name in (*_HONOURED, *_WITHOUT_EFFECT, *_ONLY) if "." in name}


@dataclass(frozen=True, slots=True)
class Options:
    """`health` and `metrics` are `ADDRESS:PORT`; `node_ip`, `cluster_cidr` and `service_cidr` have one value for each
    family that there is, with a comma between them, and are empty where nobody has told (`surroundings.complete`)."""

    node_name: str
    node_ip: str = ""
    kubeconfig: str | None = None
    mode: str = DEFAULT_MODE
    cluster_cidr: str = ""
    service_cidr: str = ""
    health: str = "0.0.0.0:10256"
    metrics: str = "127.0.0.1:10249"
    node_port_addresses: tuple[str, ...] = ()
    configuration: Mapping[str, Any] | None = None  # as /configz shows it

    def nodes(self) -> dict[Family, Node]:
        """Where rules are made: in each family that pods have addresses of."""
        given = self.configuration or {}
        section = given.get("nftables" if self.mode in ("nftables", "ebpf") else "iptables") or {}
        pods, services, own = (
            {family_of(each): each for each in text.split(",") if each}
            for text in (self.cluster_cidr, self.service_cidr, self.node_ip)
        )
        return {
            family: Node(
                self.node_name,
                pods[family],
                services[family],
                own.get(family, ""),
                tuple(each for each in self.node_port_addresses if family_of(each) == family),
                family,
                bool(section.get("masqueradeAll")),
                MASQUERADE_BIT if section.get("masqueradeBit") is None else section["masqueradeBit"],
                self._has_localhost_node_ports(family),
                bool((given.get("conntrack") or {}).get("tcpBeLiberal")),
                ipvs_settings(given) if self.mode == "ipvs" else USUAL,
            )
            for family in FAMILIES
            if family in pods and family in services
        }

    def _has_localhost_node_ports(self, family: Family) -> bool:
        """On 127.0.0.1: of kube-proxy's modes only iptables' has them, unless it is told not to or 127.0.0.1 is not
        among the addresses of node ports; on ::1 nobody can."""
        section = (self.configuration or {}).get("iptables") or {}
        wanted = self.mode in ("iptables", "ipvs") and section.get("localhostNodePorts") is not False
        ranges = [ipaddress.ip_network(each) for each in self.node_port_addresses if family_of(each) == "IPv4"]
        there = not ranges or any(LOOPBACK in each for each in ranges)
        return wanted and there and family == "IPv4"


def load(config: str | None, **flags: str | None) -> Options:
    """Flags that are given win over the file's fields. Raises ConfigError, OSError."""
    given = parse(mounted(config).read_text(), config) if config else {}
    try:
        given = merged(given, flags)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if wrong := list(_problems(given)):
        raise ConfigError("; ".join(wrong))
    mode = flags["mode"] or given.get("mode") or DEFAULT_MODE
    if mode not in MODES:
        known = ", ".join(f'"{name}"' for name in MODES)
        raise ConfigError(f'{config or "--proxy-mode"}: mode: Unsupported value: "{mode}": supported values: {known}')
    name = flags["node_name"] or given.get("hostnameOverride") or platform.node().strip().lower()
    path = flags["kubeconfig"] or (given.get("clientConnection") or {}).get("kubeconfig")
    options = Options(
        node_name=name,
        node_ip=flags["node_ip"] or "",
        kubeconfig=str(mounted(path)) if path else None,
        mode=mode,
        cluster_cidr=flags["cluster_cidr"] or given.get("clusterCIDR") or "",
        service_cidr=flags["service_cidr"] or "",
        health=_address(flags["health"] or given.get("healthzBindAddress") or "", "0.0.0.0:10256"),
        metrics=_address(flags["metrics"] or given.get("metricsBindAddress") or "", "127.0.0.1:10249"),
        node_port_addresses=_ranges(flags["node_port_addresses"], given.get("nodePortAddresses"), flags["node_ip"]),
        configuration={**given, "mode": mode},
    )
    if mode == "ipvs":
        ipvs_settings(given)
    if options.cluster_cidr and options.service_cidr and not options.nodes():
        raise ConfigError("clusterCIDR: Invalid value: pods and Services have no family of addresses in common")
    return options


def parse(text: str, path: str) -> dict[str, Any]:
    """The document, if all that it asks for can be done. Raises ConfigError that names the field."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ConfigError(f"{path}: kind: must be {KIND}")
    if document.get("apiVersion") != API_VERSION:
        raise ConfigError(f"{path}: apiVersion: must be {API_VERSION}")
    problems = list(_problems(document))
    if problems:
        raise ConfigError(f"{path}: " + "; ".join(problems))
    return document


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    for name, value in _fields(document):
        if name in _HONOURED or name in _WITHOUT_EFFECT:
            pass
        elif name not in _ONLY:
            yield f"{name}: unknown field"
        elif value is not None and value not in _ONLY[name]:
            yield f"{name}: {value!r} cannot be done here"
        if name.endswith(".masqueradeBit") and value is not None and value not in range(32):
            yield f"{name}: Invalid value: {value!r}: must be within the range [0, 31]"


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if name in _SECTIONS and isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        elif name not in _SECTIONS or value is not None:
            yield name, value


def _ranges(flag: str | None, given: object, node_ip: str | None) -> tuple[str, ...]:
    """`primary` stands for the node's own addresses. Raises ConfigError."""
    wanted = flag.split(",") if flag else given or []
    if not isinstance(wanted, list):
        raise ConfigError(f"nodePortAddresses: Invalid value: {wanted!r}: must be a list of ranges")
    found = []
    for each in wanted:
        if each == "primary":
            if not node_ip:
                raise ConfigError("nodePortAddresses: primary: the node's address is not known: --node-ip")
            found += [f"{own}/{128 if ':' in own else 32}" for own in node_ip.split(",")]
            continue
        try:
            network = ipaddress.ip_network(str(each))
        except ValueError as error:
            raise ConfigError(
                f"nodePortAddresses: Invalid value: {each!r}: must be a valid CIDR block: {error}"
            ) from error
        found.append(str(network))
    return tuple(found)


def _address(given: str, usual: str) -> str:
    """`ADDRESS:PORT`; a bare address has the usual port."""
    host, _, port = given.rpartition(":")
    if not given:
        return usual
    return given if host and port.isdigit() else f"{given}:{usual.rpartition(':')[2]}"
