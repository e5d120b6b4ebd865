"""The fixed part of the device's table: one hook, chains and empty maps. Pure.

A packet to a frontend goes to one of the nodes of its group, unchanged but for the link's addresses: the node's service
proxy knows the address (ipMode VIP), so the client's is kept, and answers go straight to the client. Which node is a
consistent hash of the connection. Connections that are known stay with their node whatever becomes of the hash.

Numbers: a frontend leads to a group, a group and a bucket to a node, a node to an address. A node that died has another
one's address, so that what it had open is refused at once.
"""

import hashlib

PROTOCOLS = ("tcp", "udp", "sctp")
BUCKETS = 251  # a prime, as Maglev wants it: 1 % of unfairness with up to three nodes, 10 % with twenty
STICKY = 1 << 31  # in a group's number: the client alone decides
FAMILIES = {"4": ("ip", "ipv4_addr"), "6": ("ip6", "ipv6_addr")}
ESTABLISHED, CLOSING = "1h", "30s"  # what is known of a connection outlives its last packet for so long
_TUPLE = "{ip} saddr . {ip} daddr . th sport . th dport"
_FLOW = " . ".join(f"jhash {_TUPLE} mod 0xffffffff seed {{{seed}}}" for seed in ("one", "two"))
# Numbers of 32 bits. By the name of what they come from, jhash, nft 1.0.6 would crash where it lists them.
_KEY = "typeof numgen random mod 2 . numgen random mod 2 : meta mark"


def table_name(interface: str) -> str:
    """Says what is in it: who finds it there need not read it."""
    return f"fairlead-lb-{hashlib.sha256(_body(interface).encode()).hexdigest()[:12]}"


def skeleton(interface: str) -> str:
    """In the family `netdev`: packets are taken before the machine's own network sees them."""
    return f"table netdev {table_name(interface)} {{\n{_body(interface)}}}\n"


def _body(interface: str) -> str:
    families = "".join(_family(number, interface) for number in FAMILIES)
    return f"""\
    map buckets {{ typeof meta mark . numgen random mod {BUCKETS} : meta mark; }}
{families}
    chain ingress {{
        type filter hook ingress device "{interface}" priority 0; policy accept;
        meta protocol vmap {{ ip : goto ingress4, ip6 : goto ingress6 }}
    }}
"""


def _family(number: str, interface: str) -> str:
    ip, address = FAMILIES[number]
    frontend = f"{ip} daddr . meta l4proto . th dport"
    if number == "4":
        is_first, is_later, datagram = "ip frag-off & 0x2000 != 0", "ip frag-off & 0x1fff != 0", "ip id"
    else:
        is_first, is_later, datagram = "frag more-fragments 1", "frag frag-off != 0", "frag id"
    fragment = " . ".join(f"jhash {ip} saddr . {ip} daddr . {datagram} mod 0xffffffff seed {seed}" for seed in (1, 2))
    chains = "".join(_protocol(protocol, number) for protocol in PROTOCOLS)
    return f"""
    map frontends{number} {{ type {address} . inet_proto . inet_service : mark; }}
    map nodes{number} {{ type mark : {address}; }}
    map fragments{number} {{ {_KEY}; flags dynamic,timeout; timeout 5s; size 65536; }}
    set guarded{number} {{ type {address} . inet_proto . inet_service; }}
    set allowed{number} {{ type {address} . inet_proto . inet_service . {address}; flags interval; }}

    chain forward{number} {{
        {is_first} update @fragments{number} {{ {fragment} : meta mark }}
        fwd {ip} to meta mark map @nodes{number} device "{interface}"
    }}
{chains}
    chain firewall{number} {{
        {frontend} . {ip} saddr @allowed{number} return
        drop
    }}
    chain balance{number} {{
        meta l4proto vmap {{ {", ".join(f"{each} : goto {each}{number}" for each in PROTOCOLS)} }}
    }}
    chain later{number} {{
        meta mark set {fragment} map @fragments{number} goto forward{number}
    }}
    chain ingress{number} {{
        {is_later} goto later{number}
        {frontend} @guarded{number} jump firewall{number}
        meta mark set {frontend} map @frontends{number} goto balance{number}
    }}
"""  # noqa: S608  # these words are nft's, too


def _protocol(protocol: str, number: str) -> str:
    """TCP and SCTP have connections. UDP has none: where its node cannot serve any more, the hash leads to another."""
    ip = FAMILIES[number][0]
    seed = 16 * PROTOCOLS.index(protocol)
    if number == "4":
        key, flow = "type ipv4_addr . ipv4_addr . inet_service . inet_service : mark", _TUPLE.format(ip=ip)
    else:  # more than nft 1.0.6 has registers for, beside what a map leads to
        key, flow = _KEY, _FLOW.format(ip=ip, one=seed + 1, two=seed + 2)
    flows, closing = f"{protocol}-flows{number}", f"{protocol}-closing{number}"
    forward = f"goto forward{number}"

    def draw(then: str) -> str:
        def by(what: str) -> str:
            return f"meta mark set meta mark . jhash {what} mod {BUCKETS} seed {seed + 3} map @buckets {then}"

        return f"meta mark & {STICKY:#x} != 0 {by(f'{ip} saddr')}\n        {by(_TUPLE.format(ip=ip))}"

    if protocol == "udp":
        return f"    chain udp{number} {{\n        {draw(forward)}\n    }}\n"
    is_first = "tcp flags & (syn | ack) == syn" if protocol == "tcp" else "sctp chunk init exists"
    is_last = "tcp flags & (fin | rst) != 0" if protocol == "tcp" else "sctp chunk shutdown-complete exists"
    return f"""\
    map {flows} {{ {key}; flags dynamic,timeout; timeout {ESTABLISHED}; size 524288; }}
    map {closing} {{ {key}; flags dynamic,timeout; timeout {CLOSING}; size 262144; }}
    chain {protocol}-last{number} {{
        update @{closing} {{ {flow} : meta mark }}
        delete @{flows} {{ {flow} : meta mark }}
        {forward}
    }}
    chain {protocol}-known{number} {{
        {is_last} goto {protocol}-last{number}
        update @{flows} {{ {flow} : meta mark }}
        {forward}
    }}
    chain {protocol}-first{number} {{
        delete @{closing} {{ {flow} : meta mark }}
        delete @{flows} {{ {flow} : meta mark }}
        update @{flows} {{ {flow} : meta mark }}
        {forward}
    }}
    chain {protocol}-new{number} {{
        {draw(f"goto {protocol}-first{number}")}
    }}
    chain {protocol}{number} {{
        {is_first} goto {protocol}-new{number}
        meta mark set {flow} map @{flows} goto {protocol}-known{number}
        meta mark set {flow} map @{closing} {forward}
        {draw(forward)}
    }}
"""  # noqa: S608
