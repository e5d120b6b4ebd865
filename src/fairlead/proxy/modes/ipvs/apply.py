"""The mode: plans what changed, makes the difference, and remembers it when that has succeeded."""

import ipaddress
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable

from fairlead.host.ipset import Entry, IpsetError, Set
from fairlead.host.iptables import IptablesError
from fairlead.host.ipvs import SET_DESTINATION, Change, IpvsError, Server
from fairlead.proxy.mode import ModeError, Node
from fairlead.proxy.modes.ipvs import skeleton
from fairlead.proxy.modes.ipvs.audit import Audit
from fairlead.proxy.modes.ipvs.difference import Difference, between
from fairlead.proxy.modes.ipvs.drain import Drain
from fairlead.proxy.modes.ipvs.found import look
from fairlead.proxy.modes.ipvs.kernel import Kernel
from fairlead.proxy.modes.ipvs.marks import Marks
from fairlead.proxy.modes.ipvs.plan import Place, Wanted, needs_mark, plan
from fairlead.proxy.modes.ipvs.sets import sets
from fairlead.proxy.modes.ipvs.settings import settings
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

NOTHING = Wanted()
FAILURES = (IpvsError, IpsetError, IptablesError, OSError)
TEND_SECONDS = 3.0


class IpvsMode:
    """One node's virtual servers. Services are keyed "namespace/name"."""

    def __init__(self, kernel: Kernel, node: Node) -> None:
        self._kernel = kernel
        self._node = node
        self._sets = sets(node.family)
        self._place = Place(node, self._sets)
        self._applied: dict[str, Wanted] = {}
        self._at_node_ports: dict[str, tuple[ServicePort, ...]] = {}  # whose servers are on the node's own addresses
        self._users: Counter[tuple[Set, Entry] | str] = Counter()  # how many Services need an entry or an address
        self._marks = Marks(node.masquerade_mark)
        self._drain = Drain()
        self._audit = Audit()
        self._started = False
        self._handed_over = False

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        try:
            self._apply(changes)
        except FAILURES as error:
            raise ModeError(str(error)) from error

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._at_node_ports.clear()
        self._users.clear()
        self._drain.clear()
        self._started = False

    @property
    def known(self) -> Iterable[str]:
        return self._applied.keys()

    def owns(self, table: str, name: str) -> bool:
        """In the variant of iptables that is made of nf_tables; the other tells nobody what is changed."""
        if table not in skeleton.CHAINS:
            return False
        return name in skeleton.CHAINS[table] or name in {hook for hook, _ in skeleton.HOOKS[table]}

    def tend(self) -> float | None:
        """Destinations without connections go, and what others took away comes back. Seconds until it is to be called
        again; None, when all is handed over. Raises ModeError."""
        try:
            if self._handed_over:
                return self._leave()
            if not self._started:
                return TEND_SECONDS
            self._drain.tend(self._kernel.ipvs, time.monotonic())
            moved, taken = self._kernel.addresses.changed()
            if taken & self._users.keys() or self._audit.finds_damage(self._kernel.ipvs, self._applied):
                log.warning("virtual servers or addresses of ours were deleted by somebody: making them again")
                self._start(dict(self._applied))
            elif moved:
                self._move({})
        except FAILURES as error:
            raise ModeError(str(error)) from error
        return TEND_SECONDS

    def hand_over(self) -> None:
        """Connections go on: their virtual servers stay until they have ended, for nobody new."""
        self._handed_over = True
        try:
            self._remove_rules("nat", "mangle")
            ipvs = self._kernel.ipvs
            ipvs.change(
                Change(SET_DESTINATION, server, None, destination, 0)
                for server in look(self._kernel, self._sets).servers
                for destination in ipvs.destinations(server)
            )
        except FAILURES as error:
            log.warning("not all rules of the ipvs mode could be taken away: %s", error)

    def _leave(self) -> float | None:
        """Virtual servers without TCP connections go, and addresses without servers."""
        kernel = self._kernel
        found = look(kernel, self._sets)
        busy = {each for each in found.servers if each.protocol not in ("UDP", "SCTP") and self._is_busy(each)}
        if not busy:
            self.clean_up()
            return None
        kernel.ipvs.change(Difference(gone=dict.fromkeys(found.servers - busy)).removals())
        if not any(each.mark for each in busy):  # whose connections come by any of the addresses
            kernel.addresses.unbind(found.bound - {each.address for each in busy})
        return TEND_SECONDS

    def _is_busy(self, server: Server) -> bool:
        return any(each.active + each.inactive for each in self._kernel.ipvs.destinations(server).values())

    def clean_up(self) -> None:
        """Takes away all that is ours, and nothing else."""
        kernel = self._kernel
        try:
            self._remove_rules(*skeleton.TABLES)
            found = look(kernel, self._sets)
            kernel.addresses.unbind(found.bound)
            kernel.ipvs.change(Difference(gone=dict.fromkeys(found.servers)).removals())
            kernel.addresses.remove_device()
            for each in self._sets.values():
                kernel.sets.destroy(each.name)
        except FAILURES as error:
            log.warning("not all of the ipvs mode could be taken away: %s", error)
        self.restart()

    def _apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        self._handed_over = False
        if not self._started:
            self._settle_place()
            self._adopt_marks(changes)
            self._start(self._plan(changes))
        else:
            moved, taken = self._kernel.addresses.changed()
            if taken & self._users.keys():
                self._start(dict(self._applied))
            if moved:
                self._move(changes)
            else:
                self._step(self._plan(changes))
        for key, ports in changes.items():
            if any(port.node_port is not None for port in ports):
                self._at_node_ports[key] = ports
            else:
                self._at_node_ports.pop(key, None)

    def _plan(self, changes: dict[str, tuple[ServicePort, ...]]) -> dict[str, Wanted]:
        for key, ports in changes.items():
            self._marks.keep(key, [port.id for port in ports if needs_mark(port, self._node)])
        return {key: plan(ports, self._place, self._marks.given) for key, ports in changes.items()}

    def _step(self, wanted: dict[str, Wanted]) -> None:
        """Its size is that of the change."""
        change = Difference()
        for key, after in wanted.items():
            before = self._applied.get(key, NOTHING)
            between(before, after, change)
            self._count(before, after, change)
        change.hand_on(server for after in wanted.values() for server in after.servers)
        self._make(change)
        for element, count in change.users.items():
            self._users[element] += count
            if not self._users[element]:
                del self._users[element]
        for key, after in wanted.items():
            if after.servers:
                self._applied[key] = after
            else:
                self._applied.pop(key, None)

    def _count(self, before: Wanted, after: Wanted, change: Difference) -> None:
        """Of entries and addresses, which several Services may need."""
        if before.entries.keys() != after.entries.keys():
            for element in before.entries.keys() - after.entries.keys():
                change.users[element] -= 1
            for element in after.entries.keys() - before.entries.keys():
                change.users[element] += 1
        if before.bound.keys() != after.bound.keys():
            for address in before.bound.keys() - after.bound.keys():
                change.users[address] -= 1
            for address in after.bound.keys() - before.bound.keys():
                change.users[address] += 1

    def _make(self, change: Difference) -> None:
        """Rules know of an address before the node has it, and until it has it no more."""
        kernel = self._kernel
        added = [each for each, count in change.users.items() if count > 0 and not self._users[each]]
        removed = [each for each, count in change.users.items() if count < 0 and not self._users[each] + count]
        # An entry's mark is no part of what it is told by: the old one goes before a new one comes.
        marked = [each for each in removed if not isinstance(each, str) and each[0].marks]
        entries = [each for each in added if not isinstance(each, str)]
        if marked or entries:
            kernel.sets.change(marked, entries)
        if changes := change.additions():
            kernel.ipvs.change(changes)
        if addresses := [each for each in added if isinstance(each, str)]:
            kernel.addresses.bind(addresses)
        if addresses := [each for each in removed if isinstance(each, str)]:
            kernel.addresses.unbind(addresses)
        if change.gone:
            kernel.ipvs.change(change.removals())
        if entries := [each for each in removed if not isinstance(each, str) and not each[0].marks]:
            kernel.sets.change(entries, [])
        self._drain.add(change, time.monotonic())

    def _start(self, wanted: dict[str, Wanted]) -> None:
        """From whatever there is to what shall be: only what differs is touched, so nothing stops meanwhile."""
        kernel = self._kernel
        self._prepare()
        found = look(kernel, self._sets)
        whole = Wanted()
        self._users.clear()
        for each in wanted.values():
            whole.servers |= each.servers
            whole.destinations |= each.destinations
            whole.drained |= each.drained
            self._users.update(each.entries.keys())
            self._users.update(each.bound.keys())
        entries = {each for each in self._users if not isinstance(each, str)}
        bound = {each for each in self._users if isinstance(each, str)}
        marked = [each for each in found.entries - entries if each[0].marks]
        kernel.sets.change(marked, entries - found.entries)
        self._lay_rules("filter", "mangle")
        change = Difference()
        found.compare(whole, change)
        kernel.ipvs.change(change.additions())
        kernel.addresses.bind(bound - found.bound)
        self._lay_rules("nat")
        kernel.addresses.unbind(found.bound - bound)
        kernel.ipvs.change([each for each in change.removals() if not self._is_excluded(each.server)])
        kernel.sets.change((each for each in found.entries - entries if not each[0].marks), [])
        self._drain.clear()
        self._drain.add(change, time.monotonic())
        kernel.addresses.changed()  # what it was before
        self._applied = {key: each for key, each in wanted.items() if each.servers}
        self._started = True

    def _prepare(self) -> None:
        kernel = self._kernel
        kernel.addresses.make_device()
        for name in kernel.set(settings(self._node, os.uname().release)):
            log.info("this kernel does not let us set %s here", name)
        if any(self._node.ipvs.timeouts):
            kernel.ipvs.set_timeouts(*self._node.ipvs.timeouts)
        try:
            for each in self._sets.values():
                kernel.sets.create(each)
        except IpsetError as error:  # one of another kind by that name: an older proxy's
            log.info("making the sets anew: %s", error)
            self._remove_rules(*skeleton.TABLES)
            for each in self._sets.values():
                kernel.sets.destroy(each.name)
                kernel.sets.create(each)

    def _settle_place(self) -> None:
        addresses = frozenset(self._kernel.addresses.others())
        ranges = [ipaddress.ip_network(each, strict=False) for each in self._node.node_port_addresses]
        chosen = [a for a in sorted(addresses) if not ranges or any(ipaddress.ip_address(a) in each for each in ranges)]
        self._place = Place(self._node, self._sets, addresses, tuple(chosen))

    def _move(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """The node has other addresses than before."""
        before = self._place
        self._settle_place()
        if self._place != before:
            changes = {**self._at_node_ports, **changes}
        self._step(self._plan(changes))

    def _adopt_marks(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """Those that are in use stay, so that connections do."""
        kept = self._sets["SHORT-CUT"]
        known = {e._replace(mark=0): e.mark for e in self._kernel.sets.entries(kept) or ()}
        for ports in changes.values():
            for port in ports:
                frontends = [(address, port.port) for address in port.external]
                if port.node_port is not None:
                    frontends += [(address, port.node_port) for address in self._place.node_ports]
                for address, number in frontends:
                    if mark := known.get(Entry(address, port.id.protocol.lower(), number)):
                        self._marks.adopt(port.id, mark)

    def _lay_rules(self, *names: str) -> None:
        tables = self._kernel.tables
        tables.restore("".join(skeleton.change(each, self._node, self._sets, tables.save(each)) for each in names))

    def _remove_rules(self, *names: str) -> None:
        tables = self._kernel.tables
        if text := "".join(skeleton.removal(each, tables.save(each)) for each in names):
            tables.restore(text)

    def _is_excluded(self, server: Server) -> bool:
        if server.mark:
            return False
        address = ipaddress.ip_address(server.address)
        return any(address in ipaddress.ip_network(each, strict=False) for each in self._node.ipvs.exclude_cidrs)
