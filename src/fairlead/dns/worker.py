"""A process that answers, with an index of its own, which the watcher feeds.

A thread for each socket waits in the very call that reads from it: to be told of a packet first and then to read it
would cost a second system call and its way through Python, which is what a client waits for. What the watcher says is
heard in the main thread. One lock is held by who answers or changes something.
"""

import gc
import logging
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Sequence

from fairlead.dns import messages
from fairlead.dns.answering import Answering
from fairlead.dns.chain import Chain
from fairlead.dns.config.corefile import load
from fairlead.dns.tally import Tally
from fairlead.dns.zone import Tag, Zone
from fairlead.host import libc
from fairlead.host.datagrams import labels

log = logging.getLogger(__name__)

LONGEST_TURN = 0.0005  # seconds that a thread goes on while another wants to
PATIENCE = 1.0  # seconds that clients are let wait when a process starts, before they are told that it has failed


class Worker:
    def __init__(self, sockets: Sequence[socket.socket], channel: socket.socket) -> None:
        """`channel`: to the watcher, non-blocking."""
        self._sockets = sockets
        self._channel = channel
        self._tally = Tally(labels)
        self._answering = Answering(sockets, self._tally, self._tell)
        self._settings: messages.Configure | None = None
        self._zone = Zone()
        self._coming: Zone | None = None  # between Begin and End
        self._epoch = -1

    def run(self) -> None:
        """For ever. Questions wait in their sockets until the index is there, but not for long."""
        poll = select.poll()
        self._tell(messages.Hello())
        poll.register(self._channel, select.POLLIN)
        until = time.monotonic() + PATIENCE
        while not self._answering.ready and (left := until - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                self._hear()
        sys.setswitchinterval(LONGEST_TURN)
        lock = threading.Lock()
        for index in range(len(self._sockets)):
            self._sockets[index].setblocking(True)
            threading.Thread(target=self._serve, args=(index, lock), daemon=True).start()
        while True:
            poll.poll()
            with lock:
                self._hear()

    def _serve(self, index: int, lock: threading.Lock) -> None:
        try:
            self._answering.serve_for_ever(index, lock)
        except BaseException:  # one that does not answer any more must not go on as if it did
            log.exception("a worker failed")
            os._exit(1)

    def _tell(self, message: messages.ToWatcher) -> bool:
        """Without its having room, nobody can answer."""
        try:
            self._channel.send(messages.encode(message))
        except OSError as error:
            log.debug("the watcher has no room: %s", error)
            return False
        return True

    def _hear(self) -> None:
        try:
            data = self._channel.recv(1 << 20)
        except (BlockingIOError, InterruptedError):
            return
        if not data:  # nobody holds the other end: the supervisor is gone
            raise SystemExit(0)
        match messages.decode_for_worker(data):
            case messages.Changes() as changes:
                self._change(changes)
            case messages.Count():
                self._tell(messages.Counted(*self._tally.take()))
            case messages.Configure() as settings:
                self._settings = settings
                self._rebuild()
            case messages.Begin(epoch):
                self._coming, self._epoch = Zone(), epoch
            case messages.End(epoch):
                if epoch == self._epoch and self._coming is not None:
                    self._zone, self._coming = self._coming, None
                    self._answering.ready = True
                    self._rebuild()
                    self._tell(messages.Ready())
                    _keep_apart()

    def _rebuild(self) -> None:
        given = self._settings
        if given is not None:
            settings = load(given.corefile, given.environment)
            self._answering.settle(Chain(settings, self._zone, given.files, given.own_addresses, given.search))

    def _change(self, changes: messages.Changes) -> None:
        tags = apply(self._zone if self._coming is None else self._coming, changes)
        if self._coming is None:
            self._answering.drop(tags)


def _keep_apart() -> None:
    """The index stays: it is not looked through for garbage, of which answering makes hardly any."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)
    libc.malloc_trim()


def apply(zone: Zone, changes: messages.Changes) -> set[Tag]:
    tags: set[Tag] = set()
    for name, exists in changes.namespaces:
        tags |= zone.put_namespace(name, exists=exists)
    for key, service in changes.services:
        tags |= zone.put_service(key, service)
    for name_, slice_ in changes.slices:
        tags |= zone.put_slice(name_, slice_)
    for pod, addresses in changes.pods:
        tags |= zone.put_pod(pod, addresses)
    return tags
