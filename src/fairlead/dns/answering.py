"""Questions from a socket to their answers: packets in batches, most from the memo, the others from the zone's index.

Whoever has a socket to answer uses it: a worker, a process with nothing else to do, or the watcher itself where there
are no workers. It waits for nothing; what needs an upstream is handed on.
"""

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import cycle

from fairlead.dns import logline
from fairlead.dns.chain import Chain, Resolution
from fairlead.dns.memo import Memo
from fairlead.dns.messages import Ask
from fairlead.dns.responding import Turns, kind_of, question_of, refusal, udp_limit
from fairlead.dns.tally import Tally
from fairlead.dns.wire import QUESTION_AT, Query, Rcode, Reply, WireError, decode_query
from fairlead.dns.zone import Tag, number_of
from fairlead.host.datagrams import SLOTS, Answer, batches, bytes_of, host_of, label_of, labels, port_of, prepared

REMEMBERED = 32 << 20  # bytes in each generation of the memo: some 40,000 usual answers
BATCHES_AT_ONCE = 8  # before anything else is heard
PLAIN_OPT = 11  # bytes of an OPT record without options
AT = QUESTION_AT - 2  # where the question begins behind the id
NOT_YET = Reply(Rcode.SERVFAIL, authoritative=False)


class Answering:
    """`ready`: the index is complete, so that a name may be denied."""

    def __init__(self, sockets: Sequence[socket.socket], tally: Tally, delegate: Callable[[Ask], bool]) -> None:
        """`sockets` are non-blocking. `delegate` takes what needs an upstream, or says that it has no room."""
        self.ready = False
        self._inputs = [batches(each) for each in sockets]
        self._families = [2 if each.family == socket.AF_INET6 else 1 for each in sockets]
        self._tally = tally
        self._delegate_to = delegate
        self._memo: Memo[Answer] = Memo(REMEMBERED)
        self._turning: Memo[Iterator[Answer]] = Memo(REMEMBERED // 16)
        self._chain: Chain | None = None
        self._kept: list[bytes] = []  # answers of this batch that no memo keeps

    def settle(self, chain: Chain | None) -> None:
        """After new settings or with a new index: all that is remembered may be old."""
        self._chain = chain
        self._memo.clear()
        self._turning.clear()

    def drop(self, tags: Iterable[Tag]) -> None:
        """After a change."""
        self._memo.drop(tags)
        self._turning.drop(tags)

    def serve(self, index: int) -> None:
        """What has arrived at a socket."""
        for _ in range(BATCHES_AT_ONCE):
            packets = self._inputs[index].receive()
            if packets:
                self._serve(index, packets)
            if len(packets) < SLOTS // 2:
                return

    def serve_for_ever(self, index: int, lock: AbstractContextManager[object]) -> None:
        """What arrives at a socket that blocks, in a thread that has nothing else to do. `lock`: held while packets
        are answered; who calls any other method must hold it too."""
        wait, serve = self._inputs[index].wait, self._serve
        while True:
            packets = wait()
            if packets:
                with lock:
                    serve(index, packets)

    def _serve(self, index: int, packets: list[bytes]) -> None:
        began = time.perf_counter()
        tally = self._tally
        answers = list(map(self._memo.young.get, packets))
        if all(answers):
            told = b"".join(answers)  # type: ignore[arg-type]
            self._inputs[index].reply(told)
            tally.answered += labels(told)
        else:
            self._complete(index, packets, answers)
        tally.took(time.perf_counter() - began, len(packets))

    def _complete(self, index: int, packets: list[bytes], answers: list[Answer | None]) -> None:
        """The same for a batch with something in it that has no finished answer."""
        turning = self._turning.young.get
        for slot in [slot for slot, answer in enumerate(answers) if answer is None]:
            packet = packets[slot]
            turns = turning(packet)
            answers[slot] = next(turns) if turns is not None else self._answer(packet, index, slot)
        some = [answer for answer in answers if answer is not None]
        told = b"".join(some)
        if len(some) == len(answers):
            self._inputs[index].reply(told)
        else:
            self._inputs[index].reply_to_some(answers)
        if some:
            self._tally.answered += labels(told)
        self._kept.clear()
        self._memo.settle()
        self._turning.settle()

    def _answer(self, packet: bytes, index: int, slot: int) -> Answer | None:
        """For what the memo has no finished answer to. `packet`: without its id."""
        end = packet.find(0, AT)
        name = packet[AT:end] if end > 0 else b""
        lowered_name = name.lower()
        if lowered_name == name:
            return self._remembered(packet) or self._resolved(packet, index, slot)
        lowered = packet[:AT] + lowered_name + packet[end:]
        known = (
            self._memo.young.get(lowered) or self._remembered(lowered) or self._resolved(lowered, index, slot, packet)
        )
        if known is None:
            return None
        # All names in it are written by pointers into the question, whose case is the client's.
        data = bytes_of(known)
        return self._keep(data[:AT] + name + data[end:], label_of(known)) if len(data) > AT else known

    def _remembered(self, packet: bytes) -> Answer | None:
        turning = self._turning.young.get(packet) or self._turning.older(packet)
        return next(turning) if turning is not None else self._memo.older(packet)

    def _keep(self, data: bytes, label: int) -> Answer:
        self._kept.append(data)
        return prepared(data, label)

    def _resolved(self, packet: bytes, index: int, slot: int, original: bytes = b"") -> Answer | None:
        """By the chain of plugins. `original`: as the client wrote it, where that is not in lower case."""
        began = time.perf_counter()
        arrived = self._inputs[index]
        try:
            query = decode_query(arrived.kept(slot) + packet)
        except WireError as error:
            return self._keep(error.reply[2:], self._malformed(index, error.reply)) if error.reply else None
        client = arrived.client(slot)
        resolution: Resolution | None = None
        reply = refusal(query)
        if reply is None:
            if self._chain is None or (not self.ready and self._chain.is_own(query.name)):
                reply = NOT_YET
            else:
                resolution = self._locally(query, number_of(host_of(client)))
                if resolution is None:
                    if self._delegate(index, slot, original or packet):
                        return None
                    reply = NOT_YET
        if resolution is None:
            assert reply is not None
            resolution = Resolution(reply, shared=False)
        return self._finished(query, resolution, packet, index, client, began)

    def _locally(self, query: Query, client: int) -> Resolution | None:
        """None where an upstream must be asked."""
        assert self._chain is not None
        steps = self._chain.resolve(question_of(query), client)
        try:
            next(steps)
        except StopIteration as end:
            found: Resolution = end.value
            return found
        steps.close()
        return None

    def _finished(
        self, query: Query, resolution: Resolution, packet: bytes, index: int, client: bytes, began: float
    ) -> Answer:
        reply = resolution.reply
        turns = Turns(query, resolution, udp_limit(query))
        data = turns.at(0)[2:]
        size = len(data) + 2
        kind = kind_of(query, reply, resolution, "udp", self._families[index], len(packet) + 2, size)
        label = self._tally.number(kind)
        block = resolution.block
        if block is not None and block.logs:
            remote = (socket.inet_ntop(self._inputs[index].sock.family, host_of(client)), port_of(client))
            flags = int.from_bytes(data[:2], "big")
            logline.write(block, query, reply, flags, kind, remote, time.perf_counter() - began)
            return self._keep(data, label)
        plain = len(packet) == AT + len(query.wire_question) + (PLAIN_OPT if query.edns is not None else 0)
        if not (resolution.shared and plain):
            return self._keep(data, label)
        answer = self._keep(data, label)
        if turns.count == 1:
            self._memo.put(packet, answer, data, resolution.tags)
        else:
            held: list[bytes] = []
            self._turning.put(packet, cycle(_prepared_turns(turns, label, held)), held, resolution.tags)
        return answer

    def _malformed(self, index: int, reply: bytes) -> int:
        query = Query(0, 0, "", b"", 0, 0, None)
        kind = kind_of(query, Reply(Rcode.FORMERR), None, "udp", self._families[index], 0, len(reply))
        return self._tally.number(kind)

    def _delegate(self, index: int, slot: int, packet: bytes) -> bool:
        arrived = self._inputs[index]
        return self._delegate_to(
            Ask(index, arrived.client(slot), arrived.destination(slot), arrived.kept(slot) + packet)
        )


def _prepared_turns(turns: Turns, label: int, held: list[bytes]) -> Iterator[Answer]:
    """Each is made when it comes for the first time, the first last: it was answered already."""
    for turn in (*range(1, turns.count), 0):
        held.append(turns.at(turn)[2:])
        yield prepared(held[-1], label)
