"""What the mode changes: virtual servers, IP sets, addresses on kube-ipvs0, rules, settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairlead.host import namespaces, sysctl
from fairlead.host.ipset import Ipset
from fairlead.host.iptables import Iptables, IptablesError, default_variant, legacy_is_used
from fairlead.host.ipvs import Ipvs
from fairlead.host.local_addresses import LocalAddresses
from fairlead.services.model import Family

DEVICE = "kube-ipvs0"


@dataclass(frozen=True, slots=True)
class Kernel:
    """In one network and one family of addresses."""

    ipvs: Ipvs
    sets: Ipset
    addresses: LocalAddresses
    tables: Iptables
    namespace: Path | None

    @classmethod
    def open(cls, family: Family, namespace: Path | None = None) -> "Kernel":
        """`namespace`: the network, by path; None: this process's own. Raises OSError where the kernel has no IPVS,
        IptablesError where there is no such program."""
        ipv6 = family == "IPv6"
        variant = "iptables-legacy" if legacy_is_used(ipv6=ipv6, namespace=namespace) else default_variant()
        if variant is None:
            raise IptablesError("iptables is not installed")

        def opened() -> tuple[Ipvs, Ipset, LocalAddresses]:
            return Ipvs(), Ipset(family), LocalAddresses(family, DEVICE)

        parts = opened() if namespace is None else namespaces.run_in(namespace, opened)
        return cls(*parts, Iptables(variant, ipv6=ipv6, namespace=namespace), namespace)

    def close(self) -> None:
        for each in (self.ipvs, self.sets, self.addresses):
            each.close()

    def set(self, values: Mapping[str, str]) -> list[str]:
        """Those that this kernel does not let us set."""
        return sysctl.write(values, self.namespace)
