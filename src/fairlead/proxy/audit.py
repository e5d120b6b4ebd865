"""What is looked at next, of all that is believed to be in the kernel. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SLICE = 10  # Services each time


@dataclass(slots=True)
class Rounds:
    """Through all Services, a few each time; nothing is looked at while nobody has changed anything since a round was
    finished. A `generation` is another one after every change, whoever makes it; None: that cannot be told, and all is
    looked at always."""

    _clean: object = None
    _began: object = None  # the generation in which the round has begun
    _left: list[str] | None = field(default=None)  # None: there is no round

    def next(self, generation: object, known: Iterable[str]) -> tuple[list[str], bool]:
        """Services to look at, and whether to look at what all share."""
        if generation is not None and generation == self._clean:
            return [], False
        first = self._left is None
        if self._left is None:
            self._left, self._began = list(known), generation
        part, self._left = self._left[-SLICE:], self._left[:-SLICE]
        if not self._left:
            self._left = None
            if generation == self._began:
                self._clean = generation
        return part, first

    def own(self, before: object, after: object) -> None:
        """We have changed something ourselves: what was found then still is so."""
        if self._clean == before:
            self._clean = after
        if self._began == before:
            self._began = after

    def forget(self) -> None:
        """Everything is made again."""
        self._clean = self._began = self._left = None
