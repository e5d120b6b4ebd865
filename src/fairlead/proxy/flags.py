"""kube-proxy's flags, by the fields of the KubeProxyConfiguration that they stand for (cmd/kube-proxy/app/options.go).
Pure, and light: the command line reads it before it knows which part it is to start."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Flag(NamedTuple):
    """`kind`: text, number, switch, list, map."""

    kind: str
    fields: tuple[str, ...]


def _flag(kind: str, *fields: str) -> Flag:
    return Flag(kind, fields)


FLAGS = {
    "bind-address": _flag("text", "bindAddress"),
    "bind-address-hard-fail": _flag("switch", "bindAddressHardFail"),
    "config-sync-period": _flag("text", "configSyncPeriod"),
    "conntrack-max-per-core": _flag("number", "conntrack.maxPerCore"),
    "conntrack-min": _flag("number", "conntrack.min"),
    "conntrack-tcp-be-liberal": _flag("switch", "conntrack.tcpBeLiberal"),
    "conntrack-tcp-timeout-close-wait": _flag("text", "conntrack.tcpCloseWaitTimeout"),
    "conntrack-tcp-timeout-established": _flag("text", "conntrack.tcpEstablishedTimeout"),
    "conntrack-udp-timeout": _flag("text", "conntrack.udpTimeout"),
    "conntrack-udp-timeout-stream": _flag("text", "conntrack.udpStreamTimeout"),
    "detect-local-mode": _flag("text", "detectLocalMode"),
    "feature-gates": _flag("map", "featureGates"),
    "iptables-localhost-nodeports": _flag("switch", "iptables.localhostNodePorts"),
    "iptables-masquerade-bit": _flag("number", "iptables.masqueradeBit"),
    "iptables-min-sync-period": _flag("text", "iptables.minSyncPeriod"),
    "iptables-sync-period": _flag("text", "iptables.syncPeriod"),
    "ipvs-exclude-cidrs": _flag("list", "ipvs.excludeCIDRs"),
    "ipvs-min-sync-period": _flag("text", "ipvs.minSyncPeriod"),
    "ipvs-scheduler": _flag("text", "ipvs.scheduler"),
    "ipvs-strict-arp": _flag("switch", "ipvs.strictARP"),
    "ipvs-sync-period": _flag("text", "ipvs.syncPeriod"),
    "ipvs-tcp-timeout": _flag("text", "ipvs.tcpTimeout"),
    "ipvs-tcpfin-timeout": _flag("text", "ipvs.tcpFinTimeout"),
    "ipvs-udp-timeout": _flag("text", "ipvs.udpTimeout"),
    "kube-api-burst": _flag("number", "clientConnection.burst"),
    "kube-api-content-type": _flag("text", "clientConnection.contentType"),
    "kube-api-qps": _flag("number", "clientConnection.qps"),
    "masquerade-all": _flag("switch", "iptables.masqueradeAll", "nftables.masqueradeAll"),
    "oom-score-adj": _flag("number", "oomScoreAdj"),
    "pod-bridge-interface": _flag("text", "detectLocal.bridgeInterface"),
    "pod-interface-name-prefix": _flag("text", "detectLocal.interfaceNamePrefix"),
    "profiling": _flag("switch", "enableProfiling"),
    "proxy-port-range": _flag("text", "portRange"),
    "show-hidden-metrics-for-version": _flag("text", "showHiddenMetricsForVersion"),
}
# How much is logged, and where: of no effect here.
LOGGING = ("log-flush-frequency", "logging-format", "v", "vmodule")


def merged(document: Mapping[str, Any], flags: Mapping[str, str | None]) -> dict[str, Any]:
    """The document with what flags say, by their names with underscores. Raises ValueError that names the flag."""
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in document.items()}
    for name, flag in FLAGS.items():
        given = flags.get(name.replace("-", "_"))
        if given is None:
            continue
        value = _value(name, flag.kind, given)
        for field in flag.fields:
            section, _, inner = field.rpartition(".")
            if section:
                found[section] = {**(found.get(section) or {}), inner: value}
            else:
                found[inner] = value
    return found


def _value(name: str, kind: str, given: str) -> object:
    if kind == "switch":
        wanted = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(given.lower())
        if wanted is None:
            raise ValueError(f'--{name}: invalid argument "{given}": must be true or false')
        return wanted
    if kind == "number":
        try:
            return int(given)
        except ValueError:
            raise ValueError(f'--{name}: invalid argument "{given}": must be a number') from None
    if kind == "list":
        return [each for each in given.split(",") if each]
    if kind == "map":
        pairs = [each.partition("=") for each in given.split(",") if each]
        return {key: value == "true" for key, _, value in pairs}
    return given
