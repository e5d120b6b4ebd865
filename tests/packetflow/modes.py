"""How each mode of the proxy is put to work on a node of the lab."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fairlead.host import namespaces
from fairlead.host.nft import Nft
from fairlead.proxy.modes.nftables import NftablesMode
from fairlead.services.model import ServicePort
from tests.packetflow.lab import POD_CIDR, SERVICE_CIDR


class Mode(Protocol):
    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None: ...

    def clean_up(self) -> None: ...


def _nftables(node: str, namespace: Path) -> Mode:
    return NftablesMode(namespaces.run_in(namespace, Nft), node, POD_CIDR, SERVICE_CIDR)


MODES: dict[str, Callable[[str, Path], Mode]] = {"nftables": _nftables}
