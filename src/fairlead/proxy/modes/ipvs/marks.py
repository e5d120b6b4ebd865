"""Numbers by which packets come to a virtual server that is told by a mark. Pure."""

from collections.abc import Iterable
from itertools import count

from fairlead.services.model import ServicePortName

FIRST = 1 << 16  # above the bits that kube-proxy, kubelet and most others use


class Marks:
    """`taken`: the bit that means something else. Services are keyed "namespace/name"."""

    def __init__(self, taken: int) -> None:
        self._bit = taken
        self.given: dict[ServicePortName, int] = {}
        self._used: set[int] = set()

    def adopt(self, port: ServicePortName, mark: int) -> None:
        """One that it had before."""
        if port not in self.given and mark not in self._used:
            self.given[port] = mark
            self._used.add(mark)

    def keep(self, key: str, ports: Iterable[ServicePortName]) -> None:
        """Each of these ports has a mark from now on, and no other of the Service."""
        wanted = set(ports)
        if not wanted and not self.given:
            return
        for port in [each for each in self.given if f"{each.namespace}/{each.name}" == key and each not in wanted]:
            self._used.discard(self.given.pop(port))
        for port in wanted - self.given.keys():
            mark = next(n for n in count(FIRST, FIRST) if n not in self._used and not n & self._bit)
            self.given[port] = mark
            self._used.add(mark)
