"""What the server counts, by Kubernetes' names."""

from functools import cache, lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fairlead.apiserver.routing import Route

REGISTRY = CollectorRegistry()
LABELS = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
_VERBS = {"create": "POST", "update": "PUT"}  # the others are called what they are
REQUESTS = Counter(
    "apiserver_request",
    "Counter of apiserver requests broken out for each verb, group, version, resource, subresource and HTTP code.",
    [*LABELS, "code"],
    registry=REGISTRY,
)
DURATION = Histogram(
    "apiserver_request_duration_seconds",
    "Response latency distribution in seconds for each verb and resource.",
    LABELS,
    buckets=(0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
WATCHERS = Gauge(
    "apiserver_longrunning_requests", "Gauge of all active long-running requests.", ["verb"], registry=REGISTRY
)


Labels = tuple[str, ...]  # as in LABELS


@lru_cache(maxsize=1024)
def labels_of(route: Route) -> Labels:
    resource = route.resource
    scope = "resource" if route.name is not None else "namespace" if route.namespace is not None else "cluster"
    verb = _VERBS.get(route.verb, route.verb.upper())
    return verb, "", resource.group, resource.version, resource.plural, route.subresource, scope, "apiserver"


@cache
def requests(labels: Labels, code: int) -> Counter:
    """The counter of one outcome. Looked up once: there are as many as rows, verbs and codes."""
    return REQUESTS.labels(*labels, code)


@cache
def duration(labels: Labels) -> Histogram:
    return DURATION.labels(*labels)


def render() -> bytes:
    return generate_latest(REGISTRY)
