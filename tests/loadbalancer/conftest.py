"""One LAN for all tests; each has a device of its own on it."""

from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.loadbalancer.device.apply import Device
from fairlead.loadbalancer.device.plan import Changes, Planner
from fairlead.loadbalancer.model import Balanced, Frontend
from tests.loadbalancer.lan import NODES, PORT, VIPS, Lan, lan


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    with lan(tmp_path_factory.mktemp("lan")) as built:
        yield built


class Balancing:
    """The device with one Service that answers at all addresses."""

    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self.planner = Planner()
        self.device = lan.run("device", lambda: Device("eth0"))

    def start(self, *everywhere: str, nodes: tuple[str, ...] = (), **fields: Any) -> None:
        """All at once: what is not in the first change is taken away by it."""
        self.apply(
            self.planner.nodes(NODES, dead=())
            | self.planner.everywhere(everywhere or NODES)
            | self._service(nodes, fields)
        )
        self.device.own(VIPS.values())

    def serve(self, nodes: tuple[str, ...] = (), **fields: Any) -> None:
        self.apply(self._service(nodes, fields))

    def _service(self, nodes: tuple[str, ...], fields: dict[str, Any]) -> Changes:
        frontends = tuple(Frontend(vip, protocol, PORT) for vip in VIPS.values() for protocol in ("TCP", "UDP", "SCTP"))
        return self.planner.service("dev/web", Balanced(frontends, local=bool(nodes), **fields), nodes)

    def apply(self, changes: Changes) -> None:
        self.lan.run("device", lambda: self.device.apply(changes))  # nft asks there which interface it is

    def restart(self) -> None:
        """Another process takes over."""
        numbers = self.device.numbers()
        self.device.close()
        self.device = self.lan.run("device", lambda: Device("eth0"))
        assert self.device.numbers() == numbers
        self.planner = Planner({name: numbers[addresses[0]] for name, addresses in NODES.items()})


@pytest.fixture
def balancing(built: Lan) -> Iterator[Balancing]:
    made = Balancing(built)
    yield made
    made.device.clean_up()
    made.device.close()
    built.ip("client", "neigh flush all")
