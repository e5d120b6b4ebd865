"""The section `ipvs` of a KubeProxyConfiguration (KubeProxyIPVSConfiguration). Pure."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.client.config import ConfigError
from fairlead.proxy.kernel_settings import seconds

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh", "ovf", "fo", "twos")
TIMEOUTS = ("tcpTimeout", "tcpFinTimeout", "udpTimeout")


@dataclass(frozen=True, slots=True)
class IpvsSettings:
    """`exclude_cidrs`: virtual servers there are left alone where Services have none. `timeouts`: seconds that a
    connection is remembered for (TCP, TCP after a FIN, UDP); 0: as the kernel has it."""

    scheduler: str = "rr"
    strict_arp: bool = False
    exclude_cidrs: tuple[str, ...] = ()
    timeouts: tuple[int, int, int] = (0, 0, 0)


USUAL = IpvsSettings()


def ipvs_settings(configuration: Mapping[str, Any]) -> IpvsSettings:
    """Raises ConfigError that names the field."""
    given = configuration.get("ipvs") or {}
    scheduler = given.get("scheduler") or "rr"
    if scheduler not in SCHEDULERS:
        raise ConfigError(
            f'ipvs.scheduler: Unsupported value: "{scheduler}": supported values: '
            + ", ".join(f'"{name}"' for name in SCHEDULERS)
        )
    tcp, fin, udp = (seconds(f"ipvs.{name}", given.get(name) or "0s") for name in TIMEOUTS)
    return IpvsSettings(
        scheduler, bool(given.get("strictARP")), tuple(_ranges(given.get("excludeCIDRs"))), (tcp, fin, udp)
    )


def _ranges(given: object) -> list[str]:
    if not isinstance(given, list | None):
        raise ConfigError(f"ipvs.excludeCIDRs: Invalid value: {given!r}: must be a list of ranges")
    for each in given or ():
        try:
            ipaddress.ip_network(str(each))
        except ValueError as error:
            raise ConfigError(f"ipvs.excludeCIDRs: Invalid value: {each!r}: must be a valid CIDR block") from error
    return [str(each) for each in given or ()]
