"""Elements by netlink are those that nft lists, and a change that is refused makes nothing."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from fairlead.host.nfnetlink import NfnetlinkError, SetElements, element

pytestmark = pytest.mark.netns

TABLE = """
add table ip fl-test
delete table ip fl-test
table ip fl-test {
    set addresses { type ipv4_addr; }
    map verdicts { type ipv4_addr : verdict; }
    chain there { }
}
"""


@pytest.fixture
def elements() -> Iterator[SetElements]:
    subprocess.run(["nft", "-f", "-"], input=TABLE, text=True, check=True)
    elements = SetElements("fl-test")
    yield elements
    elements.close()
    subprocess.run(["nft", "delete", "table", "ip", "fl-test"], check=True)


def key(number: int) -> bytes:
    return bytes((10, 0, number >> 8, number & 255))


def address(number: int) -> bytes:
    return element(key(number))


def listed(name: str) -> int:
    done = subprocess.run(
        ["nft", "-j", "list", "set", "ip", "fl-test", name], capture_output=True, text=True, check=True
    )
    (found,) = (item["set"] for item in json.loads(done.stdout)["nftables"] if "set" in item)
    return len(found.get("elem", ()))


@pytest.mark.parametrize("count", [1, 199, 200, 201, 5000])
def test_many_are_made_and_taken_away(elements: SetElements, count: int) -> None:
    many = [("addresses", address(number)) for number in range(count)]
    elements.change([], many)
    assert listed("addresses") == count
    elements.change(many[:-1], [])
    assert listed("addresses") == 1
    elements.change(many[-1:], many)  # removals come first
    assert listed("addresses") == count


def test_a_change_that_is_refused_makes_nothing(elements: SetElements) -> None:
    for removed, added in (
        ([("addresses", address(1))], [("addresses", address(2))]),  # is not there
        ([], [("addresses", address(3)), ("none", address(4))]),
        ([], [("addresses", address(5)), ("verdicts", element(key(5), goto="missing"))]),
        ([], [("addresses", address(6)), ("addresses", element(b"too long a key!!"))]),
    ):
        with pytest.raises(NfnetlinkError):
            elements.change(removed, added)
        assert listed("addresses") == 0
    elements.change([], [("verdicts", element(key(5), goto="there"))])
    elements.change([], [])
