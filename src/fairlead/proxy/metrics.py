"""What kube-proxy counts, by its names, labels and buckets (Kubernetes 1.33, pkg/proxy/metrics/metrics.go)."""

import time
from collections import Counter as Counter_
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from fairlead.proxy.mode import Connections
from fairlead.services.model import Family, ServicePort, usable

PREFIX = "kubeproxy_"
_SYNC = tuple(0.001 * 2**n for n in range(15))
_PROGRAMMING = (
    0.0,
    *(0.25, 0.5),
    *(float(n) for n in range(1, 60)),
    *(60.0 + 5 * n for n in range(12)),
    *(120.0 + 30 * n for n in range(7)),
)
_FAMILY = ("ip_family",)

# name → help, labels, buckets
HISTOGRAMS: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "sync_proxy_rules_duration_seconds": ("SyncProxyRules latency in seconds", _FAMILY, _SYNC),
    "sync_full_proxy_rules_duration_seconds": ("SyncProxyRules latency in seconds for full resyncs", _FAMILY, _SYNC),
    "sync_partial_proxy_rules_duration_seconds": (
        "SyncProxyRules latency in seconds for partial resyncs",
        _FAMILY,
        _SYNC,
    ),
    "network_programming_duration_seconds": (
        "In Cluster Network Programming Latency in seconds",
        _FAMILY,
        _PROGRAMMING,
    ),
    "conntrack_reconciler_sync_duration_seconds": (
        "ReconcileConntrackFlowsLatency latency in seconds",
        _FAMILY,
        _SYNC,
    ),
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "sync_proxy_rules_last_timestamp_seconds": ("The last time proxy rules were successfully synced", _FAMILY),
    "sync_proxy_rules_last_queued_timestamp_seconds": ("The last time a sync of proxy rules was queued", _FAMILY),
    "sync_proxy_rules_endpoint_changes_pending": ("Pending proxy rules Endpoint changes", ()),
    "sync_proxy_rules_service_changes_pending": ("Pending proxy rules Service changes", ()),
    "sync_proxy_rules_no_local_endpoints_total": (
        "Number of services with a Local traffic policy and no endpoints",
        ("ip_family", "traffic_policy"),
    ),
    "sync_proxy_rules_iptables_total": ("Total number of iptables rules owned by kube-proxy", ("table", "ip_family")),
    "sync_proxy_rules_iptables_last": (
        "Number of iptables rules written by kube-proxy in last sync",
        ("table", "ip_family"),
    ),
}
COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sync_proxy_rules_endpoint_changes_total": ("Cumulative proxy rules Endpoint changes", ()),
    "sync_proxy_rules_service_changes_total": ("Cumulative proxy rules Service changes", ()),
    "proxy_healthz_total": ("Cumulative proxy healthz HTTP status", ("code",)),
    "proxy_livez_total": ("Cumulative proxy livez HTTP status", ("code",)),
    "sync_proxy_rules_iptables_restore_failures_total": ("Cumulative proxy iptables restore failures", _FAMILY),
    "sync_proxy_rules_iptables_partial_restore_failures_total": (
        "Cumulative proxy iptables partial restore failures",
        _FAMILY,
    ),
    "sync_proxy_rules_nftables_sync_failures_total": ("Cumulative proxy nftables sync failures", _FAMILY),
    "sync_proxy_rules_nftables_cleanup_failures_total": ("Cumulative proxy nftables cleanup failures", _FAMILY),
    "conntrack_reconciler_deleted_entries_total": (
        "Cumulative conntrack flows deleted by conntrack reconciler",
        _FAMILY,
    ),
}
PACKETS = {
    "ct_state_invalid_dropped": "packets dropped by iptables to work around conntrack problems",
    "localhost_nodeports_accepted": "Number of packets accepted on nodeports of loopback interface",
}
_CONNTRACK = {"conntrack_reconciler_sync_duration_seconds", "conntrack_reconciler_deleted_entries_total"}
_KINDS_OF_SYNC = {"sync_full_proxy_rules_duration_seconds", "sync_partial_proxy_rules_duration_seconds"}
_NFTABLES = {
    *_KINDS_OF_SYNC,
    *_CONNTRACK,
    "sync_proxy_rules_nftables_sync_failures_total",
    "sync_proxy_rules_nftables_cleanup_failures_total",
}
# mode → what only some modes count; what no mode names is of all
SPECIAL: dict[str, set[str]] = {
    "iptables": {
        *_KINDS_OF_SYNC,
        *_CONNTRACK,
        "sync_proxy_rules_iptables_restore_failures_total",
        "sync_proxy_rules_iptables_partial_restore_failures_total",
        "sync_proxy_rules_iptables_total",
        "sync_proxy_rules_iptables_last",
    },
    "ipvs": {*_CONNTRACK, "sync_proxy_rules_iptables_restore_failures_total"},
    "nftables": _NFTABLES,
    "ebpf": _NFTABLES,  # behind which are nftables' rules
    "userspace": {*_CONNTRACK},
}


