"""The mode: opens doors before the rules that lead to them, closes them after."""

import asyncio
import logging
import resource
from collections.abc import Iterable, Sequence

from fairlead.host.nfnetlink import NfnetlinkError
from fairlead.host.nft import Nft, NftError
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.mode import ModeError, Node
from fairlead.proxy.modes.userspace.balance import Balancer
from fairlead.proxy.modes.userspace.carry import Choose
from fairlead.proxy.modes.userspace.datagrams import UdpDoor
from fairlead.proxy.modes.userspace.encode import encode
from fairlead.proxy.modes.userspace.plan import Door, Elements, Wanted, plan, script
from fairlead.proxy.modes.userspace.skeleton import TABLE, skeleton
from fairlead.proxy.modes.userspace.workers import TcpDoor, Workers
from fairlead.services.model import ServicePort, ServicePortName

log = logging.getLogger(__name__)

NOTHING = Wanted()


class UserspaceMode:
    """One node's listeners and the table that leads to them, in one family. Runs in an event loop."""

    def __init__(self, nft: Nft, there: NftReader, node: Node) -> None:
        self._nft = nft
        self._there = there
        self._made: list[tuple[str, bytes]] = []  # the table's rules, of which each has been there from the start
        self._node = node
        self._wanted: dict[str, Wanted] = {}
        self._rules: dict[str, Elements] = {}
        self._open: dict[Door, TcpDoor | UdpDoor] = {}
        self._workers = Workers(node)
        self._carried: dict[
            ServicePortName, tuple[int, ServicePort]
        ] = {}  # TCP: its number there, as it is known there
        self._balancers: dict[ServicePortName, Balancer] = {}  # UDP, which is carried here
        self._started = False
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a connection

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        wanted = {key: plan(ports, self._node) for key, ports in changes.items()}
        try:
            for each in wanted.values():
                self._open_doors(each)
            lines, rules = self._script(wanted)
            if not self._started:
                self._nft.run_apart("\n".join([skeleton(self._node), *lines]))
                self._made = self._there.rules(TABLE)
            elif lines:
                self._nft.run("\n".join(lines))
        except (NftError, NfnetlinkError, OSError) as error:
            raise ModeError(str(error)) from error
        self._started = True
        for key, each in wanted.items():
            self._close_doors(self._wanted.get(key, NOTHING), each)
            self._rules[key], self._wanted[key] = rules[key], each
            if not each.doors and not each.elements:
                del self._rules[key], self._wanted[key]

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over. Doors stay open."""
        self._rules.clear()
        self._started = False

    def generation(self) -> object:
        return self._there.generation()

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        try:
            if fixed and self._there.rules(TABLE) != self._made:
                return False
            return all(self._there.has(TABLE, encode(self._rules.get(key, {}))) for key in keys)
        except NfnetlinkError as error:
            log.warning("cannot look at our rules: %s", error)
            return False

    @property
    def known(self) -> Iterable[str]:
        return self._wanted.keys()

    def owns(self, table: str, name: str) -> bool:
        return table == TABLE

    def clean_up(self) -> None:
        """Takes the table away, and closes the doors."""
        try:
            self._nft.run(f"delete table {self._node.ip} {TABLE}")
        except NftError as error:
            log.debug("no table to delete: %s", error)
        self.close()

    def close(self) -> None:
        """Closes the doors, as the end of the process would; the table stays."""
        for door in self._open.values():
            door.close()
        self._workers.close()
        self._open.clear()
        self._carried.clear()
        self._balancers.clear()
        self._wanted.clear()
        self.restart()

    def _open_doors(self, wanted: Wanted) -> None:
        for door, port in wanted.doors.items():
            if port.id.protocol == "TCP":
                self._open_tcp(door, port)
            else:
                self._open_udp(door, port)

    def _open_tcp(self, door: Door, port: ServicePort) -> None:
        number, known = self._carried.get(port.id, (None, None))
        if number is None or known != port:
            number = self._workers.learn(number, port)
            self._carried[port.id] = number, port
        if door not in self._open:
            self._open[door] = self._workers.open_door(number, from_outside=door.from_outside)

    def _open_udp(self, door: Door, port: ServicePort) -> None:
        balancer = self._balancers.get(port.id)
        if balancer is None:
            clock = asyncio.get_running_loop().time
            balancer = self._balancers[port.id] = Balancer(port, self._node, clock)
        elif balancer.port is not port:
            gone = {each[:2] for each in balancer.port.endpoints} - {each[:2] for each in port.endpoints}
            balancer.update(port)
            for outside in (False, True):
                if isinstance(known := self._open.get(Door(port.id, outside)), UdpDoor):
                    known.drop(gone)
        if door not in self._open:
            self._open[door] = UdpDoor(self._node.address, _chooser(balancer, door.from_outside))

    def _close_doors(self, before: Wanted, after: Wanted) -> None:
        for door in before.doors:
            if door not in after.doors and (opened := self._open.pop(door, None)) is not None:
                opened.close()
        left = {door.port for door in after.doors}
        for port in {door.port for door in before.doors} - left:
            self._balancers.pop(port, None)
            if (carried := self._carried.pop(port, None)) is not None:
                self._workers.forget(carried[0])

    def _script(self, wanted: dict[str, Wanted]) -> tuple[list[str], dict[str, Elements]]:
        listening = {door: f"{self._node.address} . {opened.port}" for door, opened in self._open.items()}
        removed: Elements = {}
        added: Elements = {}
        rules = {key: each.rules(listening) for key, each in wanted.items()}
        for key, after in rules.items():
            before = self._rules.get(key, {})
            removed |= {element: value for element, value in before.items() if after.get(element) != value}
            added |= {element: value for element, value in after.items() if before.get(element) != value}
        return script(removed, added, self._node.ip), rules


def _chooser(balancer: Balancer, from_outside: bool) -> Choose:
    return lambda client: balancer.targets(client, from_outside=from_outside)
