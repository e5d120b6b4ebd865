"""UDP in batches: recvmmsg(2) and sendmmsg(2), one system call for up to 64 packets each way.

A reply begins as the packet did that it answers, but for ten bytes behind the first two, and ends with bytes that are
kept in memory. So it is the packet itself that is sent back, from where it was received, with those ten bytes written
into it, and the kernel appends the rest from where it is kept: nothing is copied, and in DNS, of which this is the
form, every client finds its own id and its own spelling of the name in its reply.

What is told of an answer is itself bytes of one size, so that those of a batch are joined, and handed to the kernel and
counted as columns of numbers: nothing is done for each answer in Python. A single packet, whose client waits for it,
costs two system calls and little else: code that has not run for a while runs slowly.
"""

import ctypes
import errno
import mmap
import os
import select
import socket
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from ctypes import Structure, addressof, byref, c_char, c_int, c_size_t, c_uint, c_void_p
from functools import lru_cache

SLOTS = 64
SIZE = 4096  # of a packet; what is longer is cut off
VECTORS = 32  # bytes of the two vectors that a reply is sent from
STRIDE = SIZE + 64  # from packet to packet: were it a power of two, they would all fall into one set of the cache
CONTROL = 64
NAME = 28  # sockaddr_in6
KEPT = 2  # bytes that no key of a packet has
HEADER = 12
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
SEND_TRIES = 8
_DONTWAIT = socket.MSG_DONTWAIT

# An answer: how many bytes of the packet go back, address and size of what comes behind them, which is what a packet's
# two vectors lack; the ten bytes, and a label.
Answer = bytes
_ANSWER = struct.Struct("=QQQ10s2xI")
ANSWER_SIZE = _ANSWER.size
_VECTORS_PART, _REPLACED_PART = slice(24), slice(24, 34)
FEW = 8  # up to so many are written one by one


class _Iovec(Structure):
    _fields_ = (("base", c_void_p), ("len", c_size_t))


class _Msghdr(Structure):
    _fields_ = (
        ("name", c_void_p),
        ("namelen", c_uint),
        ("iov", c_void_p),
        ("iovlen", c_size_t),
        ("control", c_void_p),
        ("controllen", c_size_t),
        ("flags", c_int),
    )


class _Mmsghdr(Structure):
    _fields_ = (("hdr", _Msghdr), ("len", c_uint))


# Without declared types of arguments, numbers and references go to C as they are, which costs half as much. The first
# never waits, so the interpreter's lock is kept meanwhile; only the others can tell an error.
_libc, _waiting_libc, _telling_libc = ctypes.PyDLL(None), ctypes.CDLL(None), ctypes.CDLL(None, use_errno=True)
MSG_WAITFORONE = 0x10000
AVAILABLE = hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg")
if AVAILABLE:
    _recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
    _recvmmsg_waiting = _waiting_libc.recvmmsg
    _recvmmsg_telling, _sendmmsg_telling = _telling_libc.recvmmsg, _telling_libc.sendmmsg
_HEADER_SIZE = ctypes.sizeof(_Mmsghdr)


def _address_of(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), c_void_p).value or 0


# Where the bytes of a bytes object begin behind its head; asking ctypes each time takes three times as long.
_SAMPLE = b"?" * 64
_HEAD = _address_of(_SAMPLE) - id(_SAMPLE) if sys.implementation.name == "cpython" else 0


@lru_cache(maxsize=4096)
def _shared(end: bytes) -> bytes:
    """One for all that are the same, of which there are many: denials end in the same record."""
    return end


def prepared(reply: bytes, begin: int, label: int) -> tuple[Answer, bytes]:
    """An answer as `reply` takes it, and bytes that must be kept until it was sent. Of `reply`, which is whole, `begin`
    bytes are the packet's but for those that are replaced."""
    end = _shared(reply[begin:])
    address = id(end) + _HEAD if _HEAD else _address_of(end)
    return _ANSWER.pack(begin, address, len(end), reply[KEPT:HEADER], label), end


