"""The eBPF mode and the one behind it: both have a change, or none of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from fairlead.proxy.mode import ModeError, Node
from fairlead.proxy.modes.ebpf import EbpfMode, ProgramsError
from fairlead.proxy.modes.ebpf.encode import Element
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NODE = Node("node1", "10.244.0.0/16", "10.96.0.0/12", "192.168.109.101")
Services = dict[str, tuple[ServicePort, ...]]


class Maps:
    """As Programs, in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, bytes], bytes] = {}
        self.starts = 0
        self.refuses = False

    def start(self, elements: Sequence[Element]) -> None:
        self.starts += 1
        self.held = {}
        self.change(elements)

    def change(self, elements: Iterable[Element]) -> None:
        if self.refuses:
            raise ProgramsError("no room")
        for name, key, value in elements:
            if value is None:
                self.held.pop((name, key), None)
            else:
                self.held[name, key] = value

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody calls {name} here")


class Packets:
    """As the mode behind."""

    def __init__(self) -> None:
        self.held: Services = {}
        self.refuses = False

    def apply(self, changes: Services) -> None:
        if self.refuses:
            raise ModeError("no")
        self.held |= changes

    def restart(self) -> None:
        self.held = {}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody calls {name} here")


def _service(name: str, *numbers: int, node_port: int | None = None) -> Services:
    endpoints = tuple(Endpoint(f"10.244.1.{number}", 80) for number in numbers)
    address = f"10.97.97.{len(name)}"
    port = ServicePort(ServicePortName("dev", name, "", "TCP"), address, 80, node_port, endpoints=endpoints)
    return {f"dev/{name}": (port,)}


@pytest.fixture
def parts() -> tuple[EbpfMode, Maps, Packets]:
    maps, packets = Maps(), Packets()
    return EbpfMode(maps, packets, NODE, now=lambda: 1), maps, packets  # type: ignore[arg-type]


def test_what_packets_cannot_have_sockets_do_not_have_either(parts: tuple[EbpfMode, Maps, Packets]) -> None:
    mode, maps, packets = parts
    mode.apply(_service("web", 2, 3))
    before = dict(maps.held)
    packets.refuses = True
    changes: list[Services] = [_service("web", 3), _service("web"), _service("other", 4), {"dev/web": ()}]
    for change in changes:
        with pytest.raises(ModeError):
            mode.apply(change)
        assert maps.held == before
    packets.refuses = False
    mode.apply({"dev/web": ()})
    assert maps.held == {}


def test_after_a_refusal_all_is_made_anew(parts: tuple[EbpfMode, Maps, Packets]) -> None:
    mode, maps, _ = parts
    mode.apply(_service("web", 2))
    maps.refuses = True
    with pytest.raises(ModeError, match="no room"):
        mode.apply(_service("other", 2))
    maps.refuses = False
    mode.restart()
    mode.apply({**_service("web", 2), **_service("other", 2)})
    assert maps.starts == 2
    assert len(maps.held) == 4


def test_a_node_port_goes_from_one_service_to_another_in_any_order(parts: tuple[EbpfMode, Maps, Packets]) -> None:
    mode, maps, _ = parts
    mode.apply({**_service("web", 2, node_port=30080), **_service("other", 3)})
    size = len(maps.held)
    for _ in range(2):
        mode.apply({**_service("other", 3, node_port=30080), **_service("web", 2)})
        assert len(maps.held) == size
        mode.apply({**_service("other", 3), **_service("web", 2, node_port=30080)})
        assert len(maps.held) == size
