"""The ipvs mode, in a virtual machine whose kernel has IPVS: it boots once, and runs these tests."""

import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.vm import machine

INSIDE = (
    "tests.packetflow.ipvs.test_kernel",
    "tests.packetflow.ipvs.test_kernel_settings",
    "tests.packetflow.ipvs.test_changes",
    "tests.packetflow.test_services",
    "tests.packetflow.test_affinity",
    "tests.packetflow.test_changes",
    "tests.packetflow.test_switching",
    "tests.packetflow.test_udp_flows",
    "tests.packetflow.test_node_port_addresses",
    "tests.e2e.test_section_1_3_ipvs",
)
# Of IPv6, Services that have something of everything; of other modes, what no other kernel of the tests has.
WHICH = (
    "(ipvs and not IPv6 and not evenly) or (ipvs and IPv6 and (both or open or sticky)) or (SCTP and Local and IPv4)"
)
SECONDS = 900  # a machine that does nothing else needs a sixth of that


@dataclass(slots=True)
class Outcome:
    """Of one file's tests."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Outcome]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = " ".join(f"{name.replace('.', '/')}.py" for name in INSIDE)
        command = f".venv/bin/pytest -p no:cacheprovider -q -k '{WHICH}' --junit-xml=$SHARED/report.xml {files}"
        try:
            said = list(machine.run(command, Path(folder), SECONDS))
        except machine.CannotRunError as why:
            pytest.skip(str(why))
        if not report.exists():
            pytest.fail(f"the virtual machine did not finish within {SECONDS} s:\n{''.join(said)}")
        yield _read(report)


def _read(report: Path) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = found.setdefault(case.get("classname", ""), Outcome())
        trouble = [each for each in case if each.tag in ("failure", "error", "skipped")]
        if trouble:
            outcome.failures += [
                f"{case.get('name')}: {each.tag}\n{each.text or each.get('message')}" for each in trouble
            ]
        else:
            outcome.passed += 1
    return found


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize("name", INSIDE)
def test_in_the_virtual_machine(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes.get(name, Outcome())
    assert not outcome.failures, "\n\n".join(outcome.failures)
    assert outcome.passed
