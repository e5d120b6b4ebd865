"""Connections carried from a client to an endpoint: bytes as they come, ends and resets as they are.

What a connection costs here is system calls, so that each is made only where it cannot be spared: sockets are told to
the poll once and for both directions (EPOLLET), and are read only when the kernel has said that there is something.
"""

import errno
import logging
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from socket import MSG_DONTWAIT, SocketType

log = logging.getLogger(__name__)

Target = tuple[str, int]
Choose = Callable[[str], Iterable[Target]]  # the client's address → endpoints, in the order to try them

CONNECT_SECONDS = 2.0  # for one endpoint, then the next
REST_SECONDS = 0.01  # where there are no descriptors left: somebody may go
AT_ONCE = 1 << 18  # bytes that are read
ROUNDS = 8  # times that one side is read until others have their turn
BACKLOG = 4096
_BOTH = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_SAID, _ROOM = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR, select.EPOLLOUT
_FAILED = select.EPOLLHUP | select.EPOLLERR
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_STREAM, _TCP, _NODELAY = socket.SOCK_STREAM | socket.SOCK_NONBLOCK, int(socket.IPPROTO_TCP), socket.TCP_NODELAY
_RESET = struct.pack("@ii", 1, 0)  # SO_LINGER: what is closed so ends by a reset


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(address: str) -> SocketType:
    """At a port that the kernel chooses. Raises OSError."""
    listener = SocketType(family(address), _STREAM)
    listener.setsockopt(_TCP, _NODELAY, 1)  # who is accepted inherits it
    listener.bind((address, 0))
    listener.listen(BACKLOG)
    return listener


class _Side:
    """One of the two sockets. What it hears it says to the other, and hears no more than that one takes."""

    __slots__ = ("closing", "ended", "left", "more", "other", "reached", "socket", "tries")

    def __init__(self, socket_: SocketType, other: "_Side | None", tries: Iterator[Target] | None = None) -> None:
        self.socket = socket_
        self.other = other  # None: there is nobody yet, or nobody any more
        self.tries = tries  # whom to reach where this one is not
        self.reached = tries is None
        self.more = False  # there is something to read, or may be
        self.closing = False  # after what there is to read comes the end
        self.ended = False  # it will say nothing more
        self.left: bytes | None = None  # what it is to be told when it has room


