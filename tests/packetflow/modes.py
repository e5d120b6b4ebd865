"""How each mode of the proxy is put to work on a node of the lab."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import uvloop

from fairlead.host import libc, namespaces
from fairlead.host.iptables_nft import open_tables
from fairlead.host.ipvs import PRESENT
from fairlead.host.nft import Nft
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.choosing import BEHIND
from fairlead.proxy.mode import Mode, Node, Tended
from fairlead.proxy.modes.ebpf import EbpfMode, Programs
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.ipvs import IpvsMode, Kernel
from fairlead.proxy.modes.nftables import NftablesMode, nftables
from fairlead.proxy.modes.userspace import UserspaceMode
from fairlead.services.model import Family, ServicePort
from tests.packetflow.lab import NODES, POD_CIDR, SERVICE_CIDR, in_family


def place(node: str, family: Family) -> Node:
    pods, services, own = (in_family(each, family) for each in (POD_CIDR, SERVICE_CIDR, NODES[node]))
    return Node(node, pods, services, own, family=family)


def _nftables(node: str, namespace: Path, family: Family = "IPv4") -> Mode:
    return namespaces.run_in(namespace, lambda: nftables(place(node, family)))


def _iptables(node: str, namespace: Path, family: Family = "IPv4") -> Mode:
    return IptablesMode(open_tables(ipv6=family == "IPv6", namespace=namespace), place(node, family))


def _ipvs(node: str, namespace: Path, family: Family = "IPv4") -> Mode:
    return IpvsMode(Kernel.open(family, namespace), place(node, family))


class _InALoop:
    """The userspace mode in a thread of its own, in the node's network, as its process would be."""

    def __init__(self, node: str, namespace: Path, family: Family = "IPv4") -> None:
        self.node = place(node, family)
        self._loop = uvloop.new_event_loop()
        self._mode: UserspaceMode | None = None
        started = threading.Event()

        def run() -> None:
            descriptor = os.open(namespace, os.O_RDONLY)
            libc.setns(descriptor, libc.CLONE_NEWNET)
            os.close(descriptor)
            self._nft = Nft()
            self._there = NftReader(socket.AF_INET6 if family == "IPv6" else socket.AF_INET)
            self._mode = UserspaceMode(self._nft, self._there, self.node)
            started.set()
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        started.wait(5)

    @property
    def mode(self) -> UserspaceMode:
        assert self._mode is not None
        return self._mode

    @property
    def known(self) -> Iterable[str]:
        return self.mode.known

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        async def work() -> None:
            self.mode.apply(changes)

        asyncio.run_coroutine_threadsafe(work(), self._loop).result(5)

    def restart(self) -> None:
        self.mode.restart()

    def owns(self, table: str, name: str) -> bool:
        return self.mode.owns(table, name)

    def generation(self) -> object:
        return self.mode.generation()

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        return self.mode.audit(keys, fixed=fixed)

    def end(self) -> None:
        async def work() -> None:
            self.mode.close()

        asyncio.run_coroutine_threadsafe(work(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self._nft.close()
        self._there.close()

    def clean_up(self) -> None:
        async def work() -> None:
            self.mode.clean_up()

        asyncio.run_coroutine_threadsafe(work(), self._loop).result(5)


class _WithItsNftables(EbpfMode):
    """Here, who takes the mode away takes away what is behind it, too."""

    def clean_up(self) -> None:
        super().clean_up()
        self._behind.clean_up()


def _ebpf(node: str, namespace: Path, family: Family = "IPv4") -> Mode:
    programs = Programs(namespace.with_name("cgroup"), family)
    return _WithItsNftables(programs, _nftables(node, namespace, family), place(node, family))


class Make(Protocol):
    """A mode on a node of the lab, in one family."""

    def __call__(self, node: str, namespace: Path, family: Family = "IPv4", /) -> Mode: ...


_ALL: dict[str, Make] = {
    "ebpf": _ebpf,
    "iptables": _iptables,
    "ipvs": _ipvs,
    "nftables": _nftables,
    "userspace": _InALoop,
}
# Those that this kernel can; a virtual machine says which of them it is there for.
_WANTED = os.environ.get("PROXY_MODES", " ".join(_ALL)).split()
MODES = {name: make for name, make in _ALL.items() if name in _WANTED and (name != "ipvs" or PRESENT.exists())}
KEEPS_SOURCES = ("ebpf", "iptables", "ipvs", "nftables")  # userspace: to an endpoint, every connection is the node's


def end(mode: Mode) -> None:
    """As the end of its process: what it has made of the kernel stays."""
    if isinstance(mode, _InALoop):
        mode.end()
    elif isinstance(mode, EbpfMode):
        mode.close()
        end(mode._behind)
    elif isinstance(mode, IpvsMode):
        mode._kernel.close()
    elif isinstance(mode, NftablesMode):  # libnftables uses select(2): its sockets must not come to 1024
        mode.close()


def change_node(mode: Any, **fields: Any) -> None:
    """Where it believes to be."""
    for each in (getattr(mode, "mode", mode), getattr(mode, "_behind", None)):
        if each is not None:
            each._node = replace(each._node, **fields)


def be_the_same_node(mode: Any, other: Any) -> None:
    """Policies by node count for it as for the other."""
    node = getattr(other, "mode", other)._node
    change_node(mode, name=node.name, **({"address": node.address} if isinstance(mode, EbpfMode) else {}))


def take_over(old: Mode, before: str, after: str) -> None:
    """The old mode's rules go, as a proxy of the new one makes them go."""
    if BEHIND.get(before) == after:
        EbpfMode.clean_up(old)  # type: ignore[arg-type]
    elif isinstance(old, Tended):
        old.hand_over()
        old.tend()
    elif BEHIND.get(after) != before:
        old.clean_up()
