"""What the server counts, by Kubernetes' names."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "apiserver_request",
    "Counter of apiserver requests broken out for each verb, group, version, resource, subresource and HTTP code.",
    ["verb", "group", "version", "resource", "subresource", "code"],
    registry=REGISTRY,
)
DURATION = Histogram(
    "apiserver_request_duration_seconds",
    "Response latency distribution in seconds for each verb and resource.",
    ["verb", "group", "version", "resource", "subresource"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
WATCHERS = Gauge(
    "apiserver_longrunning_requests", "Gauge of all active long-running requests.", ["verb"], registry=REGISTRY
)


Labels = tuple[str, str, str, str, str]  # verb, group, version, resource, subresource


@cache
def requests(labels: Labels, code: int) -> Counter:
    """The counter of one outcome. Looked up once: there are as many as rows, verbs and codes."""
    return REQUESTS.labels(*labels, code)


@cache
def duration(labels: Labels) -> Histogram:
    return DURATION.labels(*labels)


def render() -> bytes:
    return generate_latest(REGISTRY)
