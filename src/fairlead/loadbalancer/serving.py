"""What every way of serving load balancers is: told which Services have which addresses, it makes them answer there."""

import asyncio
from typing import Protocol

from fairlead.loadbalancer.model import Balanced


class Serving(Protocol):
    def serve(self, key: str, balanced: Balanced) -> None:
        """From now on. The Service is keyed "namespace/name"."""

    async def let_go(self, key: str) -> None:
        """Returns when nothing answers for the Service any more."""

    def set_nodes(self, nodes: dict[str, tuple[str, ...]], leaving: frozenset[str]) -> None:
        """The nodes that there are: name → addresses. Those that leave keep what is open to them and get no more."""

    def start(self) -> None:
        """All that is there has been told."""

    async def run(self) -> None:
        """Until cancelled; what serves goes on."""


class Elsewhere:
    """Others see in the Services' status what they shall serve."""

    def serve(self, key: str, balanced: Balanced) -> None:
        pass

    async def let_go(self, key: str) -> None:
        pass

    def set_nodes(self, nodes: dict[str, tuple[str, ...]], leaving: frozenset[str]) -> None:
        pass

    def start(self) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()
