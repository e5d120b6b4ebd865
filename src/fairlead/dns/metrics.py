"""What was answered, under CoreDNS's names, so that existing dashboards work."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

import fairlead
from fairlead.dns.config.settings import Settings
from fairlead.dns.tally import BUCKETS, Tally
from fairlead.dns.upstream.forwarder import Forwarder
from fairlead.dns.wire import Rcode, Type

SERVER = "dns://:53"
_SIZES = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000)
_TYPES = {int(each): each.name for each in Type if each.name not in ("OPT", "HINFO", "DNAME")}
_TYPES |= {43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 65: "HTTPS"}
_RCODES = {int(each): each.name for each in Rcode}


@dataclass(slots=True)
class State:
    """What metrics are made of. The callables are asked at each scrape."""

    tally: Tally
    settings: Callable[[], Settings | None]
    forwarder: Callable[[], Forwarder | None]
    stale_seconds: Callable[[], float]
    services: Callable[[], int]
    reloads: dict[str, int] = field(default_factory=lambda: {"good": 0, "bad": 0})


class Metrics(Collector):
    def __init__(self, state: State) -> None:
        self._state = state
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        state = self._state
        build = GaugeMetricFamily("coredns_build_info", "What answers.", labels=("version", "revision", "goversion"))
        build.add_metric((f"fairlead-{fairlead.__version__}", "", ""), 1)
        yield build
        yield from _answered(state.tally)
        yield _durations(state.tally)
        yield from _plugins(state.settings())
        yield from _upstreams(state.forwarder())
        failed = CounterMetricFamily("coredns_reload_failed", "Corefiles that could not be honoured.")
        failed.add_metric((), state.reloads["bad"])
        yield failed
        stale = GaugeMetricFamily(
            "fairlead_dns_stale_seconds", "For how long the API server has not been heard; answers are as old as that."
        )
        stale.add_metric((), state.stale_seconds())
        yield stale
        services = GaugeMetricFamily("fairlead_dns_services", "Services that are known.")
        services.add_metric((), state.services())
        yield services


def _answered(tally: Tally) -> Iterator[Metric]:
    requests: defaultdict[tuple[str, ...], int] = defaultdict(int)
    responses: defaultdict[tuple[str, ...], int] = defaultdict(int)
    secure: defaultdict[tuple[str, ...], int] = defaultdict(int)
    sizes: dict[str, defaultdict[tuple[str, ...], _Sizes]] = {
        "request": defaultdict(_Sizes),
        "response": defaultdict(_Sizes),
    }
    for kind, count in tally.kinds():
        requests[kind.zone, kind.transport, str(kind.family), _TYPES.get(kind.type, "other")] += count
        responses[kind.zone, _RCODES.get(kind.rcode, str(kind.rcode)), kind.plugin] += count
        if kind.dnssec_ok:
            secure[(kind.zone,)] += count
        sizes["request"][kind.zone, kind.transport].add(kind.asked, count)
        sizes["response"][kind.zone, kind.transport].add(kind.replied, count)
    yield _counter("coredns_dns_requests", "Requests.", ("zone", "proto", "family", "type"), requests)
    yield _counter("coredns_dns_responses", "Responses.", ("zone", "rcode", "plugin"), responses)
    yield _counter("coredns_dns_do_requests", "Requests that want DNSSEC's records.", ("zone",), secure)
    for what, found in sizes.items():
        labels = ("server", "zone", "view", "proto")
        family = HistogramMetricFamily(f"coredns_dns_{what}_size_bytes", f"Sizes of {what}s.", labels=labels)
        for (zone, transport), each in found.items():
            family.add_metric((SERVER, zone, "", transport), each.buckets(), each.sum)
        yield family


def _counter(name: str, text: str, labels: tuple[str, ...], found: dict[tuple[str, ...], int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=("server", "view", *labels))
    for values, count in found.items():
        family.add_metric((SERVER, "", *values), count)
    return family


class _Sizes:
    def __init__(self) -> None:
        self.counts = [0] * (len(_SIZES) + 1)
        self.sum = 0

    def add(self, size: int, count: int) -> None:
        bucket = next((at for at, bound in enumerate(_SIZES) if size <= bound), len(_SIZES))
        self.counts[bucket] += count
        self.sum += size * count

    def buckets(self) -> list[tuple[str, float]]:
        return _cumulated(_SIZES, self.counts)


def _cumulated(bounds: Iterable[float], counts: list[int]) -> list[tuple[str, float]]:
    found, total = [], 0
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def _durations(tally: Tally) -> Metric:
    labels = ("server", "zone", "view")
    family = HistogramMetricFamily("coredns_dns_request_duration_seconds", "Time to answer.", labels=labels)
    family.add_metric((SERVER, ".", ""), _cumulated(BUCKETS, tally.spent), tally.seconds)
    return family


def _plugins(settings: Settings | None) -> Iterator[Metric]:
    labels = ("server", "zone", "view", "name")
    family = GaugeMetricFamily("coredns_plugin_enabled", "Plugins by server block.", labels=labels)
    for block in settings.blocks if settings is not None else ():
        for zone in block.zones:
            for name in sorted(block.plugins):
                family.add_metric((SERVER, f"{zone}.", "", name), 1)
    yield family


def _upstreams(forwarder: Forwarder | None) -> Iterator[Metric]:
    if forwarder is None:
        return
    rejected = CounterMetricFamily("coredns_forward_max_concurrent_rejects", "Over the bound of concurrent questions.")
    broken = CounterMetricFamily("coredns_forward_healthcheck_broken", "Questions with all upstreams unhealthy.")
    rejected.add_metric((), sum(each.rejected for each in forwarder.forwardings.values()))
    broken.add_metric((), sum(each.broken for each in forwarder.forwardings.values()))
    yield rejected
    yield broken
    took = HistogramMetricFamily(
        "coredns_proxy_request_duration_seconds", "Upstreams' time to answer.", labels=("proxy_name", "to", "rcode")
    )
    failures = CounterMetricFamily(
        "coredns_proxy_healthcheck_failures", "Failed health checks.", labels=("proxy_name", "to")
    )
    for each in forwarder.forwardings.values():
        for (to, rcode), count in each.replies.items():
            took.add_metric(("forward", to, rcode), [("+Inf", count)], float(each.seconds[to, rcode]))
        for to, count in each.failed_checks.items():
            failures.add_metric(("forward", to), count)
    yield took
    yield failures
    yield from _caches(forwarder)


def _caches(forwarder: Forwarder) -> Iterator[Metric]:
    labels = ("server", "type", "zones", "view")
    hits = CounterMetricFamily("coredns_cache_hits", "Replies told again.", labels=labels)
    entries = GaugeMetricFamily("coredns_cache_entries", "Replies that are kept.", labels=labels)
    misses = CounterMetricFamily("coredns_cache_misses", "Replies asked for.", labels=("server", "zones", "view"))
    for cache in forwarder.caches.values():
        for kind, count in cache.hits.items():
            hits.add_metric((SERVER, kind, cache.zones, ""), count)
        for kind, count in cache.sizes().items():
            entries.add_metric((SERVER, kind, cache.zones, ""), count)
        misses.add_metric((SERVER, cache.zones, ""), cache.misses)
    yield from (hits, misses, entries)
