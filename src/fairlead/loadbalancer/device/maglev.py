"""A consistent hash (Maglev, Eisenbud et al., NSDI 2016, section 3.4): nodes have equal shares, and of what is hashed
little moves when one goes or comes beside what was or becomes its own. Pure."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from fairlead.loadbalancer.device.skeleton import BUCKETS


@lru_cache(maxsize=512)
def table(names: tuple[str, ...]) -> tuple[str, ...]:
    """The node of each bucket; nothing without nodes. Their order says nothing."""
    if not names:
        return ()
    orders = [_order(name) for name in sorted(names)]
    found: list[str | None] = [None] * BUCKETS
    at = [0] * len(orders)
    left = BUCKETS
    while True:
        for index, (name, order) in enumerate(zip(sorted(names), orders, strict=True)):
            while found[order[at[index]]] is not None:
                at[index] += 1
            found[order[at[index]]] = name
            left -= 1
            if not left:
                return tuple(each for each in found if each is not None)


@lru_cache(maxsize=1024)
def _order(name: str) -> Sequence[int]:
    """In which it would take the buckets."""
    digest = hashlib.sha256(name.encode()).digest()
    start = int.from_bytes(digest[:4]) % BUCKETS
    skip = int.from_bytes(digest[4:8]) % (BUCKETS - 1) + 1
    return tuple((start + index * skip) % BUCKETS for index in range(BUCKETS))
