"""UDP in batches: recvmmsg(2) and sendmmsg(2), one system call for up to 64 packets each way.

An answer is told by the address of its bytes in memory, so that it goes to the kernel from where it is kept. The first
two bytes of a packet, which in DNS are the client's choice, are sent back as they came.

What is told of an answer is itself bytes of one size, so that those of a batch are joined, and handed to the kernel and
counted as columns of numbers: nothing is done for each answer in Python.
"""

import ctypes
import errno
import os
import select
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from ctypes import Structure, addressof, c_int, c_size_t, c_uint, c_void_p

SLOTS = 64
SIZE = 192  # of a packet that is received without a second look; more goes to the overflow
OVERFLOW = 4096 - SIZE
CONTROL = 64
NAME = 28  # sockaddr_in6
KEPT = 2  # bytes that are sent back
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
SEND_TRIES = 8
_DONTWAIT = socket.MSG_DONTWAIT

Answer = bytes  # three numbers: address and size of the bytes behind the kept ones, and a label
_ANSWER = struct.Struct("=QQQ")
ANSWER_SIZE = _ANSWER.size


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


_libc = ctypes.PyDLL(None, use_errno=True)  # these calls never wait, so the interpreter's lock is kept meanwhile
_waiting_libc = ctypes.CDLL(None, use_errno=True)
MSG_WAITFORONE = 0x10000
AVAILABLE = hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg")
if AVAILABLE:
    _libc.recvmmsg.argtypes = [c_int, c_void_p, c_uint, c_int, c_void_p]
    _libc.sendmmsg.argtypes = [c_int, c_void_p, c_uint, c_int]
    _recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
    _recvmmsg_waiting = _waiting_libc.recvmmsg
    _recvmmsg_waiting.argtypes = _recvmmsg.argtypes
_HEADER_SIZE = ctypes.sizeof(_Mmsghdr)


def _address_of(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), c_void_p).value or 0


# Where the bytes of a bytes object begin behind its head; asking ctypes each time takes three times as long.
_SAMPLE = b"?" * 64
_HEAD = _address_of(_SAMPLE) - id(_SAMPLE) if sys.implementation.name == "cpython" else 0


def prepared(data: bytes, label: int) -> Answer:
    """An answer as `reply` takes it. `data` must be kept until it was sent."""
    return _ANSWER.pack(id(data) + _HEAD if _HEAD else _address_of(data), len(data), label)


def bytes_of(answer: Answer) -> bytes:
    """A copy of what it stands for."""
    address, size, _ = _ANSWER.unpack(answer)
    return ctypes.string_at(address, size)


def label_of(answer: Answer) -> int:
    return int(_ANSWER.unpack(answer)[2])


