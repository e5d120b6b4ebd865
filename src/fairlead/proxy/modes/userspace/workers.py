"""The processes that carry connections: as many as there are processors, up to MOST.

All of them have every listener, and the kernel wakes one that is idle. Only where a client shall stay with its endpoint
is there one process for the port, which remembers. One that ends is replaced; its connections are gone.
"""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import resource
import select
import signal
import socket
from dataclasses import dataclass, field
from typing import NoReturn

import msgspec

from fairlead.host import libc, process
from fairlead.proxy.mode import Node
from fairlead.proxy.modes.userspace.carry import listen
from fairlead.proxy.modes.userspace.worker import Closed, Forgotten, Known, Message, Opened, Worker, encode_port
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

MOST = 4
AGAIN_SECONDS = 0.5  # after one has ended
ENDING_SECONDS = 2.0
SO_SNDBUFFORCE = 32
ROOM = 1 << 22  # bytes of what a process has not heard yet
_encode = msgspec.msgpack.Encoder().encode


class TcpDoor:
    """A listening socket; who comes waits in its backlog until a process takes it."""

    def __init__(self, workers: "Workers", number: int, address: str, port: int, from_outside: bool) -> None:
        self._workers = workers
        self.listener = listen(address)
        self.opened = Opened(number, port, from_outside)
        self.port: int = self.listener.getsockname()[1]

    def close(self) -> None:
        """Nobody new; who is in may stay."""
        self._workers.close_door(self)
        self.listener.close()


@dataclass(slots=True)
class _Port:
    told: Known
    sticky: bool
    doors: dict[int, TcpDoor] = field(default_factory=dict)


class _Child:
    """One process, and the way to tell it something."""

    def __init__(self, node: Node) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, ROOM)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become(theirs, node, parent)
        theirs.close()
        self.pidfd = os.pidfd_open(self.pid)
        self._control = ours
        self._is_there = True

    def tell(self, message: Message, *descriptors: int) -> None:
        """One that has ended hears nothing: who replaces it is told everything."""
        if self._is_there:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._control, [_encode(message)], list(descriptors))

    def learn(self, port: _Port) -> None:
        self.tell(port.told)
        for door in port.doors.values():
            self.tell(door.opened, door.listener.fileno())

    def end(self, loop: asyncio.AbstractEventLoop) -> int | None:
        """Its exit code; None: it had ended already."""
        if not self._is_there:
            return None
        self._is_there = False
        loop.remove_reader(self.pidfd)
        self._control.close()
        if not select.select([self.pidfd], [], [], ENDING_SECONDS)[0]:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.pidfd)
        return process.reap(self.pid)


def _become(told: socket.socket, node: Node, parent: int) -> NoReturn:
    """The child, which has nothing of its parent's but what it knows and where it logs."""
    try:
        gc.freeze()
        os.closerange(3, told.fileno())
        os.closerange(told.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            libc.set_process_name("fl-carry")
            libc.set_command_line("carry (fairlead proxy)")
            Worker(told, node).run()
    except BaseException:  # the child must never return into its parent's loop
        log.exception("carrying connections failed")
        os._exit(1)
    os._exit(0)


class Workers:
    """Of one node in one family; they are started with the first door. Runs in an event loop."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._children: list[_Child] = []
        self._ports: dict[int, _Port] = {}
        self._numbers = itertools.count()

    def learn(self, number: int | None, port: ServicePort) -> int:
        """What the port is now. Returns its number: the same, or that of a new one."""
        if number is None:
            number = next(self._numbers)
        before = self._ports.get(number)
        served = self._serving(number) if before is not None else []
        doors = before.doors if before is not None else {}
        self._ports[number] = after = _Port(Known(number, encode_port(port)), port.affinity is not None, doors)
        serving = self._serving(number)
        for child in served:
            if child not in serving:
                for door in doors:
                    child.tell(Closed(door))
                child.tell(Forgotten(number))
        for child in serving:
            if child in served:
                child.tell(after.told)
            else:
                child.learn(after)
        return number

    def forget(self, number: int) -> None:
        """When its doors are closed."""
        for child in self._serving(number):
            child.tell(Forgotten(number))
        del self._ports[number]

    def open_door(self, port: int, *, from_outside: bool) -> TcpDoor:
        """Raises OSError."""
        door = TcpDoor(self, next(self._numbers), self._node.address, port, from_outside)
        self._ports[port].doors[door.opened.door] = door
        if self._children:
            for child in self._serving(port):
                child.tell(door.opened, door.listener.fileno())
        else:
            self._children = [self._start() for _ in range(min(MOST, len(os.sched_getaffinity(0))))]
            for child in self._children:
                self._tell_all(child)
        return door

    def close_door(self, door: TcpDoor) -> None:
        del self._ports[door.opened.port].doors[door.opened.door]
        for child in self._serving(door.opened.port):
            child.tell(Closed(door.opened.door))

    def close(self) -> None:
        """The processes end, and what they carry."""
        loop = asyncio.get_running_loop()
        for child in self._children:
            child.end(loop)
        self._children.clear()
        self._ports.clear()

    def _serving(self, number: int) -> list[_Child]:
        if self._ports[number].sticky and self._children:
            return [self._children[number % len(self._children)]]
        return self._children

    def _start(self) -> _Child:
        child = _Child(self._node)
        asyncio.get_running_loop().add_reader(child.pidfd, self._ended, child)
        return child

    def _ended(self, child: _Child) -> None:
        loop = asyncio.get_running_loop()
        log.warning("a process that carries connections has ended (%s) and is replaced", child.end(loop))
        loop.call_later(AGAIN_SECONDS, self._replace, child)

    def _replace(self, child: _Child) -> None:
        if child in self._children:  # not all were closed meanwhile
            fresh = self._children[self._children.index(child)] = self._start()
            self._tell_all(fresh)

    def _tell_all(self, child: _Child) -> None:
        for number, port in self._ports.items():
            if child in self._serving(number):
                child.learn(port)