@dataclass(frozen=True, slots=True)
class Synced:
    """One family's rules were changed. `full`: all of them, from nothing that was believed to be there."""

    family: Family
    seconds: float
    full: bool


class _ByService(Collector):
    """What kube-proxy does not count (kubernetes/kubernetes#9125)."""

    def __init__(self, source: Callable[[], Iterable[tuple[Family, Connections]]]) -> None:
        self._source = source

    def collect(self) -> Iterator[CounterMetricFamily]:
        said = "Connections that sockets of this node and its pods dialled, by Service and by what became of them"
        labels = ("namespace", "service", "port", "protocol", "ip_family", "outcome")
        found = CounterMetricFamily("fairlead_proxy_connections", said, labels=labels)
        for family, each in self._source():
            for outcome, number in (("endpoint", each.dialled), ("refused", each.refused)):
                found.add_metric([*each.port, family, outcome], number)
        yield found


class _Packets(Collector):
    """Where the kernel cannot count them, they are not there, as kube-proxy has it."""

    def __init__(self, packets: Callable[[], Mapping[str, int]]) -> None:
        self._packets = packets

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found = self._packets()
        for name, said in PACKETS.items():
            if name in found:
                yield CounterMetricFamily(f"{PREFIX}iptables_{name}_packets", said, value=found[name])


