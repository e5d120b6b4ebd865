"""The IP sets, by kube-proxy's names (pkg/proxy/ipvs/ipset.go), and four of our own. Pure.

What is in them is also the record of what is ours: a virtual server that no set knows is somebody else's.
"""

from fairlead.host.ipset import Set
from fairlead.services.model import Family

PORT, BITMAP = "hash:ip,port", "bitmap:port"
_KINDS = {
    "LOOP-BACK": "hash:ip,port,ip",  # endpoints here, each with itself: who dials itself is masqueraded
    "CLUSTER-IP": PORT,
    "EXTERNAL-IP": PORT,
    "EXTERNAL-IP-LOCAL": PORT,
    "LOAD-BALANCER": PORT,
    "LOAD-BALANCER-LOCAL": PORT,
    "LOAD-BALANCER-FW": PORT,
    "LOAD-BALANCER-SOURCE-IP": "hash:ip,port,ip",
    "LOAD-BALANCER-SOURCE-CIDR": "hash:ip,port,net",
    "NODE-PORT-TCP": BITMAP,
    "NODE-PORT-LOCAL-TCP": BITMAP,
    "NODE-PORT-UDP": BITMAP,
    "NODE-PORT-LOCAL-UDP": BITMAP,
    "NODE-PORT-SCTP-HASH": PORT,
    "NODE-PORT-LOCAL-SCTP-HASH": PORT,
    "IPVS-IPS": "hash:ip",  # the addresses on kube-ipvs0
    "NO-ENDPOINTS": PORT,
    "NOT-HERE": PORT,  # internal policy Local, and only other nodes have endpoints
    "LOCAL-ONLY": PORT,  # external policy Local, the same: silence for those outside
    "SHORT-CUT": PORT,  # external policy Local: the mark by which pods and the node itself come to all endpoints
}
LONGEST = 31
_MARKED = "SHORT-CUT"


def sets(family: Family) -> dict[str, Set]:
    """By their names without "KUBE-". In full, one would be too long."""
    prefix = "KUBE-6-" if family == "IPv6" else "KUBE-"
    return {name: Set((prefix + name)[:LONGEST], kind, name == _MARKED) for name, kind in _KINDS.items()}
