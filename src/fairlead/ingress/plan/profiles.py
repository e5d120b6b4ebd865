"""The locations of nginx.conf that differ in what nginx cannot vary by request: a finite set, made beforehand.

A wish between two of them gets the one that does no more than was wished for.
"""

from itertools import product

from fairlead.ingress.plan.options import Upstream

PROTOCOLS = frozenset({"HTTP", "HTTPS", "GRPC", "GRPCS"})
FLAGS = frozenset({
    "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
    "http_429", "non_idempotent", "off",
})  # fmt: skip
BUFFER_SIZES = (4 << 10, 8 << 10, 16 << 10, 64 << 10, 256 << 10)
# After which failures another pod is tried (proxy_next_upstream).
NEXT: tuple[tuple[str, ...], ...] = (
    ("off",),
    ("error", "timeout"),
    ("error", "timeout", "http_502", "http_503", "http_504"),
    ("error", "timeout", "http_500", "http_502", "http_503", "http_504"),
    ("error", "timeout", "non_idempotent"),
    (
        "error",
        "timeout",
        "invalid_header",
        "http_500",
        "http_502",
        "http_503",
        "http_504",
        "http_429",
        "non_idempotent",
    ),
)
# Statuses of pods that can be replaced by an error page, in every combination.
INTERCEPTED = (401, 403, 404, 429, 500, 502, 503, 504)
# Limits of bodies whose length is not told beforehand.
BODY_LIMITS = tuple(1 << bits for bits in range(16, 35, 2))  # 64 KiB to 16 GiB


def size_index(wanted: int) -> int:
    """The smallest that is enough, or the largest there is."""
    return next((number for number, size in enumerate(BUFFER_SIZES) if size >= wanted), len(BUFFER_SIZES) - 1)


def next_index(wanted: tuple[str, ...]) -> int:
    """The one that tries again most often, of those that never do where it was not wished for."""
    if "off" in wanted:
        return 0
    given = frozenset(wanted)
    fitting = [number for number, flags in enumerate(NEXT) if number and set(flags) <= given]
    return max(fitting, key=lambda number: len(NEXT[number]), default=0)


def body_index(limit: int) -> int:
    return next((number for number, size in enumerate(BODY_LIMITS) if size >= limit), len(BODY_LIMITS) - 1)


def mask_of(codes: tuple[int, ...]) -> int:
    return sum(1 << bit for bit, code in enumerate(INTERCEPTED) if code in codes)


def codes_of(mask: int) -> tuple[int, ...]:
    return tuple(code for bit, code in enumerate(INTERCEPTED) if mask >> bit & 1)


def name(
    upstream: Upstream, defaults: Upstream, codes: tuple[int, ...], mirror: str, *, client_pair: bool = False
) -> str | None:
    """The location's; None where it is the one that requests reach first. `defaults` has every field."""
    protocol = upstream.protocol.lower()
    if protocol in ("grpc", "grpcs"):
        return f"@{protocol}"
    if protocol == "https" and client_pair:
        return "@https_pair"
    if mirror:
        return f"@mirror_{protocol}_{mirror}"
    if mask := mask_of(codes):
        return f"@errors_{protocol}_{mask}"
    tuned = tuning(upstream, defaults)
    if protocol == "http" and tuned == tuning(defaults, defaults):
        return None
    return f"@{protocol}_{tuned}"


def tuning(upstream: Upstream, defaults: Upstream) -> str:
    buffering = defaults.buffering if upstream.buffering is None else upstream.buffering
    requests = defaults.request_buffering if upstream.request_buffering is None else upstream.request_buffering
    size = size_index(upstream.buffer_size or defaults.buffer_size or BUFFER_SIZES[0])
    following = next_index(upstream.next if upstream.next is not None else defaults.next or NEXT[1])
    return f"{int(bool(buffering))}{int(bool(requests))}{size}{following}"


def tunings() -> list[tuple[bool, bool, int, int]]:
    """All of them: buffering, request buffering, numbers of the buffer's size and of the failures."""
    return list(product((False, True), (False, True), range(len(BUFFER_SIZES)), range(len(NEXT))))
