"""Who gets the next connection: in rotation, or where the client went before. Pure but for the clock it is given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fairlead.proxy.mode import Node
from fairlead.services.decide import Decision, Network, Packet, decide
from fairlead.services.model import ServicePort

Target = tuple[str, int]
REMEMBERED = 4096  # clients for whom it is known where they may go


@dataclass(slots=True)
class Balancer:
    """Of one service port, for all its doors: a client has one endpoint, whichever address it dials."""

    port: ServicePort
    node: Node
    clock: Callable[[], float]
    _turn: int = 0
    _clients: dict[str, tuple[Target, float]] = field(default_factory=dict)  # → where, and when last
    _choices: dict[tuple[str, bool], list[Target]] = field(default_factory=dict)  # by client and door

    def update(self, port: ServicePort) -> None:
        """Who was with an endpoint that is gone starts anew."""
        self.port = port
        self._choices.clear()
        there = {(each.address, each.port) for each in port.endpoints}
        self._clients = {client: kept for client, kept in self._clients.items() if kept[0] in there}

    def targets(self, client: str, *, from_outside: bool) -> Iterator[Target]:
        """The endpoint for a new connection, and then those to try where it refuses."""
        choice = self._choices.get((client, from_outside))
        if choice is None:
            if len(self._choices) >= REMEMBERED:
                self._choices.clear()
            choice = self._choices[client, from_outside] = sorted(self._decide(client, from_outside).to)
        if not choice:
            return
        seconds = self.port.affinity
        if seconds is not None and (kept := self._clients.get(client)) is not None:
            target, last = kept
            if target in choice and self.clock() - last <= seconds:
                self._remember(client, target, seconds)
                yield target
                choice = [each for each in choice if each != target]
        for _ in choice:
            target = choice[self._turn % len(choice)]
            self._turn += 1
            if seconds is not None:
                self._remember(client, target, seconds)
            yield target

    def _remember(self, client: str, target: Target, seconds: int) -> None:
        now = self.clock()
        self._clients.pop(client, None)
        self._clients[client] = (target, now)
        oldest = next(iter(self._clients))
        if now - self._clients[oldest][1] > seconds:
            del self._clients[oldest]

    def _decide(self, client: str, from_outside: bool) -> Decision:
        port, node = self.port, self.node
        network = Network(node.name, (node.address,), (node.pod_cidr,))
        if not from_outside:
            way = (port.cluster_ip, port.port)
        elif port.node_port is not None:
            way = (node.address, port.node_port)
        elif port.external:
            way = (port.external[0], port.port)
        else:  # its door is about to be closed
            return Decision("reject")
        return decide(Packet(client, way[0], port.id.protocol, way[1]), (port,), network)
