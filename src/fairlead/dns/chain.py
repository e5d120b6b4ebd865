"""From a question to an answer through the plugins of its server block, in CoreDNS's order. Pure.

`resolve` is a generator: it yields what an upstream must be asked, is sent the reply, and returns the answer. Whoever
cannot ask upstreams (the workers) stops at the first yield and hands the question on.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from fairlead.dns import hosts
from fairlead.dns.answers import Answers
from fairlead.dns.config.rewriting import Question, rewrite, write_back
from fairlead.dns.config.settings import Autopath, Block, Forward, Settings, is_in, matching
from fairlead.dns.wire import IN, Rcode, Record, Reply, Type, WireError, decode_name, encode_name
from fairlead.dns.zone import Tag, Zone

REFUSED = Reply(Rcode.REFUSED, authoritative=False)
FAILED = Reply(Rcode.SERVFAIL, authoritative=False)
LONGEST_CHAIN = 8  # of names that upstreams and the cluster lead to in turn


@dataclass(frozen=True, slots=True)
class Ask:
    """What an upstream shall be asked."""

    block: Block
    forward: Forward
    name: str
    type: int


@dataclass(slots=True)
class Resolution:
    """`tags`: whose change makes the answer old; `shared`: it is the same for every client. `plugin`: who answered."""

    reply: Reply = REFUSED
    tags: set[Tag] = field(default_factory=set)
    shared: bool = True
    plugin: str = ""
    block: Block | None = None


Steps = Generator[Ask, Reply, Resolution]
_Steps = Generator[Ask, Reply, Reply]


class Chain:
    """The plugins over one zone's index. Made anew when the settings change."""

    def __init__(
        self,
        settings: Settings,
        zone: Zone,
        files: Mapping[str, str],
        own_addresses: tuple[bytes, ...] = (),
        search: tuple[str, ...] = (),
    ) -> None:
        """`files`: contents of the hosts files that the settings name; `search`: the node's own search path."""
        self.settings = settings
        self._zone = zone
        self._search = search
        self._answers = {
            id(block): Answers(zone, block.kubernetes, own_addresses)
            for block in settings.blocks
            if block.kubernetes is not None
        }
        self._hosts = {
            id(block): hosts.parse(block.hosts.inline, files.get(block.hosts.file, ""))
            for block in settings.blocks
            if block.hosts is not None
        }

    def answers_for(self, block: Block) -> Answers | None:
        return self._answers.get(id(block))

    def is_own(self, name: str) -> bool:
        """Whether the cluster's own data decides about it."""
        block = self.settings.block_for(name)
        return block is not None and block.kubernetes is not None and matching(name, block.kubernetes.zones) is not None

    def resolve(self, question: Question, client: int) -> Steps:
        """`client`: the number of its address (zone.number_of)."""
        found = Resolution()
        block = self.settings.block_for(question.name)
        if block is None:
            return found
        found.block = block
        rewritten = rewrite(block.rewrites, question)
        asked = rewritten.question
        if asked.klass not in (IN, Type.ANY):
            return found
        search, private = self._search_of(block.autopath, asked.name, client) if block.autopath else ((), False)
        if search:
            reply = yield from self._completed(block, asked, search, found)
        else:
            reply = yield from self._plugins(block, asked, found, 0)
        if private and (reply.rcode == Rcode.NXDOMAIN or found.plugin == "autopath"):
            found.shared = False
        found.reply = write_back(rewritten, reply)
        return found

    # Completion of the search path on the server.

    def _search_of(self, settings: Autopath, name: str, client: int) -> tuple[tuple[str, ...], bool]:
        """The client's search path, if the name is one that it begins with; and whether that depends on the client."""
        if matching(name, settings.zones) is None:
            return (), False
        private = False
        for block in self.settings.blocks:
            zone = block.kubernetes.primary if block.kubernetes is not None else None
            if zone is None or not is_in(name, f"svc.{zone}"):
                continue
            private = True
            for namespace in sorted(self._zone.namespaces_of_pods_at(client)):
                first = f"{namespace}.svc.{zone}"
                if is_in(name, first) and name != first:
                    return (first, f"svc.{zone}", zone, *self._search, ""), True
        return (), private

    def _completed(self, block: Block, asked: Question, search: tuple[str, ...], found: Resolution) -> _Steps:
        """The first name of the path that exists, behind a CNAME; the first denial where none does."""
        base = asked.name[: -len(search[0]) - 1]
        first: Reply | None = None
        for domain in search:
            name = f"{base}.{domain}" if domain else base
            reply = yield from self._plugins(block, replace(asked, name=name), found, 0)
            first = first or reply
            if reply.rcode in (Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NXDOMAIN):
                continue
            if name != asked.name and reply.answers:
                ttl = reply.answers[0].ttl
                alias = Record(asked.name, Type.CNAME, ttl, encode_name(name))
                found.plugin = "autopath"
                return replace(reply, answers=(alias, *reply.answers))
            return reply
        return first or REFUSED

    # The plugins.

    def _plugins(self, block: Block, asked: Question, found: Resolution, depth: int) -> _Steps:
        """hosts, kubernetes, forward."""
        if block.hosts is not None:
            reply = hosts.answer(self._hosts[id(block)], block.hosts, asked.name, asked.type)
            if reply is not None:
                found.plugin = "hosts"
                return reply
        denied: Reply | None = None
        if block.kubernetes is not None:
            answered = self._answers[id(block)].answer(asked.name, asked.type)
            if answered is not None:
                found.tags |= answered.tags
                found.plugin = "kubernetes"
                through = block.kubernetes.fallthrough
                if answered.follow is not None and depth < LONGEST_CHAIN:
                    return (yield from self._followed(answered.reply, answered.follow, asked, found, depth))
                if answered.reply.rcode != Rcode.NXDOMAIN or through is None or matching(asked.name, through) is None:
                    return answered.reply
                denied = answered.reply
        forward = forward_for(block, asked.name)
        if forward is None:
            return denied or REFUSED
        found.plugin = "forward"
        found.shared = False  # it has a lifetime of its own
        reply = yield Ask(block, forward, asked.name, asked.type)
        return reply

    def _followed(self, reply: Reply, target: str, asked: Question, found: Resolution, depth: int) -> _Steps:
        """An external name's own records behind its CNAME. Where nobody can be asked or nobody answers, the CNAME
        alone."""
        block = self.settings.block_for(target)
        if block is None:
            return reply
        other = yield from self._plugins(block, replace(asked, name=target), found, depth + 1)
        found.plugin = "kubernetes"
        if other.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            return reply
        return replace(reply, answers=(*reply.answers, *_chain_of(target, other.answers)))


def _chain_of(name: str, answers: tuple[Record, ...]) -> tuple[Record, ...]:
    """Records that belong to a name or to what its CNAMEs lead to: an upstream's others are not ours to tell."""
    known = {name}
    found = []
    for record in answers:
        if record.name.lower() not in known:
            continue
        found.append(record)
        if record.type == Type.CNAME:
            try:
                known.add(decode_name(record.data, 0)[0].lower())
            except (WireError, IndexError):
                continue
    return tuple(found)


def forward_for(block: Block, name: str) -> Forward | None:
    """The first that is for the name, in the order of the Corefile."""
    for forward in block.forwards:
        if is_in(name, forward.zone) and not any(is_in(name, each) for each in forward.except_):
            return forward
    return None
