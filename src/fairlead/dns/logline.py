"""The plugin `log`: a line for each query, in CoreDNS's formats. Pure, but for the print."""

import re

from fairlead.dns.config.settings import Block, is_in
from fairlead.dns.tally import Kind
from fairlead.dns.wire import AA, AD, CD, QR, RA, RD, TC, Query, Rcode, Reply, Type

COMMON = (
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" '
    "{rcode} {>rflags} {rsize} {duration}"
)
COMBINED = COMMON + ' "{>opcode}"'
CLASSES = {1: "IN", 3: "CH", 4: "HS", 255: "ANY"}
TYPES = {int(each): each.name for each in Type}
TYPES |= {
    35: "NAPTR",
    43: "DS",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    50: "NSEC3",
    64: "SVCB",
    65: "HTTPS",
    257: "CAA",
}
FLAGS = {"qr": QR, "aa": AA, "tc": TC, "rd": RD, "ra": RA, "z": 0x0040, "ad": AD, "cd": CD}  # in CoreDNS's order
_PLACE = re.compile(r"\{(>?/?[\w/]+)\}")


def class_of(reply: Reply) -> str:
    """success, denial or error."""
    if reply.rcode == Rcode.NXDOMAIN or (reply.rcode == Rcode.NOERROR and not reply.answers):
        return "denial"
    return "success" if reply.rcode == Rcode.NOERROR else "error"


def write(
    block: Block, query: Query, reply: Reply, flags: int, kind: Kind, remote: tuple[str, int], seconds: float
) -> None:
    """To standard output, where a rule of the block wants it. `flags`: the finished answer's."""
    line = line_of(block, query, reply, flags, kind, remote, seconds)
    if line is not None:
        print(f"[INFO] {line}", flush=True)


def line_of(
    block: Block, query: Query, reply: Reply, flags: int, kind: Kind, remote: tuple[str, int], seconds: float
) -> str | None:
    """By the first rule that is for the name; none where that is for other classes."""
    for rule in block.logs:
        if any(is_in(query.name, zone) for zone in rule.zones):
            if "all" not in rule.classes and class_of(reply) not in rule.classes:
                return None
            template = rule.template.replace("{common}", COMMON).replace("{combined}", COMBINED)
            values = _values(query, reply, flags, kind, remote, seconds)
            return _filled(template, values)
    return None


def _filled(template: str, values: dict[str, str]) -> str:
    return _PLACE.sub(lambda match: values.get(match[1], "-"), template)


def _values(
    query: Query, reply: Reply, flags: int, kind: Kind, remote: tuple[str, int], seconds: float
) -> dict[str, str]:
    host, port = remote
    edns = query.edns
    return {
        "remote": f"[{host}]" if ":" in host else host,
        "port": str(port),
        "name": f"{query.name}.",
        "type": TYPES.get(query.type, f"TYPE{query.type}"),
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
        ">rflags": ",".join(name for name, bit in FLAGS.items() if flags & bit),
        "/log/class": class_of(reply),
    }
