"""What kube-proxy counts, by its names."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15)


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._duration = Histogram(
            "kubeproxy_sync_proxy_rules_duration_seconds",
            "SyncProxyRules latency in seconds",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._programming = Histogram(
            "kubeproxy_network_programming_duration_seconds",
            "From hearing of a change to its being in the kernel, in seconds",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._last = Gauge(
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
            "The last time proxy rules were successfully synced",
            registry=self._registry,
        )
        self.failures = Counter(
            "kubeproxy_sync_proxy_rules_nftables_sync_failures",
            "Cumulative proxy nftables sync failures",
            registry=self._registry,
        )

    def observe(self, seconds: float, delays: Iterable[float]) -> None:
        self._duration.observe(seconds)
        self._last.set_to_current_time()
        for delay in delays:
            self._programming.observe(delay)

    def render(self) -> bytes:
        return generate_latest(self._registry)
