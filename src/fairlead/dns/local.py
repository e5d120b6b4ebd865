"""The Service's address on this node itself, past connection tracking and NAT, as NodeLocal DNSCache has it.

The address is one of the loopback interface, and rules before connection tracking let its packets through untracked, so
that no other rule of the node redirects them. The rules' table is owned by this process's socket (nft(8), `flags
owner`): however the process ends, the kernel takes them away, and the proxy leads to another node's DNS.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from ipaddress import ip_address

from fairlead.host.netlink import Netlink
from fairlead.host.nft import NftError, run_and_own

log = logging.getLogger(__name__)

TABLE = "fairlead-dns"
LOOPBACK = "lo"


def rules(addresses: Sequence[str], port: int) -> str:
    """Packets to and from the address and port are not tracked. At other ports nobody is at home: without a rule, what
    listens on every address of the node would answer there. Pure."""
    untracked, refused = [], []
    for address in addresses:
        family = "ip6" if ip_address(address).version == 6 else "ip"
        for protocol in ("udp", "tcp"):
            untracked += [
                f"{family} daddr {address} {protocol} dport {port} notrack",
                f"{family} saddr {address} {protocol} sport {port} notrack",
            ]
        refused += [
            f"ct state new {family} daddr {address} udp dport != {port} reject",
            f"ct state new {family} daddr {address} tcp dport != {port} reject with tcp reset",
        ]
    lines = "\n        ".join
    return f"""\
table inet {TABLE} {{
    flags owner
    chain prerouting {{
        type filter hook prerouting priority raw; policy accept;
        {lines(untracked)}
    }}
    chain output {{
        type filter hook output priority raw; policy accept;
        {lines(untracked)}
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        {lines(refused)}
    }}
}}
"""


class LocalAddresses:
    def __init__(self, addresses: Sequence[str], port: int) -> None:
        self._addresses = tuple(addresses)
        self._port = port
        self._owner = -1  # the socket that the rules live as long as

    def add_addresses(self) -> None:
        """Raises OSError. Without the rules they change nothing: NAT comes before routing."""
        with contextlib.closing(Netlink()) as netlink:
            index = netlink.link_index(LOOPBACK)
            for address in self._addresses:
                length = 128 if ip_address(address).version == 6 else 32
                netlink.address_add(index, f"{address}/{length}", scope="host")

    def apply_or_log(self) -> None:
        """From now on questions to the addresses are answered here. Without rules, the proxy leads them to some node,
        which answers them too."""
        if self._owner >= 0 or not self._addresses:
            return
        try:
            self._owner = run_and_own(rules(self._addresses, self._port))
        except (OSError, NftError):
            log.exception("the Service's address is not answered on this node itself")

    def remove(self) -> None:
        """The rules go; the addresses stay, where they do no harm, for the next process."""
        self.forget()

    def forget(self) -> None:
        """In a child: its copy of the socket must not keep the rules alive when the parent is gone."""
        if self._owner >= 0:
            os.close(self._owner)
            self._owner = -1
