"""The plugins `forward` and `cache` at work: whom to ask, who is healthy, what was said before, and loops."""

import asyncio
import logging
import random
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from fairlead.dns.chain import FAILED, REFUSED, Ask
from fairlead.dns.config.settings import Block, Forward, Settings, Upstream
from fairlead.dns.upstream.connection import Connection
from fairlead.dns.upstream.kept import Found, Question, Replies
from fairlead.dns.wire import Reply, Type, WireError

log = logging.getLogger(__name__)

OVERALL_SECONDS = 5.0
HEALTH_SECONDS = 1.0
FAULTS = (OSError, TimeoutError, WireError, ssl.SSLError)
MOST_WAITING = 10_000  # questions that are on their way at once, whatever the settings say


class _Peer:
    """An upstream and how it does."""

    def __init__(self, upstream: Upstream, settings: Forward, tls: ssl.SSLContext | None) -> None:
        self.connection = Connection(upstream, tls, settings.expire)
        self.name = str(upstream)
        self.fails = 0
        self.check: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self.check is not None:
            self.check.cancel()
        self.connection.close()


class Forwarding:
    """One line `forward` of a Corefile."""

    def __init__(self, settings: Forward, upstreams: list[Upstream]) -> None:
        self._settings = settings
        tls = _tls(settings) if any(each.transport == "tls" for each in upstreams) else None
        self._peers = [_Peer(each, settings, tls) for each in upstreams]
        self._turn = 0
        self._waiting = 0
        self.rejected = 0
        self.broken = 0
        self.replies: Counter[tuple[str, str]] = Counter()  # (upstream, rcode)
        self.seconds: Counter[tuple[str, str]] = Counter()
        self.failed_checks: Counter[str] = Counter()

    async def ask(self, name: str, qtype: int, *, dnssec_ok: bool) -> Reply:
        """What an upstream says; SERVFAIL where none says anything."""
        settings = self._settings
        if self._waiting >= (settings.max_concurrent or MOST_WAITING):
            self.rejected += 1
            return REFUSED
        self._waiting += 1
        last = FAILED
        try:
            async with asyncio.timeout(OVERALL_SECONDS):
                for peer in self._order():
                    reply = await self._ask_one(peer, name, qtype, dnssec_ok=dnssec_ok)
                    if reply is None:
                        continue
                    if reply.rcode not in settings.failover:
                        return reply
                    last = reply
        except TimeoutError:
            log.debug("no upstream has answered %s in time", name)
        finally:
            self._waiting -= 1
        return last

    async def _ask_one(self, peer: _Peer, name: str, qtype: int, *, dnssec_ok: bool) -> Reply | None:
        began = time.monotonic()
        settings = self._settings
        try:
            reply = await peer.connection.ask(
                name, qtype, dnssec_ok=dnssec_ok, tcp=settings.force_tcp, seconds=settings.read_timeout
            )
        except FAULTS as error:
            log.debug("%s does not answer: %r", peer.name, error)
            self._suspect(peer)
            return None
        self.replies[peer.name, reply.rcode.name] += 1
        self.seconds[peer.name, reply.rcode.name] += time.monotonic() - began  # type: ignore[assignment]
        return reply

    def _order(self) -> list[_Peer]:
        settings = self._settings
        peers = list(self._peers)
        match settings.policy:
            case "random":
                random.shuffle(peers)
            case "round_robin":
                self._turn += 1
                at = self._turn % len(peers) if peers else 0
                peers = peers[at:] + peers[:at]
        healthy = [peer for peer in peers if not settings.max_fails or peer.fails < settings.max_fails]
        if healthy:
            return healthy
        self.broken += 1
        return [] if settings.failfast else peers[:1]  # checks may be wrong: one is tried all the same

    def _suspect(self, peer: _Peer) -> None:
        if self._settings.max_fails and (peer.check is None or peer.check.done()):
            peer.check = asyncio.get_running_loop().create_task(self._check(peer))

    async def _check(self, peer: _Peer) -> None:
        """Until it answers, whatever it answers."""
        settings = self._settings
        while True:
            try:
                await peer.connection.ask(
                    settings.health_name,
                    Type.NS,
                    dnssec_ok=False,
                    tcp=settings.force_tcp,
                    seconds=HEALTH_SECONDS,
                    recursion=settings.health_recursion,
                )
            except FAULTS:
                peer.fails += 1
                self.failed_checks[peer.name] += 1
                await asyncio.sleep(settings.health_check)
            else:
                peer.fails = 0
                return

    def close(self) -> None:
        for peer in self._peers:
            peer.close()