def labels(answers: Iterable[Answer]) -> list[int]:
    return memoryview(b"".join(answers)).cast("I")[9 :: ANSWER_SIZE // 4].tolist()


class Batches:
    """One socket. `receive`, then `reply` to all of them."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._fd = sock.fileno()
        six = sock.family == socket.AF_INET6
        self._anywhere = sock.getsockname()[0] in ("0.0.0.0", "::")
        if self._anywhere:
            # Bound to every address, a reply must go from the one that was asked.
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._control_size = (40 if six else 32) if self._anywhere else 0
        self._name_size = 28 if six else 16
        self._four_anywhere = self._anywhere and not six
        self._make_buffers()

    def _make_buffers(self) -> None:
        self._area = mmap.mmap(-1, SLOTS * STRIDE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._names = ctypes.create_string_buffer(SLOTS * NAME)
        self._controls = ctypes.create_string_buffer(SLOTS * CONTROL)
        self._in = (_Mmsghdr * SLOTS)()
        self._out = (_Mmsghdr * SLOTS)()
        self._in_vectors = (_Iovec * SLOTS)()
        self._out_vectors = mmap.mmap(-1, SLOTS * VECTORS, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        area = addressof(c_char.from_buffer(self._area))
        out_vectors = (_Iovec * (2 * SLOTS)).from_buffer(self._out_vectors)
        for slot in range(SLOTS):
            at = area + slot * STRIDE
            self._in_vectors[slot] = _Iovec(at, SIZE)
            out_vectors[2 * slot].base = at
            for headers, vectors, count in ((self._in, self._in_vectors, 1), (self._out, out_vectors, 2)):
                header = headers[slot].hdr
                header.name = addressof(self._names) + slot * NAME
                header.namelen = self._name_size
                header.iov = addressof(vectors) + count * slot * ctypes.sizeof(_Iovec)
                header.iovlen = count
                if self._anywhere:
                    header.control = addressof(self._controls) + slot * CONTROL
                    header.controllen = self._control_size
        words = memoryview(self._in).cast("B").cast("I")
        self._lengths = words[_Mmsghdr.len.offset // 4 :: _HEADER_SIZE // 4]
        # Where what is told of an answer goes: of one, and as columns of many.
        self._vector_parts = [slice(slot * VECTORS + 8, (slot + 1) * VECTORS) for slot in range(SLOTS)]
        self._replaced = [slice(slot * STRIDE + KEPT, slot * STRIDE + HEADER) for slot in range(SLOTS)]
        numbers = memoryview(self._out_vectors).cast("Q")
        self._begins, self._addresses, self._sizes = numbers[1::4], numbers[2::4], numbers[3::4]
        bytes_ = memoryview(self._area)
        self._first_two = bytes_.cast("H")[1 :: STRIDE // 2]
        self._other_eight = bytes_[4:-4].cast("Q")[:: STRIDE // 8]
        self._interfaces = memoryview(self._controls).cast("B").cast("I")[4 :: CONTROL // 4]
        self._no_interfaces = array("I", [0] * SLOTS)
        self._starts = [slot * STRIDE for slot in range(SLOTS)]
        self._incoming = byref(self._in)
        self._outgoing = [byref(self._out, slot * _HEADER_SIZE) for slot in range(SLOTS)]
        self._name_bytes, self._control_bytes = (memoryview(each).cast("B") for each in (self._names, self._controls))

    def receive(self) -> list[bytes]:
        """What has arrived, each packet without its first two bytes; nothing where there is nothing. Raises OSError."""
        return self._read(_recvmmsg(self._fd, self._incoming, SLOTS, _DONTWAIT, None))

    def wait(self) -> list[bytes]:
        """The same, at a socket that blocks: as soon as there is something, or a signal has come."""
        count = _recvmmsg_waiting(self._fd, self._incoming, SLOTS, MSG_WAITFORONE, None)
        return self._read(count)

    def _read(self, count: int) -> list[bytes]:
        if count <= 0:  # once more, and what it is that fails is known
            count = _recvmmsg_telling(self._fd, self._incoming, SLOTS, _DONTWAIT, None)
            if count < 0:
                number = ctypes.get_errno()
                if number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                    return []
                raise OSError(number, os.strerror(number))
        area = self._area
        if count == 1:
            return [area[KEPT : self._lengths[0]]]
        lengths = self._lengths[:count].tolist()
        return [area[at + KEPT : at + length] for at, length in zip(self._starts, lengths, strict=False)]

    # What is known of a packet of the last batch.

    def kept(self, slot: int) -> bytes:
        return self._area[slot * STRIDE : slot * STRIDE + KEPT]

    def client(self, slot: int) -> bytes:
        """The packed sockaddr."""
        return bytes(self._name_bytes[slot * NAME : slot * NAME + self._name_size])

    def destination(self, slot: int) -> bytes:
        """The control message that sends a reply from where the packet went to; nothing where that is plain."""
        if not self._anywhere:
            return b""
        return bytes(self._control_bytes[slot * CONTROL + 16 : slot * CONTROL + self._control_size])

    # Replies.

    def reply(self, answers: Sequence[Answer]) -> None:
        """To all packets of the batch, in their order. What cannot be sent is lost, as UDP is."""
        count = len(answers)
        if count > FEW:
            self._write(b"".join(answers), 0, count)
        else:
            vectors, area = self._out_vectors, self._area
            for answer, part, replaced in zip(answers, self._vector_parts, self._replaced, strict=False):
                vectors[part] = answer[_VECTORS_PART]
                area[replaced] = answer[_REPLACED_PART]
        self._send(0, count)

    def reply_to_some(self, answers: Sequence[Answer]) -> None:
        """The same with nothing for those that get none."""
        begin = 0
        for slot, answer in enumerate((*answers, b"")):
            if not answer:
                if slot > begin:
                    self._write(b"".join(answers[begin:slot]), begin, slot)
                    self._send(begin, slot)
                begin = slot + 1

    def _write(self, answers: bytes, begin: int, end: int) -> None:
        told = memoryview(answers)
        numbers = told.cast("Q")
        self._begins[begin:end] = numbers[0::5]
        self._addresses[begin:end] = numbers[1::5]
        self._sizes[begin:end] = numbers[2::5]
        self._first_two[begin:end] = told.cast("H")[12::20]
        self._other_eight[begin:end] = told[2:-6].cast("Q")[3::5]

    def _send(self, begin: int, end: int) -> None:
        if self._four_anywhere:
            self._interfaces[begin:end] = self._no_interfaces[begin:end]  # the route decides, not where it came from
        sent = _sendmmsg(self._fd, self._outgoing[begin], end - begin, _DONTWAIT)
        if sent != end - begin:
            self._send_on(begin + max(0, sent), end)

    def _send_on(self, begin: int, end: int) -> None:
        """What was not sent at once."""
        tries = 0
        while begin < end:
            sent = _sendmmsg_telling(self._fd, self._outgoing[begin], end - begin, _DONTWAIT)
            if sent > 0:
                begin += sent
                continue
            tries += 1
            if ctypes.get_errno() in (errno.EAGAIN, errno.ENOBUFS) and tries < SEND_TRIES:
                select.select((), (self._fd,), (), 0.005)
            else:
                begin += 1  # this one the kernel refuses: its address or route is gone


class Singles:
    """The same with recvfrom(2) and sendto(2), where the C library has no batches. The socket must be bound to one
    address."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._arrived: list[tuple[bytes, tuple[str, int]]] = []

    def receive(self) -> list[bytes]:
        self._arrived = []
        while len(self._arrived) < SLOTS:
            try:
                self._arrived.append(self.sock.recvfrom(SIZE, _DONTWAIT))
            except (BlockingIOError, InterruptedError, ConnectionRefusedError):
                break
        return [packet[KEPT:] for packet, _ in self._arrived]

    def wait(self) -> list[bytes]:
        self._arrived = [self.sock.recvfrom(SIZE)]
        return [packet[KEPT:] for packet, _ in self._arrived]

    def kept(self, slot: int) -> bytes:
        return self._arrived[slot][0][:KEPT]

    def client(self, slot: int) -> bytes:
        return packed_address(self.sock.family, self._arrived[slot][1])

    def destination(self, slot: int) -> bytes:
        return b""

    def reply(self, answers: Sequence[Answer]) -> None:
        self.reply_to_some(answers)

    def reply_to_some(self, answers: Sequence[Answer]) -> None:
        for (packet, client), answer in zip(self._arrived, answers, strict=True):
            if not answer:
                continue
            begin, address, size, replaced, _ = _ANSWER.unpack(answer)
            data = packet[:KEPT] + replaced + packet[HEADER:begin] + ctypes.string_at(address, size)
            try:
                self.sock.sendto(data, _DONTWAIT, client)
            except OSError:  # its address or route is gone
                continue


def batches(sock: socket.socket) -> Batches | Singles:
    return Batches(sock) if AVAILABLE else Singles(sock)


# Addresses as the kernel packs them (ip(7), ipv6(7)).


def packed_address(family: int, address: tuple[str, int]) -> bytes:
    host = socket.inet_pton(family, address[0])
    if family == socket.AF_INET6:
        return struct.pack("=HHI", family, socket.htons(address[1]), 0) + host + bytes(4)
    return struct.pack("=HH", family, socket.htons(address[1])) + host + bytes(8)


def host_of(packed: bytes) -> bytes:
    """The address alone: 4 or 16 bytes."""
    return packed[4:8] if len(packed) == 16 else packed[8:24]


def port_of(packed: bytes) -> int:
    return int.from_bytes(packed[2:4], "big")


def send_from(sock: socket.socket, data: bytes, client: bytes, destination: bytes) -> None:
    """A reply outside a batch, to `Batches.client` from `Batches.destination`. Raises OSError."""
    host, port = host_of(client), port_of(client)
    address: tuple[object, ...] = (socket.inet_ntop(sock.family, host), port)
    if sock.family == socket.AF_INET6:
        address = (*address, 0, int.from_bytes(client[24:28], sys.byteorder))
        control = [(socket.IPPROTO_IPV6, IPV6_PKTINFO, destination[:20])] if destination else []
    else:
        control = [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + destination[4:12])] if destination else []
    sock.sendmsg([data], control, _DONTWAIT, address)
