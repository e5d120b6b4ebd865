"""One lab for all tests of packets; each mode programs both of its nodes."""

from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.proxy.mode import Mode
from fairlead.services.model import Family, ServicePort
from tests.packetflow.lab import NODES, Lab, lab
from tests.packetflow.modes import MODES, end
from tests.packetflow.rules import rules


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as built:
        yield built


class Proxies:
    """The same mode on both nodes, in one family of addresses."""

    def __init__(self, lab: Lab, mode: str, family: Family = "IPv4") -> None:
        self.lab = lab
        self.mode = mode
        self.family = family
        self.nodes: dict[str, Mode] = {node: MODES[mode](node, lab.namespace(node), family) for node in NODES}

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        for mode in self.nodes.values():
            mode.apply(changes)

    def rules(self, node: str) -> Any:
        return rules(self.mode, self.lab.namespace(node), self.family)

    def clean_up(self) -> None:
        for mode in self.nodes.values():
            mode.clean_up()
            end(mode)
        self.lab.forget_flows()


Kept = dict[tuple[str, Family], Proxies]


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    """Those that tests of a module have one after another: in a virtual machine, one takes a second to start."""
    kept: Kept = {}
    yield kept
    for proxies in kept.values():
        proxies.clean_up()


@pytest.fixture(params=sorted(MODES))
def proxies(request: pytest.FixtureRequest, built: Lab, kept: Kept) -> Iterator[Proxies]:
    mode, family = request.param, request.node.callspec.params.get("family", "IPv4")
    if mode not in getattr(request.module, "KEPT", ()):
        proxies = Proxies(built, mode, family)
        yield proxies
        proxies.clean_up()
        return
    if (mode, family) not in kept:
        kept[mode, family] = Proxies(built, mode, family)
    yield kept[mode, family]
    kept[mode, family].apply({"dev/web": ()})
    built.forget_flows()