class Forwarder:
    """All of a Corefile. Made anew when the settings change."""

    def __init__(self, settings: Settings, servers_of: Callable[[str], list[str]]) -> None:
        """`servers_of`: the name servers that a resolv.conf file names."""
        self.forwardings: dict[int, Forwarding] = {}
        self.caches: dict[int, Replies] = {}
        self.looping = False
        self._probes: set[str] = set()
        self._settings = settings
        self._asking: dict[tuple[int, Question], asyncio.Future[Reply]] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        for block in settings.blocks:
            if block.cache is not None:
                self.caches[id(block)] = Replies(block.cache)
            for forward in block.forwards:
                self.forwardings[id(forward)] = Forwarding(forward, _upstreams(forward, servers_of))

    async def ask(self, ask: Ask, *, dnssec_ok: bool) -> Reply:
        if self._is_probe(ask):
            return REFUSED
        if self.looping:
            return FAILED
        question = (ask.name, ask.type, dnssec_ok)
        cache = self.caches.get(id(ask.block))
        found = cache.get(question, time.monotonic()) if cache is not None else None
        if found is None:
            return await self._once(ask, question)
        return await self._stale(ask, question, found) if found.refresh or found.stale else found.reply

    async def _stale(self, ask: Ask, question: Question, found: Found) -> Reply:
        """Old replies are told while new ones are asked for, or, as the settings say, where there are none."""
        block = ask.block
        if found.stale and block.cache is not None and block.cache.verify:
            reply = await self._once(ask, question)
            return found.reply if reply.rcode == FAILED.rcode else reply
        if found.refresh:
            self._in_background(self._once(ask, question))
        return found.reply

    async def _once(self, ask: Ask, question: Question) -> Reply:
        """One question on the way at a time: who asks the same waits for the same answer."""
        key = id(ask.forward), question
        running = self._asking.get(key)
        if running is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        reply = FAILED
        try:
            reply = await self.forwardings[id(ask.forward)].ask(ask.name, ask.type, dnssec_ok=question[2])
            cache = self.caches.get(id(ask.block))
            if cache is not None:
                cache.refreshed(question)
                reply = cache.put(question, reply, time.monotonic())
        finally:
            del self._asking[key]
            future.set_result(reply)
        return reply

    # Loops: a question that nobody else can know is sent out, and must not come in again.

    def look_for_loops(self) -> None:
        for block in self._settings.blocks:
            if "loop" in block.plugins:
                for forward in block.forwards:
                    self._in_background(self._probe(block, forward))

    async def _probe(self, block: Block, forward: Forward) -> None:
        name = f"{secrets.randbits(63)}.{secrets.randbits(63)}"
        name = f"{name}.{forward.zone}" if forward.zone else name
        self._probes.add(name)
        if len(self._probes) > 64:
            self._probes -= set(islice(self._probes, 1))
        await self.forwardings[id(forward)].ask(name, Type.HINFO, dnssec_ok=False)

    def _is_probe(self, ask: Ask) -> bool:
        if ask.type != Type.HINFO or ask.name not in self._probes:
            return False
        if not self.looping:
            log.error("what is forwarded comes back here: an upstream of the Corefile leads to this server")
        self.looping = True
        return True

    def _in_background(self, work: object) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for forwarding in self.forwardings.values():
            forwarding.close()


def _upstreams(forward: Forward, servers_of: Callable[[str], list[str]]) -> list[Upstream]:
    found = []
    for each in forward.to:
        if isinstance(each, str):
            found += [Upstream(address, 53) for address in servers_of(each)]
        else:
            found.append(replace(each, server_name=each.server_name or forward.tls_server_name))
    return found


def _tls(forward: Forward) -> ssl.SSLContext:
    """`tls [CERT KEY] [CA]`."""
    files = forward.tls_files
    authority = files[-1] if len(files) in (1, 3) else None
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if len(files) >= 2:
        context.load_cert_chain(files[0], files[1])
    return context
