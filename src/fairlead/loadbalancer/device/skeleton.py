"""The fixed part of the device's table: one hook, chains and empty maps. Pure.

A packet to a frontend goes to one of the nodes of its group, unchanged but for the link's addresses: the node's service
proxy knows the address (ipMode VIP), so the client's is kept, and answers go straight to the client. Which node is a
consistent hash of the connection. Connections that are known stay with their node whatever becomes of the hash.

Numbers: a frontend leads to a group, a group and a bucket to a node, a node to an address. A node that died has another
one's address, so that what it had open is refused at once.

A packet costs by how many expressions it passes, and most by its look-ups. One of an open connection passes four: the
frontend, the flow, the flow's time, the node. What only some Services or some packets need is asked of these alone.
"""

import hashlib

PROTOCOLS = ("tcp", "udp", "sctp")
BUCKETS = 251  # a prime, as Maglev wants it: 1 % of unfairness with up to three nodes, 10 % with twenty
STICKY = 1 << 31  # in a group's number: the client alone decides
FAMILIES = {"4": ("ip", "ipv4_addr"), "6": ("ip6", "ipv6_addr")}
ESTABLISHED, CLOSING = "1h", "30s"  # what is known of a connection outlives its last packet for so long
_TUPLE = "{ip} saddr . {ip} daddr . @th,0,32"  # both ports, as one word
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
        meta protocol ip goto ingress4
        meta protocol ip6 goto ingress6
    }}
"""


def _family(number: str, interface: str) -> str:
    ip, address = FAMILIES[number]
    transport = "ip protocol" if number == "4" else "meta l4proto"
    frontend = f"{ip} daddr . {transport} . th dport"
    if number == "4":
        is_first, is_later, datagram = "ip frag-off & 0x2000 != 0", "ip frag-off & 0x1fff != 0", "ip id"
    else:
        is_first, is_later, datagram = "frag more-fragments 1", "frag frag-off != 0", "frag id"
    fragment = " . ".join(f"jhash {ip} saddr . {ip} daddr . {datagram} mod 0xffffffff seed {seed}" for seed in (1, 2))
    chains = "".join(_protocol(protocol, number) for protocol in PROTOCOLS)
    kinds = "\n        ".join(f"{transport} {each} goto {each}{number}" for each in PROTOCOLS)
    return f"""
    map frontends{number} {{ type {address} . inet_proto . inet_service : mark; }}
    map nodes{number} {{ type mark : {address}; }}
    map fragments{number} {{ {_KEY}; flags dynamic,timeout; timeout 5s; size 65536; }}
    map guarded{number} {{ type {address} . inet_proto . inet_service : mark; }}
    set allowed{number} {{ type {address} . inet_proto . inet_service . {address}; flags interval; }}

    chain forward{number} {{
        {is_first} update @fragments{number} {{ {fragment} : meta mark }}
        fwd {ip} to meta mark map @nodes{number} device "{interface}"
    }}
{chains}
    chain balance{number} {{
        {kinds}
    }}
    chain guard{number} {{
        {frontend} . {ip} saddr @allowed{number} goto balance{number}
        drop
    }}
    chain later{number} {{
        meta mark set {fragment} map @fragments{number} goto forward{number}
    }}
    chain ingress{number} {{
        {is_later} goto later{number}
        meta mark set {frontend} map @frontends{number} goto balance{number}
        meta mark set {frontend} map @guarded{number} goto guard{number}
    }}
"""  # noqa: S608  # these words are nft's, too


def _protocol(protocol: str, number: str) -> str:
    """TCP and SCTP have connections. UDP has none: where its node cannot serve any more, the hash leads to another."""
    ip = FAMILIES[number][0]
    seed = 16 * PROTOCOLS.index(protocol)
    if number == "4":
        key, flow = f"typeof {_TUPLE.format(ip=ip)} : meta mark", _TUPLE.format(ip=ip)
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
    if protocol == "tcp":
        is_bound, is_first = ["tcp flags & (fin | syn | rst) != 0"], "tcp flags & (syn | ack) == syn"
    else:
        is_bound, is_first = ["sctp chunk init exists", "sctp chunk shutdown-complete exists"], "sctp chunk init exists"
    bounds = "\n        ".join(f"{each} goto {protocol}-bound{number}" for each in is_bound)
    return f"""\
    map {flows} {{ {key}; flags dynamic,timeout; timeout {ESTABLISHED}; size 524288; }}
    map {closing} {{ {key}; flags dynamic,timeout; timeout {CLOSING}; size 262144; }}
    chain {protocol}-unknown{number} {{
        meta mark set {flow} map @{closing} {forward}
        {draw(forward)}
    }}
    chain {protocol}-last{number} {{
        update @{closing} {{ {flow} : meta mark }}
        delete @{flows} {{ {flow} : meta mark }}
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
    chain {protocol}-bound{number} {{
        {is_first} goto {protocol}-new{number}
        meta mark set {flow} map @{flows} goto {protocol}-last{number}
        goto {protocol}-unknown{number}
    }}
    chain {protocol}-known{number} {{
        update @{flows} {{ {flow} : meta mark }}
        {forward}
    }}
    chain {protocol}{number} {{
        {bounds}
        meta mark set {flow} map @{flows} goto {protocol}-known{number}
        goto {protocol}-unknown{number}
    }}
"""  # noqa: S608
