"""From one mode to another: the new one's rules come first, the old one's go then, and connections live through it."""

import json
from itertools import permutations

import pytest

from fairlead.services.model import ServicePort
from tests.packetflow.lab import PATIENCE, Lab
from tests.packetflow.modes import MODES, end, take_over
from tests.packetflow.services import CLUSTER_IP, PORT, A, B, service

pytestmark = pytest.mark.netns

SERVICES: dict[str, tuple[ServicePort, ...]] = {"dev/web": (service(endpoints=(A, B)),)}


@pytest.mark.parametrize(("before", "after"), list(permutations(sorted(MODES), 2)))
def test_no_connection_fails_or_dies(built: Lab, before: str, after: str) -> None:
    old, new = (MODES[mode]("node1", built.namespace("node1")) for mode in (before, after))
    old.apply(SERVICES)
    try:
        with built.open("idle", CLUSTER_IP, PORT) as connection:
            new.apply(SERVICES)
            _serves(built)
            take_over(old, before, after)
            _serves(built)
            connection.settimeout(PATIENCE)
            assert json.loads(connection.recv(1000))["address"] in (A.address, B.address)
        new.apply({"dev/web": ()})
        assert built.connect("idle", CLUSTER_IP, "TCP", PORT).verdict == "reject"  # nothing of the old one is left
    finally:
        for each in (old, new):
            each.clean_up()
            end(each)


def _serves(built: Lab) -> None:
    for _ in range(10):
        assert built.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).verdict == "deliver"
