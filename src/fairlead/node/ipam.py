"""Addresses of a node's pods, out of its podCIDRs: one of each family. Pure.

An address that was freed is used again as late as possible: what still holds it (connections, DNS answers, other nodes'
rules) has the longest time to learn of it.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field


class NoAddressError(Exception):
    """No address is left."""


@dataclass(slots=True)
class Pool:
    """`cidr` such as 10.244.1.0/24 or fd00:10:244:1::/64: the network's first two addresses and its last are not given
    away."""

    cidr: str
    _used: dict[str, str] = field(default_factory=dict)  # address → owner
    _cursor: int = 0

    def allocate(self, owner: str) -> str:
        """The owner's address; the same one when asked again. Raises NoAddressError."""
        for address, holder in self._used.items():
            if holder == owner:
                return address
        network = ipaddress.ip_network(self.cidr)
        usable = network.num_addresses - 3
        for step in range(usable):
            number = (self._cursor + step) % usable
            address = str(network[number + 2])
            if address not in self._used:
                self._used[address] = owner
                self._cursor = (number + 1) % usable
                return address
        raise NoAddressError(f"no IP addresses available in range set: {network[1]}-{network[-2]}")

    def recover(self, taken: Iterable[tuple[str, str]]) -> None:
        """(address, owner) pairs that were given away before the agent restarted."""
        network = ipaddress.ip_network(self.cidr)
        for address, owner in taken:
            self._used[address] = owner
            if (parsed := ipaddress.ip_address(address)) in network:
                number = int(parsed) - int(network.network_address) - 2
                self._cursor = max(self._cursor, number + 1)

    def owners(self) -> set[str]:
        return set(self._used.values())

    def release(self, owner: str) -> None:
        for address in [address for address, holder in self._used.items() if holder == owner]:
            del self._used[address]


@dataclass(frozen=True, slots=True)
class Pools:
    """One of each family that the node has, in its order."""

    pools: tuple[Pool, ...]

    def allocate(self, owner: str) -> list[str]:
        """Raises NoAddressError; then the owner has none."""
        try:
            return [pool.allocate(owner) for pool in self.pools]
        except NoAddressError:
            self.release(owner)
            raise

    def recover(self, taken: Iterable[tuple[Iterable[str], str]]) -> None:
        """(addresses, owner) pairs that were given away before the agent restarted."""
        pairs = [(address, owner) for addresses, owner in taken for address in addresses]
        for pool in self.pools:
            version = ipaddress.ip_network(pool.cidr).version
            pool.recover((address, owner) for address, owner in pairs if (version == 6) == (":" in address))

    def release(self, owner: str) -> None:
        for pool in self.pools:
            pool.release(owner)
