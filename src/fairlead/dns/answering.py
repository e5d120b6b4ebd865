"""Questions from a socket to their answers: packets in batches, most from the memo, the others from the zone's index.

Whoever has a socket to answer uses it: a worker, a process with nothing else to do, or the watcher itself where there
are no workers. It waits for nothing; what needs an upstream is handed on.
"""

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, repeat
from threading import Lock

from fairlead.dns import logline
from fairlead.dns.chain import Chain, Resolution
from fairlead.dns.memo import Memo
from fairlead.dns.messages import Ask
from fairlead.dns.responding import Turns, kind_of, question_of, refusal, udp_limit
from fairlead.dns.tally import Tally
from fairlead.dns.wire import QUESTION_AT, Query, Rcode, Reply, WireError, decode_query
from fairlead.dns.zone import Tag, number_of
from fairlead.host.datagrams import HEADER, SLOTS, Answer, batches, host_of, port_of, prepared

REMEMBERED = 32 << 20  # bytes in each generation of the memo: some 40,000 usual answers
BATCHES_AT_ONCE = 8  # before anything else is heard
PLAIN_OPT = 11  # bytes of an OPT record without options
AT = QUESTION_AT - 2  # where the question begins behind the id
NONE: Answer = b""
_NONE = repeat(NONE)
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
        self._kept: list[bytes] = []  # ends of answers of this batch that no memo keeps

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

    def serve_for_ever(self, index: int, lock: Lock) -> None:
        """What arrives at a socket that blocks, in a thread that has nothing else to do. `lock`: held while packets
        are answered; who calls any other method must hold it too. It stays locked when this raises."""
        wait, serve = self._inputs[index].wait, self._serve
        acquire, release = lock.acquire, lock.release
        while True:
            packets = wait()
            if packets:
                acquire()
                serve(index, packets)
                release()

    def _serve(self, index: int, packets: list[bytes]) -> None:
        began = time.perf_counter()
        young = self._memo.young.get
        answers = list(map(young, packets, _NONE)) if len(packets) > 1 else [young(packets[0], NONE)]
        if all(answers):
            self._inputs[index].reply(answers)
        else:
            self._complete(index, packets, answers)
        self._tally.batch(answers, time.perf_counter() - began)

    def _complete(self, index: int, packets: list[bytes], answers: list[Answer]) -> None:
        """The same for a batch with something in it that has no finished answer."""
        young, turning = self._memo.young.get, self._turning.young.get
        slot = -1
        for _ in range(answers.count(NONE)):
            slot = answers.index(NONE, slot + 1)
            key = packets[slot].lower()
            turns = turning(key)
            answers[slot] = next(turns) if turns is not None else young(key) or self._answer(packets[slot], index, slot)
        if all(answers):
            self._inputs[index].reply(answers)
        else:
            self._inputs[index].reply_to_some(answers)
        self._kept.clear()
        self._memo.settle()
        self._turning.settle()

    def _answer(self, packet: bytes, index: int, slot: int) -> Answer:
        """For what the young memo does not know, however its name is written. `packet`: without its id."""
        end = packet.find(0, AT)
        key = packet[:AT] + packet[AT:end].lower() + packet[end:] if end > 0 else packet
        return self._remembered(key) or self._resolved(key, index, slot, packet)

    def _remembered(self, key: bytes) -> Answer | None:
        turning = self._turning.young.get(key) or self._turning.older(key)
        return next(turning) if turning is not None else self._memo.young.get(key) or self._memo.older(key)

    def _keep(self, reply: bytes, begin: int, label: int) -> Answer:
        answer, end = prepared(reply, begin, label)
        self._kept.append(end)
        return answer

    def _resolved(self, key: bytes, index: int, slot: int, packet: bytes) -> Answer:
        """By the chain of plugins; nothing for what is not answered here. `packet`: as the client wrote it."""
        began = time.perf_counter()
        arrived = self._inputs[index]
        try:
            query = decode_query(arrived.kept(slot) + key)
        except WireError as error:
            return self._keep(error.reply, HEADER, self._malformed(index, error.reply)) if error.reply else NONE
        client = arrived.client(slot)
        resolution: Resolution | None = None
        reply = refusal(query)
        if reply is None:
            if self._chain is None or (not self.ready and self._chain.is_own(query.name)):
                reply = NOT_YET
            else:
                resolution = self._locally(query, number_of(host_of(client)))
                if resolution is None:
                    if self._delegate(index, slot, packet):
                        return NONE
                    reply = NOT_YET
        if resolution is None:
            assert reply is not None
            resolution = Resolution(reply, shared=False)
        return self._finished(query, resolution, key, index, client, began)

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
        self, query: Query, resolution: Resolution, key: bytes, index: int, client: bytes, began: float
    ) -> Answer:
        reply = resolution.reply
        turns = Turns(query, resolution, udp_limit(query))
        data = turns.at(0)
        begin = HEADER + len(query.wire_question)
        kind = kind_of(query, reply, resolution, "udp", self._families[index], len(key) + 2, len(data))
        label = self._tally.number(kind)
        answer = self._keep(data, begin, label)
        block = resolution.block
        if block is not None and block.logs:
            remote = (socket.inet_ntop(self._inputs[index].sock.family, host_of(client)), port_of(client))
            flags = int.from_bytes(data[2:4], "big")
            logline.write(block, query, reply, flags, kind, remote, time.perf_counter() - began)
        elif resolution.shared and _is_key(key, query):
            if turns.count == 1:
                self._memo.put(key, answer, self._kept[-1], resolution.tags)
            else:
                held: list[bytes] = []
                self._turning.put(key, cycle(_prepared_turns(turns, begin, label, held)), held, resolution.tags)
        return answer

    def _malformed(self, index: int, reply: bytes) -> int:
        """Its label."""
        query = Query(0, 0, "", b"", 0, 0, None)
        kind = kind_of(query, Reply(Rcode.FORMERR), None, "udp", self._families[index], 0, len(reply))
        return self._tally.number(kind)

    def _delegate(self, index: int, slot: int, packet: bytes) -> bool:
        arrived = self._inputs[index]
        return self._delegate_to(
            Ask(index, arrived.client(slot), arrived.destination(slot), arrived.kept(slot) + packet)
        )


def _is_key(key: bytes, query: Query) -> bool:
    """Whether packets may be known by it when they are written in lower case as a whole: behind its name are numbers,
    of which some would then be taken for others. Those with an option are each of their own kind."""
    numbers = key[:AT] + query.wire_question[-4:] + key[AT + len(query.wire_question) :]
    plain = len(numbers) == AT + 4 + (PLAIN_OPT if query.edns is not None else 0)
    return plain and numbers.upper() == numbers


def _prepared_turns(turns: Turns, begin: int, label: int, held: list[bytes]) -> Iterator[Answer]:
    """Each is made when it comes for the first time, the first last: it was answered already."""
    for turn in (*range(1, turns.count), 0):
        answer, end = prepared(turns.at(turn), begin, label)
        held.append(end)
        yield answer
