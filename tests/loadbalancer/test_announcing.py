"""Nodes that answer for addresses themselves: neighbours find them, and hear when another takes over."""

import selectors
import threading
from collections.abc import Iterator

import pytest

from fairlead.host.netlink import Netlink
from fairlead.loadbalancer.l2.responding import Responder
from fairlead.services.model import Family
from tests.loadbalancer.lan import VIPS, Lan

pytestmark = pytest.mark.netns


class Answering:
    """A responder on each of two nodes, and a thread that answers."""

    def __init__(self, lan: Lan) -> None:
        self.responders = {node: lan.run(node, _responder) for node in "ab"}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        for responder in self.responders.values():
            for each in responder.sockets:
                selector.register(each, selectors.EVENT_READ, responder)
        while not self._ending.is_set():
            for key, _ in selector.select(0.02):
                key.data.respond(key.fileobj)

    def end(self) -> None:
        self._ending.set()
        self._thread.join()
        for each in self.responders.values():
            each.close()


def _responder() -> Responder:
    links = Netlink()
    made = Responder("eth0", links.link_address("eth0"))
    links.close()
    return made


@pytest.fixture
def answering(built: Lan) -> Iterator[Answering]:
    made = Answering(built)
    yield made
    made.end()
    built.ip("client", "neigh flush all")


@pytest.mark.parametrize("family", VIPS)
def test_who_answers_is_found_and_who_takes_over_is_believed_at_once(
    built: Lan, answering: Answering, family: Family
) -> None:
    vip = VIPS[family]
    answering.responders["a"].own([vip])
    assert built.asked(vip, 3) == {"a"}
    answering.responders["a"].own([])
    answering.responders["b"].own([vip])
    assert built.asked(vip, 3) == {"b"}
    assert built.ask(vip, seconds=0.5).startswith("b ")


def test_an_address_that_nobody_owns_is_not_answered_for(built: Lan, answering: Answering) -> None:
    answering.responders["a"].own([VIPS["IPv6"]])
    with pytest.raises(OSError):  # no route to it, or no answer in time
        built.ask(VIPS["IPv4"], seconds=0.5)
