"""Nobody tells when a virtual server is deleted, so a few are looked at each time, all of them in turn."""

from collections.abc import Iterator, Mapping

from fairlead.host.ipvs import Destination, Ipvs, Server
from fairlead.proxy.modes.ipvs.plan import Wanted

EACH_TIME = 100


class Audit:
    def __init__(self) -> None:
        self._left: Iterator[str] = iter(())

    def finds_damage(self, ipvs: Ipvs, applied: Mapping[str, Wanted]) -> bool:
        """Whether a virtual server or a destination that was applied is not there. Raises OSError."""
        looked = 0
        while looked < EACH_TIME:
            key = next(self._left, None)
            if key is None:
                if looked:
                    return False
                self._left = iter(list(applied))
                if (key := next(self._left, None)) is None:
                    return False
            wanted = applied.get(key)
            if wanted is None:
                continue
            for server, destinations in wanted.destinations.items():
                looked += 1
                if not _serves(ipvs, server, destinations):
                    return True
        return False


def _serves(ipvs: Ipvs, server: Server, wanted: frozenset[Destination]) -> bool:
    there = ipvs.look(server)
    return there is not None and all(each in there and there[each].weight for each in wanted)
