"""The device's table in the kernel: changes by netlink, and what an earlier process left is taken over as it is."""

import contextlib
import logging
from collections.abc import Iterable
from itertools import pairwise

from fairlead.host.netlink import Netlink
from fairlead.host.nfnetlink import Encoded, NfnetlinkError, SetElements
from fairlead.host.nft import Nft, NftError
from fairlead.host.nft_reader import NftReader
from fairlead.loadbalancer.announcing import Announcer
from fairlead.loadbalancer.device.encode import INTERVALS, drawn, encode, intervals, node_of
from fairlead.loadbalancer.device.plan import Changes, Elements, differences
from fairlead.loadbalancer.device.skeleton import skeleton, table_name

log = logging.getLogger(__name__)

NETDEV = 5  # NFPROTO_NETDEV
OURS = "fairlead-lb-"
MAPS = ("buckets", *(f"{name}{family}" for name in ("frontends", "nodes", "guarded") for family in "46"))


class DeviceError(Exception):
    """The kernel refused a change. Nothing of it is believed to be there."""


class Device:
    """On one interface, in this process's network when it is made."""

    def __init__(self, interface: str) -> None:
        """Raises OSError."""
        self._interface = interface
        self._table = table_name(interface)
        self._nft: Nft | None = None  # 3 MB that a device without Services does not need
        self._elements = SetElements(self._table, NETDEV)
        self._there = NftReader(NETDEV)
        self._links = Netlink()
        self._index = self._links.link_index(interface)
        self._announcer = Announcer(interface, self._links.link_address(interface))
        self._applied: dict[str, Elements] = {}
        self._addresses: set[str] = set()
        self._started = False

    @property
    def is_there(self) -> bool:
        """Whether an earlier process left its table."""
        try:
            return bool(self._there.chains(self._table))
        except NfnetlinkError:
            return False

    def numbers(self) -> dict[str, int]:
        """Address of a node → its number, of a table that an earlier process left."""
        try:
            found = [each for name in ("nodes4", "nodes6") for each in self._there.elements(self._table, name)]
            serving = set(map(drawn, self._there.elements(self._table, "buckets")))
        except NfnetlinkError:
            return {}
        # The number of a dead node leads to another's address, too; but nothing new is given to it.
        pairs = sorted(map(node_of, found), key=lambda pair: pair[0] in serving)
        return {address: number for number, address in pairs}

    def apply(self, changes: Changes) -> None:
        """The first time, all that there shall be. Raises DeviceError."""
        try:
            if self._started:
                self._change(*differences(self._applied, changes))
            else:
                self._start({key: value for each in changes.values() for key, value in each.items()})
        except (NftError, NfnetlinkError, OSError) as error:
            raise DeviceError(str(error)) from error
        self._started = True
        for owner, elements in changes.items():
            if elements:
                self._applied[owner] = elements
            else:
                self._applied.pop(owner, None)

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply has everything."""
        self._started = False
        self._applied.clear()

    def _change(self, removed: Elements, added: Elements) -> None:
        """Who may come is said before a frontend is there, and taken away after it."""
        self._run(self._intervals("add", added))
        self._elements.change(encode(removed), encode(added))
        self._run(self._intervals("delete", removed))

    def _intervals(self, verb: str, elements: Elements) -> list[str]:
        return [
            f"{verb} element netdev {self._table} {name} {{ {', '.join(items)} }}"
            for name, items in intervals(elements).items()
        ]

    def _run(self, script: list[str]) -> None:
        if script:
            self._library.run("\n".join(script))

    @property
    def _library(self) -> Nft:
        if self._nft is None:
            self._nft = Nft()
        return self._nft

    def _start(self, wanted: Elements) -> None:
        if not self._there.chains(self._table):
            stale = [name for name in self._tables() if name.startswith(OURS)]
            script = [*(f"delete table netdev {name}" for name in stale), skeleton(self._interface)]
            self._library.run_apart("\n".join(script))
        self._run([f"flush set netdev {self._table} {name}" for name in INTERVALS] + self._intervals("add", wanted))
        after: dict[str, set[bytes]] = {name: set() for name in MAPS}
        for name, data in encode(wanted):
            after[name].add(data)
        removed: list[Encoded] = []
        added: list[Encoded] = []
        for name, elements in after.items():
            before = set(self._there.elements(self._table, name))
            removed += [(name, data) for data in before - elements]
            added += [(name, data) for data in elements - before]
        self._elements.change(removed, added)
        own = [each for each in self._links.addresses(self._index) if each.endswith(("/32", "/128"))]
        self._addresses = {each.partition("/")[0] for each in own}

    def _tables(self) -> list[str]:
        listed = self._library.run("list tables netdev").split()
        return [word for before, word in pairwise(listed) if before == "netdev"]

    # The addresses that it answers for.

    def own(self, addresses: Iterable[str]) -> None:
        """Exactly these, beside its own. Raises DeviceError."""
        wanted = set(addresses)
        try:
            for each in sorted(self._addresses - wanted):
                with contextlib.suppress(OSError):
                    self._links.address_delete(self._index, _alone(each))
            for each in sorted(wanted - self._addresses):
                self._links.address_add(self._index, _alone(each))
                self._announcer.announce(each)
        except OSError as error:
            raise DeviceError(str(error)) from error
        self._addresses = wanted

    def close(self) -> None:
        """As the end of the process would: the table and the addresses stay, and serve."""
        if self._nft is not None:
            self._nft.close()
        for each in (self._elements, self._there, self._links, self._announcer):
            each.close()

    def clean_up(self) -> None:
        self.own(())
        with contextlib.suppress(NftError):
            self._library.run(f"delete table netdev {self._table}")


def _alone(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
