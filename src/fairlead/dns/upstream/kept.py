"""Replies of upstreams, for as long as they may be told again (RFC 2308, RFC 8767; CoreDNS's plugin `cache`). Pure.

Nothing of the cluster's own is ever kept here.
"""

from collections import OrderedDict
from dataclasses import dataclass

from msgspec.structs import replace

from fairlead.dns.config.settings import Cache, Kept, is_in
from fairlead.dns.wire import Rcode, Record, Reply, Type

Question = tuple[str, int, bool]  # name, type, with DNSSEC's records
_SOA_MINIMUM = 4  # bytes at the end of a SOA's data


@dataclass(slots=True)
class _Entry:
    reply: Reply
    since: float
    until: float
    asked: int = 0
    last: float = 0.0
    refreshing: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """`refresh`: ask again in the background; `stale`: its time is over."""

    reply: Reply
    stale: bool = False
    refresh: bool = False


class Replies:
    """Of one plugin `cache`. `now` is a clock in seconds."""

    def __init__(self, settings: Cache) -> None:
        self._settings = settings
        self.zones = ",".join(f"{zone}." for zone in settings.zones)
        self._success: OrderedDict[Question, _Entry] = OrderedDict()
        self._denial: OrderedDict[Question, _Entry] = OrderedDict()
        self.hits = {"success": 0, "denial": 0}
        self.misses = 0

    def sizes(self) -> dict[str, int]:
        return {"success": len(self._success), "denial": len(self._denial)}

    def get(self, question: Question, now: float) -> Found | None:
        for kind, entries in (("success", self._success), ("denial", self._denial)):
            entry = entries.get(question)
            if entry is None:
                continue
            if now >= entry.until + self._settings.serve_stale:
                del entries[question]
                continue
            entries.move_to_end(question)
            self.hits[kind] += 1
            stale = now >= entry.until
            return Found(self._aged(entry, now), stale, self._wants_refresh(entry, now, stale=stale))
        self.misses += 1
        return None

    def _aged(self, entry: _Entry, now: float) -> Reply:
        if self._settings.keep_ttl and now < entry.until:
            return entry.reply
        left = max(0, int(entry.until - now))

        def aged(records: tuple[Record, ...]) -> tuple[Record, ...]:
            return tuple(replace(each, ttl=left) for each in records)

        reply = entry.reply
        return replace(
            reply,
            answers=aged(reply.answers),
            authority=aged(reply.authority),
            additional=aged(reply.additional),
            authoritative=False,
        )

    def _wants_refresh(self, entry: _Entry, now: float, *, stale: bool) -> bool:
        settings = self._settings
        entry.asked = entry.asked + 1 if now - entry.last <= settings.prefetch_gap else 1
        entry.last = now
        late = entry.until - now < max(1.0, (entry.until - entry.since) * settings.prefetch_percent / 100)
        popular = settings.prefetch > 0 and entry.asked >= settings.prefetch and late
        if (stale or popular) and not entry.refreshing:
            entry.refreshing = True
            return True
        return False

    def refreshed(self, question: Question) -> None:
        """A refresh has ended, well or not."""
        for entries in (self._success, self._denial):
            if (entry := entries.get(question)) is not None:
                entry.refreshing = False

    def put(self, question: Question, reply: Reply, now: float) -> Reply:
        """The reply as the client shall see it: with the lifetime that it is kept for."""
        denied = reply.rcode == Rcode.NXDOMAIN or (reply.rcode == Rcode.NOERROR and not _answers(reply, question[1]))
        if not any(is_in(question[0], zone) for zone in self._settings.zones):
            return reply
        if reply.rcode == Rcode.SERVFAIL:
            self._keep(self._denial, self._settings.denial, question, reply, self._settings.servfail, now)
            return reply
        if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN) or (denied and not _soa(reply)):
            return reply
        kept = self._settings.denial if denied else self._settings.success
        if kept.disabled is not None and any(is_in(question[0], zone) for zone in kept.disabled):
            return reply
        ttl = max(kept.least, min(kept.ttl, _lifetime(reply, denied=denied)))
        entries, other = (self._denial, self._success) if denied else (self._success, self._denial)
        other.pop(question, None)
        return self._keep(entries, kept, question, reply, ttl, now)

    def _keep(
        self, entries: OrderedDict[Question, _Entry], kept: Kept, question: Question, reply: Reply, ttl: int, now: float
    ) -> Reply:
        if ttl <= 0 or kept.capacity <= 0:
            return reply
        entry = entries[question] = _Entry(reply, now, now + ttl, last=now)
        if len(entries) > kept.capacity:
            entries.popitem(last=False)
        return replace(self._aged(entry, now), authoritative=reply.authoritative)


def _answers(reply: Reply, qtype: int) -> bool:
    return any(record.type == qtype or qtype == Type.ANY for record in reply.answers)


def _soa(reply: Reply) -> list[Record]:
    return [record for record in reply.authority if record.type == Type.SOA]


def _lifetime(reply: Reply, *, denied: bool) -> int:
    ttls = [record.ttl for record in (*reply.answers, *reply.authority, *reply.additional)]
    if denied:
        ttls += [int.from_bytes(record.data[-_SOA_MINIMUM:], "big") for record in _soa(reply)]
    return min(ttls, default=0)
