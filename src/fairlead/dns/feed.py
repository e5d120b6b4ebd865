"""The watcher's end of one worker: what changed is sent as soon as there is room, each thing once, as it is then."""

import asyncio
import logging
import random
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from fairlead.dns import messages
from fairlead.dns.entries import ServiceEntry, SliceEntry
from fairlead.dns.zone import Zone

log = logging.getLogger(__name__)

Kind = Literal["namespace", "service", "slice", "pod"]
Mark = tuple[Kind, tuple[str, ...]]
States = Callable[[tuple[str, ...]], object]
READS_AT_ONCE = 64


class Known:
    """What can be told of each thing by its name, beside what the zone's index keeps: slices and pods."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.slices: dict[tuple[str, str], SliceEntry] = {}
        self.pods: dict[tuple[str, str], tuple[bytes, ...]] = {}

    def everything(self) -> Iterable[Mark]:
        for namespace in self.zone.namespaces:
            yield "namespace", (namespace,)
        for key in self.zone.services:
            yield "service", key
        for slice_ in self.slices:
            yield "slice", slice_
        for pod in self.pods:
            yield "pod", pod


class Feed:
    def __init__(
        self, channel: socket.socket, known: Known, heard: Callable[["Feed", messages.ToWatcher], None]
    ) -> None:
        """`heard`: called with what the worker says."""
        self.ready = False
        self._channel = channel
        self._known = known
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._first: deque[messages.ToWorker] = deque()  # goes before all changes
        self._dirty: dict[Mark, None] = {}
        self._epoch: int | None = None  # of a snapshot that has not ended
        self._unsent: bytes | None = None
        self._waiting = False
        self._scheduled = False
        self._loop.add_reader(channel, self._read)

    def mark(self, mark: Mark) -> None:
        self._dirty[mark] = None
        self._schedule()

    def send(self, message: messages.ToWorker) -> None:
        self._first.append(message)
        self._schedule()

    def send_everything(self) -> None:
        """From the start: what is there now, and what changes meanwhile."""
        self.ready = False
        self._epoch = random.getrandbits(31)
        self._first.append(messages.Begin(self._epoch))
        self._dirty = dict.fromkeys(self._known.everything())
        self._schedule()

    def _schedule(self) -> None:
        """In this turn of the loop, behind what else it has: changes that come together go together."""
        if not (self._scheduled or self._waiting):
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        while (data := self._next()) is not None:
            try:
                self._channel.send(data)
            except BlockingIOError:
                self._unsent = data
                if not self._waiting:
                    self._waiting = True
                    self._loop.add_writer(self._channel, self._writable)
                return
            except OSError as error:
                log.warning("a worker cannot be told: %s", error)
                return

    def _writable(self) -> None:
        self._waiting = False
        self._loop.remove_writer(self._channel)
        self._flush()

    def _next(self) -> bytes | None:
        if self._unsent is not None:
            data, self._unsent = self._unsent, None
            return data
        if self._first:
            return messages.encode(self._first.popleft())
        if self._dirty:
            return messages.encode(self._changes())
        if self._epoch is not None:
            epoch, self._epoch = self._epoch, None
            return messages.encode(messages.End(epoch))
        return None

    def _changes(self) -> messages.Changes:
        found = messages.Changes([], [], [], [])
        known, size = self._known, 0
        while self._dirty and size < messages.LARGEST:
            mark = next(iter(self._dirty))
            del self._dirty[mark]
            match mark:
                case "namespace", (name,):
                    found.namespaces.append((name, name in known.zone.namespaces))
                    size += 32
                case "service", (namespace, name):
                    service = known.zone.services.get((namespace, name))
                    found.services.append(((namespace, name), service))
                    size += 64 + _size_of_service(service)
                case "slice", (namespace, name):
                    slice_ = known.slices.get((namespace, name))
                    found.slices.append(((namespace, name), slice_))
                    size += 64 + _size_of_slice(slice_)
                case "pod", (namespace, name):
                    found.pods.append(((namespace, name), known.pods.get((namespace, name), ())))
                    size += 96
        return found

    def _read(self) -> None:
        for _ in range(READS_AT_ONCE):
            try:
                data = self._channel.recv(1 << 17)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                self._loop.remove_reader(self._channel)
                return
            message = messages.decode_for_watcher(data)
            if isinstance(message, messages.Ready):
                self.ready = True
            self._heard(self, message)


def _size_of_service(entry: ServiceEntry | None) -> int:
    return 0 if entry is None else 40 * len(entry.ports) + 20 * len(entry.addresses) + len(entry.external_name or "")


def _size_of_slice(entry: SliceEntry | None) -> int:
    if entry is None:
        return 0
    return len(entry.addresses) + 20 * len(entry.ports) + sum(map(len, (*entry.hosts, *entry.pods))) + 64
