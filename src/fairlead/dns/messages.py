"""What the process that watches the API and those that answer tell each other, over a socket that keeps messages whole.

A new worker says Hello and is sent everything between Begin and End; a new watcher sends it unasked. Until the end the
worker goes on with what it had. Changes are states, not steps: one that comes twice does no harm, and what an earlier
process has left in the socket is either whole or never ends.
"""

import msgspec

from fairlead.dns.entries import Key, ServiceEntry, SliceEntry
from fairlead.dns.tally import Kind

LARGEST = 32 << 10  # bytes of a message of changes, about


class _Message(msgspec.Struct, array_like=True, tag=True, gc=False):
    pass


class Configure(_Message):
    """The Corefile with its environment, and what it refers to."""

    corefile: str
    environment: dict[str, str]
    files: dict[str, str]
    own_addresses: tuple[bytes, ...]
    search: tuple[str, ...]


class Begin(_Message):
    """What follows is all there is, up to the End of the same epoch."""

    epoch: int


class Changes(_Message):
    namespaces: list[tuple[str, bool]]
    services: list[tuple[Key, ServiceEntry | None]]
    slices: list[tuple[tuple[str, str], SliceEntry | None]]
    pods: list[tuple[tuple[str, str], tuple[bytes, ...]]]


class End(_Message):
    epoch: int


class Count(_Message):
    """Asks for what was counted."""


class Hello(_Message):
    """There is a new worker, which knows nothing."""


class Ready(_Message):
    """All is there, questions are answered."""


class Ask(_Message):
    """A question that needs an upstream: the packet, and the way back to who asked it (host.datagrams)."""

    socket: int
    client: bytes
    destination: bytes
    packet: bytes


class Counted(_Message):
    kinds: list[tuple[Kind, int]]
    spent: list[int]
    seconds: float


ToWorker = Configure | Begin | Changes | End | Count
ToWatcher = Hello | Ready | Ask | Counted

encode = msgspec.msgpack.Encoder().encode
decode_for_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_for_watcher = msgspec.msgpack.Decoder(ToWatcher).decode
