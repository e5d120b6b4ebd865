"""What was answered, counted by what its metrics are labelled with. Pure.

Counting a packet must cost next to nothing, so each kind of answer has a number and numbers are counted.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

BUCKETS = tuple(0.00025 * 2**power for power in range(16))  # seconds, as CoreDNS's
UNCOUNTED = 64  # batches: clients wait while they are counted
MOST = 20_000  # kinds; sizes are rounded beyond, so that clients cannot make kinds up


class Kind(NamedTuple):
    """Sizes in bytes; `family` 1 or 2 as IANA numbers IPv4 and IPv6."""

    zone: str
    plugin: str
    transport: str
    family: int
    type: int
    rcode: int
    dnssec_ok: bool
    asked: int
    replied: int


class Tally:
    """Of one process. `hits` counts numbers of kinds; `spent` how long answers took, by bucket, and in all."""

    def __init__(self, numbers_of: Callable[[Iterable[bytes]], list[int]]) -> None:
        """`numbers_of`: the kinds of answers as `batch` is given them."""
        self._numbers_of = numbers_of
        self._batches: list[tuple[list[bytes], float]] = []  # not counted yet: to count many at once costs less
        self.hits: Counter[int] = Counter()
        self.spent: list[int] = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self._numbers: dict[Kind, int] = {}
        self._kinds: list[Kind] = []

    def number(self, kind: Kind) -> int:
        if len(self._kinds) >= MOST:
            kind = kind._replace(asked=512, replied=kind.replied & ~0x1FF)
        number = self._numbers.get(kind)
        if number is None:
            number = self._numbers[kind] = len(self._kinds)
            self._kinds.append(kind)
        return number

    def batch(self, answers: list[bytes], seconds: float) -> None:
        """Each of a batch is taken to have needed as long as all of it. Those that are empty were not answered."""
        self._batches.append((answers, seconds))
        if len(self._batches) > UNCOUNTED:
            self.count()

    def count(self) -> None:
        batches, self._batches = self._batches, []
        self.hits.update(self._numbers_of(chain.from_iterable([answers for answers, _ in batches])))
        for answers, seconds in batches:
            self.took(seconds, len(answers) - answers.count(b""))

    def took(self, seconds: float, answers: int) -> None:
        self.spent[bisect_left(BUCKETS, seconds)] += answers
        self.seconds += seconds * answers

    def take(self) -> tuple[list[tuple[Kind, int]], list[int], float]:
        """What was counted since the last time."""
        self.count()
        counted = [(self._kinds[number], count) for number, count in self.hits.items() if count]
        spent, seconds = self.spent, self.seconds
        self.hits.clear()
        self.spent, self.seconds = [0] * len(spent), 0.0
        return counted, spent, seconds

    def add(self, counted: Iterable[tuple[Kind, int]], spent: Iterable[int], seconds: float) -> None:
        """What another process has counted."""
        for kind, count in counted:
            self.hits[self.number(kind)] += count
        self.spent = [mine + theirs for mine, theirs in zip(self.spent, spent, strict=True)]
        self.seconds += seconds

    def kinds(self) -> list[tuple[Kind, int]]:
        self.count()
        return [(self._kinds[number], count) for number, count in self.hits.items()]
