"""What every way of serving load balancers is: told which Services have which addresses, it makes them answer there."""

from typing import Protocol

from fairlead.loadbalancer.model import Balanced


class Serving(Protocol):
    def serve(self, key: str, balanced: Balanced) -> None:
        """From now on. The Service is keyed "namespace/name"."""

    async def let_go(self, key: str) -> None:
        """Returns when nothing answers for the Service any more."""

    def set_nodes(self, nodes: dict[str, tuple[str, ...]]) -> None:
        """The nodes that may serve: name → addresses."""

    async def run(self) -> None:
        """Until cancelled; what serves goes on."""