class Metrics:
    """`node`: the name of the node, for what is local. `packets`: what rules have counted, when it is asked for."""

    def __init__(
        self, mode: str, families: Iterable[Family], node: str, packets: Callable[[], Mapping[str, int]]
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # kube-proxy has none
        self._node = node
        self._families = tuple(families)
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Packets(packets))
        others = set().union(*SPECIAL.values()) - SPECIAL[mode]
        self._histograms = {
            name: Histogram(PREFIX + name, said, labels, buckets=buckets, registry=self._registry)
            for name, (said, labels, buckets) in HISTOGRAMS.items()
            if name not in others
        }
        self._gauges = {
            name: Gauge(PREFIX + name, said, labels, registry=self._registry)
            for name, (said, labels) in GAUGES.items()
            if name not in others
        }
        self._counters = {
            name: Counter(PREFIX + name, said, labels, registry=self._registry)
            for name, (said, labels) in COUNTERS.items()
            if name not in others
        }
        self._pending: dict[str, set[str]] = {"endpoint": set(), "service": set()}
        self._heard_of: Counter_[str] = Counter_()  # changes, since that was last told
        self._heard = 0.0  # when that was last (seconds since 1970)
        self._triggered: list[float] = []
        self._began = time.time()
        self._without_local: dict[str, dict[tuple[Family, str], int]] = {}
        self._show_all()

    def _show_all(self) -> None:
        """What is counted is there from the start, with nothing."""
        for made in (*self._histograms.items(), *self._gauges.items(), *self._counters.items()):
            name, metric = made
            labels = (HISTOGRAMS.get(name) or GAUGES.get(name) or COUNTERS[name])[1]
            for family in self._families if "ip_family" in labels else ():
                given = {"ip_family": str(family)}
                if "table" in labels:
                    for table in ("nat", "filter"):
                        metric.labels(**given, table=table)
                elif "traffic_policy" in labels:
                    for policy in ("internal", "external"):
                        metric.labels(**given, traffic_policy=policy)
                else:
                    metric.labels(**given)
            if labels == ("code",):
                metric.labels(code="200")

    def queued(self, what: str, key: str, triggered: float | None = None) -> None:
        """A change of a Service or its endpoints is heard of. `what`: endpoint, service. `triggered`: when that was
        caused which it tells (seconds since 1970)."""
        pending = self._pending[what]
        pending.add(key)
        if triggered is not None and triggered >= self._began:
            self._triggered.append(triggered)
        self._heard_of[what] += 1
        self._heard = time.time()

    def _tell_queue(self) -> None:
        """When it is asked for: there are thousands of changes at a start."""
        for what, pending in self._pending.items():
            self._counters[f"sync_proxy_rules_{what}_changes_total"].inc(self._heard_of.pop(what, 0))
            self._gauges[f"sync_proxy_rules_{what}_changes_pending"].set(len(pending))
        if self._heard:
            for family in self._families:
                self._gauges["sync_proxy_rules_last_queued_timestamp_seconds"].labels(family).set(self._heard)

    def synced(self, done: Iterable[Synced]) -> None:
        """All that was heard of is in the kernel."""
        now = time.time()
        delays = [max(0.0, now - each) for each in self._triggered]
        self._triggered.clear()
        for pending in self._pending.values():
            pending.clear()
        for each in done:
            self._histograms["sync_proxy_rules_duration_seconds"].labels(each.family).observe(each.seconds)
            kind = f"sync_{'full' if each.full else 'partial'}_proxy_rules_duration_seconds"
            if kind in self._histograms:
                self._histograms[kind].labels(each.family).observe(each.seconds)
            self._gauges["sync_proxy_rules_last_timestamp_seconds"].labels(each.family).set(now)
            for delay in delays:
                self._histograms["network_programming_duration_seconds"].labels(each.family).observe(delay)

    def failed(self, family: Family, *, full: bool) -> None:
        """A change was refused."""
        names = ["sync_proxy_rules_nftables_sync_failures_total", "sync_proxy_rules_iptables_restore_failures_total"]
        if not full:
            names.append("sync_proxy_rules_iptables_partial_restore_failures_total")
        for name in names:
            if name in self._counters:
                self._counters[name].labels(family).inc()

    def rules(self, family: Family, total: Mapping[str, int], last: Mapping[str, int]) -> None:
        """By table of iptables: how many there are, and how many the last change wrote."""
        for name, counts in (("total", total), ("last", last)):
            gauge = self._gauges.get(f"sync_proxy_rules_iptables_{name}")
            for table, count in counts.items() if gauge is not None else ():
                gauge.labels(table, family).set(count)  # type: ignore[union-attr]

    def services(self, changes: Mapping[str, Iterable[ServicePort]]) -> None:
        """Counts those whose policy is Local and that have endpoints on other nodes only."""
        changed = False
        for key, ports in changes.items():
            before = self._without_local.pop(key, None)
            after = self._count(ports)
            if after:
                self._without_local[key] = after
            changed = changed or before != (after or None)
        if not changed:
            return
        gauge = self._gauges["sync_proxy_rules_no_local_endpoints_total"]
        for family in self._families:
            for policy in ("internal", "external"):
                total = sum(counts.get((family, policy), 0) for counts in self._without_local.values())
                gauge.labels(family, policy).set(total)

    def _count(self, ports: Iterable[ServicePort]) -> dict[tuple[Family, str], int]:
        found: dict[tuple[Family, str], int] = {}
        for port in ports:
            outside = port.external_policy == "Local" and (port.external or port.node_port is not None)
            for policy, local in (("internal", port.internal_policy == "Local"), ("external", outside)):
                here = local and port.endpoints_for(self._node, from_outside=policy == "external")
                if local and not here and usable(port.endpoints):
                    found[port.family, policy] = found.get((port.family, policy), 0) + 1
        return found

    def forgot_flows(self, family: Family, seconds: float, entries: int) -> None:
        """Connections that would still be sent where nothing is any more."""
        self._histograms["conntrack_reconciler_sync_duration_seconds"].labels(family).observe(seconds)
        self._counters["conntrack_reconciler_deleted_entries_total"].labels(family).inc(entries)

    def count_connections(self, source: Callable[[], Iterable[tuple[Family, Connections]]]) -> None:
        """Asked for whenever metrics are."""
        self._registry.register(_ByService(source))

    def asked(self, path: str, code: int) -> None:
        """A probe of /healthz or /livez was answered."""
        self._counters[f"proxy_{path.strip('/')}_total"].labels(str(code)).inc()

    def render(self) -> bytes:
        self._tell_queue()
        return generate_latest(self._registry)
