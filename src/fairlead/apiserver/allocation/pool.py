"""Numbers of which each has one owner at most: those stored, and those claimed by a write under way."""

import random


class Pool:
    """Numbers from `first` to `last`. Random ones are taken from the upper part first: the lower is for those who ask
    for a number by name (KEP-3070)."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        size = last - first + 1
        self._band = first + min(max(16, size // 16), 256)
        self._stored: dict[int, str] = {}
        self._claimed: dict[int, str] = {}

    def contains(self, number: int) -> bool:
        return self.first <= number <= self.last

    def owner(self, number: int) -> str | None:
        return self._stored.get(number) or self._claimed.get(number)

    def store(self, owner: str, numbers: set[int], before: set[int]) -> None:
        """What an owner holds now, and held before."""
        for number in before - numbers:
            if self._stored.get(number) == owner:
                del self._stored[number]
        for number in numbers:
            self._stored[number] = owner

    def claim(self, number: int, owner: str) -> bool:
        """False where somebody else has it."""
        if self.owner(number) not in (None, owner):
            return False
        self._claimed[number] = owner
        return True

    def claim_any(self, owner: str) -> int | None:
        """None: all are taken."""
        number = self._free(self._band, self.last) or self._free(self.first, self._band - 1)
        if number is not None:
            self._claimed[number] = owner
        return number

    def release(self, number: int) -> None:
        """The claim is over: what was written is stored by now."""
        self._claimed.pop(number, None)

    def _free(self, first: int, last: int) -> int | None:
        if last < first:
            return None
        for _ in range(32):
            if self.owner(number := random.randint(first, last)) is None:
                return number
        return next((number for number in range(first, last + 1) if self.owner(number) is None), None)
