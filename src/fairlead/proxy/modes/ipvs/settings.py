"""The kernel's settings that the mode needs (Documentation/networking/ipvs-sysctl.rst). Pure."""

from fairlead.proxy.mode import Node

_VS = "net.ipv4.vs"


def settings(node: Node, release: str) -> dict[str, str]:
    """`release`: as uname(2) says it."""
    found = {
        f"{_VS}.conntrack": "1",  # so that the rules see these connections
        f"{_VS}.expire_nodest_conn": "1",  # a client whose destination is gone is told so
        f"{_VS}.expire_quiescent_template": "1",  # and one that would stay with it goes elsewhere
        "net.ipv6.conf.all.forwarding" if node.family == "IPv6" else "net.ipv4.ip_forward": "1",
    }
    if _version(release) < (5, 9):  # else a new connection from a port used before waits for a second (#93297)
        found[f"{_VS}.conn_reuse_mode"] = "0"
    if node.ipvs.strict_arp:
        found |= {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
    return found


def _version(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.partition("-")[0].split(".")[:2] if part.isdigit())
