"""What was answered, under CoreDNS's names, so that existing dashboards work."""

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from fairlead.dns.wire import Query, Rcode, Reply, Type

_SIZES = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000)
_TYPES = {int(t): t.name for t in Type}
_LABELS = ("server", "zone", "view", "proto")


class Metrics:
    """`coredns_dns_requests_total`, `coredns_dns_responses_total`, `coredns_dns_response_size_bytes`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "coredns_dns_requests", "Requests by type.", (*_LABELS, "family", "type"), registry=self.registry
        )
        self._responses = Counter(
            "coredns_dns_responses", "Responses by code.", (*_LABELS, "rcode", "plugin"), registry=self.registry
        )
        self._sizes = Histogram(
            "coredns_dns_response_size_bytes", "Sizes of answers.", _LABELS, buckets=_SIZES, registry=self.registry
        )
        self._children: dict[tuple[int, Rcode, str], tuple[Counter, Counter, Histogram]] = {}

    def observe(self, query: Query, reply: Reply, transport: str, size: int) -> None:
        key = (query.type if query.type in _TYPES else 0, reply.rcode, transport)
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = self._labelled(key)
        requests, responses, sizes = children
        requests.inc()
        responses.inc()
        sizes.observe(size)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _labelled(self, key: tuple[int, Rcode, str]) -> tuple[Counter, Counter, Histogram]:
        """The children for one combination; unknown types share one, so that clients cannot make labels up."""
        qtype, rcode, transport = key
        common = ("dns://:53", ".", "", transport)
        return (
            self._requests.labels(*common, "1", _TYPES.get(qtype, "other")),
            self._responses.labels(*common, rcode.name, "kubernetes"),
            self._sizes.labels(*common),
        )