class Carrier:
    """Doors and the connections that came by them. Runs in a thread or process of its own."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._sides: dict[int, _Side] = {}
        self._doors: dict[int, SocketType] = {}
        self._reaching: dict[_Side, float] = {}  # until when, the oldest first
        self._busy: list[_Side] = []  # those that were interrupted for others
        self._buffer = memoryview(bytearray(AT_ONCE))
        self._over = False

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """`handler`: called when there is something to read."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.EPOLLIN)

    def open(self, number: int, listener: SocketType, choose: Choose) -> None:
        """Of several processes that have this listener, the kernel wakes one."""
        self._doors[number] = listener
        self._handlers[listener.fileno()] = lambda: self._accept(listener, choose)
        self._poll.register(listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def close(self, number: int) -> None:
        """Nobody new; who is in may stay."""
        listener = self._doors.pop(number)
        descriptor = listener.fileno()
        self._poll.unregister(descriptor)  # other processes may have it open
        del self._handlers[descriptor]
        listener.close()

    def stop(self) -> None:
        self._over = True

    def run(self) -> None:
        poll, sides = self._poll.poll, self._sides
        while not self._over:
            for descriptor, events in poll(self._timeout(), 256):
                if (side := sides.get(descriptor)) is not None:
                    self._heard(side, events)
                elif (handler := self._handlers.get(descriptor)) is not None:
                    handler()
            if self._reaching:
                self._give_up_late()
            if self._busy:
                self._go_on()

    def _timeout(self) -> float:
        if self._busy:
            return 0.0
        return max(0.0, next(iter(self._reaching.values())) - time.monotonic()) if self._reaching else -1.0

    def _accept(self, listener: SocketType, choose: Choose) -> None:
        try:
            descriptor, address = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001  # accept() makes more of it, slowly
        except BlockingIOError:  # another process has it
            return
        except OSError as error:
            log.warning("cannot accept: %s", error)
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(REST_SECONDS)
            return
        client = _Side(SocketType(listener.family, _STREAM, 0, descriptor), None)
        self._reach(client, iter(choose(address[0])))
        if client.other is not None:
            self._sides[descriptor] = client
            self._poll.register(descriptor, _BOTH)

    def _reach(self, client: _Side, tries: Iterator[Target]) -> None:
        """Begins to connect to the next endpoint; where none is left, the client is told by a reset."""
        for target in tries:
            try:
                connecting = SocketType(family(target[0]), _STREAM)
                connecting.setsockopt(_TCP, _NODELAY, 1)
                code = connecting.connect_ex(target)
            except OSError as error:
                log.warning("cannot connect to %s:%d: %s", *target, error)
                continue
            if code not in (0, errno.EINPROGRESS):
                log.debug("%s:%d does not take a connection: %s", *target, os.strerror(code))
                connecting.close()
                continue
            server = client.other = _Side(connecting, client, tries)
            self._reaching[server] = time.monotonic() + CONNECT_SECONDS
            descriptor = connecting.fileno()
            self._sides[descriptor] = server
            self._poll.register(descriptor, _BOTH)
            return
        client.other = None
        self._close(client, reset=True)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        for server in [server for server, deadline in self._reaching.items() if deadline <= now]:
            self._try_next(server)

    def _try_next(self, server: _Side) -> None:
        client, tries = server.other, server.tries
        server.other = None
        self._close(server, reset=False)
        if client is not None and tries is not None:
            self._reach(client, tries)

    def _heard(self, side: _Side, events: int) -> None:
        if not side.reached:
            if events & _FAILED:
                self._try_next(side)
                return
            if not events & _ROOM:
                return
            side.reached = True
            del self._reaching[side]
        if events & _SAID and not side.ended:
            side.more = True
            if events & _ENDED:
                side.closing = True
        elif events & select.EPOLLERR:
            self._end(side, reset=True)
            return
        if events & _ROOM:
            if side.left is not None:
                self._tell(side)
            if side.left is None and side.other is not None and side.other.more:
                self._pass_on(side.other)
        if side.more:
            self._pass_on(side)

    def _pass_on(self, side: _Side) -> None:
        """What it says, while the other takes it."""
        other, buffer = side.other, self._buffer
        if other is None or not other.reached or other.left is not None:
            return
        try:
            for _ in range(ROUNDS):
                size = side.socket.recv_into(buffer, AT_ONCE, MSG_DONTWAIT)
                if not size:
                    side.more, side.ended = False, True
                    if other.ended:
                        self._end(side, reset=False)
                    else:
                        other.socket.shutdown(socket.SHUT_WR)
                    return
                try:
                    sent = other.socket.send(buffer[:size], MSG_DONTWAIT)
                except BlockingIOError:
                    sent = 0
                if sent < size:
                    other.left = bytes(buffer[sent:size])
                    return
                if size < AT_ONCE and not side.closing:  # that was all (epoll(7), of edges)
                    side.more = False
                    return
        except BlockingIOError:
            side.more = False
            return
        except OSError:
            self._end(side, reset=True)
            return
        self._busy.append(side)

    def _tell(self, side: _Side) -> None:
        """What was left when it had no room."""
        assert side.left is not None
        try:
            sent = side.socket.send(side.left, MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._end(side, reset=True)
            return
        side.left = side.left[sent:] or None

    def _go_on(self) -> None:
        busy, self._busy = self._busy, []
        for side in busy:
            self._pass_on(side)

    def _end(self, side: _Side, *, reset: bool) -> None:
        """Both."""
        other, side.other = side.other, None
        self._close(side, reset=reset)
        if other is not None:
            other.other = None
            self._close(other, reset=reset)

    def _close(self, side: _Side, *, reset: bool) -> None:
        if not side.reached:
            self._reaching.pop(side, None)
        self._sides.pop(side.socket.fileno(), None)
        if reset:
            side.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        side.socket.close()