def labels(answers: bytes) -> list[int]:
    """Of answers that are joined."""
    if len(answers) == ANSWER_SIZE:
        return [label_of(answers)]
    return memoryview(answers).cast("Q")[2::3].tolist()


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
        self._six = six
        self._make_buffers()

    def _make_buffers(self) -> None:
        self._area = ctypes.create_string_buffer(SLOTS * SIZE)
        self._overflow = ctypes.create_string_buffer(SLOTS * OVERFLOW)
        self._names = ctypes.create_string_buffer(SLOTS * NAME)
        self._controls = ctypes.create_string_buffer(SLOTS * CONTROL)
        self._in = (_Mmsghdr * SLOTS)()
        self._out = (_Mmsghdr * SLOTS)()
        self._in_vectors = (_Iovec * (2 * SLOTS))()
        self._out_vectors = (_Iovec * (2 * SLOTS))()
        area, overflow = addressof(self._area), addressof(self._overflow)
        for slot in range(SLOTS):
            at = area + slot * SIZE
            self._in_vectors[2 * slot] = _Iovec(at, SIZE)
            self._in_vectors[2 * slot + 1] = _Iovec(overflow + slot * OVERFLOW, OVERFLOW)
            self._out_vectors[2 * slot] = _Iovec(at, KEPT)
            for headers, vectors in ((self._in, self._in_vectors), (self._out, self._out_vectors)):
                header = headers[slot].hdr
                header.name = addressof(self._names) + slot * NAME
                header.namelen = self._name_size
                header.iov = addressof(vectors) + 2 * slot * ctypes.sizeof(_Iovec)
                header.iovlen = 2
                if self._anywhere:
                    header.control = addressof(self._controls) + slot * CONTROL
                    header.controllen = self._control_size
        words = memoryview(self._in).cast("B").cast("I")
        step = ctypes.sizeof(_Mmsghdr) // 4
        self._lengths = words[_Mmsghdr.len.offset // 4 :: step]
        numbers = memoryview(self._out_vectors).cast("B").cast("Q")
        self._answers_at, self._answer_sizes = numbers[2::4], numbers[3::4]
        self._interfaces = memoryview(self._controls).cast("B").cast("I")[4 :: CONTROL // 4]
        self._no_interfaces = array("I", [0] * SLOTS)
        self._starts = [slot * SIZE for slot in range(SLOTS)]
        self._pointer = addressof(self._area)
        self._in_pointer, self._out_pointer = addressof(self._in), addressof(self._out)
        buffers = (self._area, self._overflow, self._names, self._controls)
        self._bytes, self._more, self._name_bytes, self._control_bytes = (
            memoryview(each).cast("B") for each in buffers
        )

    def receive(self) -> list[bytes]:
        """What has arrived, each packet without its first two bytes; nothing where there is nothing. Raises OSError."""
        return self._read(_recvmmsg(self._fd, self._in_pointer, SLOTS, _DONTWAIT, None))

    def wait(self) -> list[bytes]:
        """The same, at a socket that blocks: as soon as there is something, or a signal has come."""
        return self._read(_recvmmsg_waiting(self._fd, self._in_pointer, SLOTS, MSG_WAITFORONE, None))

    def _read(self, count: int) -> list[bytes]:
        if count <= 0:
            number = ctypes.get_errno()
            if count == 0 or number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                return []
            raise OSError(number, os.strerror(number))
        if count == 1 and (length := self._lengths[0]) <= SIZE:
            return [ctypes.string_at(self._pointer + KEPT, max(0, length - KEPT))]
        data = ctypes.string_at(self._pointer, count * SIZE)
        lengths = self._lengths[:count].tolist()
        packets = [data[at + KEPT : at + length] for at, length in zip(self._starts, lengths, strict=False)]
        if max(lengths) > SIZE:
            for slot, length in enumerate(lengths):
                if length > SIZE:
                    packets[slot] = self._packet(slot, length)
        return packets

    def _packet(self, slot: int, length: int) -> bytes:
        at = slot * SIZE
        head = bytes(self._bytes[at + KEPT : at + min(length, SIZE)])
        more = slot * OVERFLOW
        return head + bytes(self._more[more : more + max(0, min(length - SIZE, OVERFLOW))])

    # What is known of a packet of the last batch.

    def kept(self, slot: int) -> bytes:
        return bytes(self._bytes[slot * SIZE : slot * SIZE + KEPT])

    def client(self, slot: int) -> bytes:
        """The packed sockaddr."""
        return bytes(self._name_bytes[slot * NAME : slot * NAME + self._name_size])

    def destination(self, slot: int) -> bytes:
        """The control message that sends a reply from where the packet went to; nothing where that is plain."""
        if not self._anywhere:
            return b""
        return bytes(self._control_bytes[slot * CONTROL + 16 : slot * CONTROL + self._control_size])

    # Replies.

    def reply(self, answers: bytes) -> None:
        """To all packets of the batch, in their order, joined. What cannot be sent is lost, as UDP is."""
        self._tell(answers, 0, len(answers) // ANSWER_SIZE)

    def reply_to_some(self, answers: Sequence[Answer | None]) -> None:
        """The same with None for those that get none."""
        begin = 0
        for slot, answer in enumerate((*answers, None)):
            if answer is None:
                if slot > begin:
                    self._tell(b"".join(answers[begin:slot]), begin, slot)  # type: ignore[arg-type]
                begin = slot + 1

    def _tell(self, answers: bytes, begin: int, end: int) -> None:
        if end - begin == 1:
            self._answers_at[begin], self._answer_sizes[begin], _ = _ANSWER.unpack(answers)
        else:
            numbers = memoryview(answers).cast("Q")
            self._answers_at[begin:end], self._answer_sizes[begin:end] = numbers[0::3], numbers[1::3]
        self._send(begin, end)

    def _send(self, begin: int, end: int) -> None:
        if self._anywhere and not self._six:
            self._interfaces[begin:end] = self._no_interfaces[begin:end]  # the route decides, not where it came from
        tries = 0
        while begin < end:
            sent = _sendmmsg(self._fd, self._out_pointer + begin * _HEADER_SIZE, end - begin, _DONTWAIT)
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
                self._arrived.append(self.sock.recvfrom(SIZE + OVERFLOW, _DONTWAIT))
            except (BlockingIOError, InterruptedError, ConnectionRefusedError):
                break
        return [packet[KEPT:] for packet, _ in self._arrived]

    def wait(self) -> list[bytes]:
        self._arrived = [self.sock.recvfrom(SIZE + OVERFLOW)]
        return [packet[KEPT:] for packet, _ in self._arrived]

    def kept(self, slot: int) -> bytes:
        return self._arrived[slot][0][:KEPT]

    def client(self, slot: int) -> bytes:
        return packed_address(self.sock.family, self._arrived[slot][1])

    def destination(self, slot: int) -> bytes:
        return b""

    def reply(self, answers: bytes) -> None:
        self.reply_to_some([answers[at : at + ANSWER_SIZE] for at in range(0, len(answers), ANSWER_SIZE)])

    def reply_to_some(self, answers: Sequence[Answer | None]) -> None:
        for (packet, address), answer in zip(self._arrived, answers, strict=True):
            if answer is None:
                continue
            try:
                self.sock.sendto(packet[:KEPT] + bytes_of(answer), _DONTWAIT, address)
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
