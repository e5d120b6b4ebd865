"""The plugin `log`: a line for each query, in CoreDNS's formats. Pure, but for the print."""

import re

from fairlead.dns.config.settings import Block, is_in
from fairlead.dns.tally import Kind
from fairlead.dns.wire import Query, Rcode, Reply, Type

COMMON = (
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" '
    "{rcode} {>rflags} {rsize} {duration}"
)
COMBINED = COMMON + " {>opcode}"
CLASSES = {1: "IN", 3: "CH", 4: "HS", 255: "ANY"}
_PLACE = re.compile(r"\{(>?/?[\w/]+)\}")


def class_of(reply: Reply) -> str:
    """success, denial or error."""
    if reply.rcode == Rcode.NXDOMAIN or (reply.rcode == Rcode.NOERROR and not reply.answers):
        return "denial"
    return "success" if reply.rcode == Rcode.NOERROR else "error"


def write(block: Block, query: Query, reply: Reply, kind: Kind, remote: tuple[str, int], seconds: float) -> None:
    """To standard output, where a rule of the block wants it."""
    for line in lines(block, query, reply, kind, remote, seconds):
        print(f"[INFO] {line}", flush=True)


def lines(block: Block, query: Query, reply: Reply, kind: Kind, remote: tuple[str, int], seconds: float) -> list[str]:
    found = []
    for rule in block.logs:
        wanted = "all" in rule.classes or class_of(reply) in rule.classes
        if not wanted or not any(is_in(query.name, zone) for zone in rule.zones):
            continue
        template = rule.template.replace("{common}", COMMON).replace("{combined}", COMBINED)
        values = _values(query, reply, kind, remote, seconds)
        found.append(_PLACE.sub(lambda match: values.get(match[1], "-"), template))  # noqa: B023  # used at once
    return found


def _values(query: Query, reply: Reply, kind: Kind, remote: tuple[str, int], seconds: float) -> dict[str, str]:
    host, port = remote
    types = {int(each): each.name for each in Type}
    edns = query.edns
    return {
        "remote": f"[{host}]" if ":" in host else host,
        "port": str(port),
        "name": f"{query.name}.",
        "type": types.get(query.type, f"TYPE{query.type}"),
        "class": CLASSES.get(query.klass, f"CLASS{query.klass}"),
        "proto": kind.transport,
        "size": str(kind.asked),
        "duration": f"{seconds:.9f}s",
        "rcode": reply.rcode.name,
        "rsize": str(kind.replied),
        ">id": str(query.id),
        ">opcode": str(query.opcode),
        ">do": str(kind.dnssec_ok).lower(),
        ">bufsize": str(edns.udp_size if edns is not None else 512),
        ">rflags": _flags(query, reply),
        "/log/class": class_of(reply),
    }


def _flags(query: Query, reply: Reply) -> str:
    set_ = (
        ("qr", True),
        ("aa", reply.authoritative),
        ("rd", bool(query.flags & 0x0100)),
        ("ra", reply.recursion),
        ("ad", reply.authentic),
        ("cd", bool(query.flags & 0x0010)),
    )
    return ",".join(name for name, is_set in set_ if is_set)
