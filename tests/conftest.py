"""What all tests share: no test of ours ever runs where a packet could leave this machine."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from fairlead.host import libc

settings.register_profile("fairlead", deadline=None, print_blob=True)
settings.load_profile("fairlead")


MOST_SKIPPED = 4  # more than a machine may lack: then something is missing that `make setup` should have installed


def pytest_configure(config: pytest.Config) -> None:
    """One of several workers has a network of its own: tests listen at fixed ports, and load rules."""
    if hasattr(config, "workerinput") and os.geteuid() == 0:
        libc.unshare(libc.CLONE_NEWNET)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The virtual machine's file takes longest: begun last, it would keep one worker busy while the others are done."""
    items.sort(key=lambda item: "/tests/vm/" not in str(item.path))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Too many skipped tests fail a run of all of them."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.config.args != session.config.getini("testpaths"):
        return
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped > MOST_SKIPPED and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{skipped} tests were skipped, at most {MOST_SKIPPED} may be", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _has_default_route() -> bool:
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    routes6 = Path("/proc/net/ipv6_route")
    rows = [line.split() for line in routes6.read_text().splitlines()] if routes6.exists() else []
    return any(line.split()[1] == "00000000" and line.split()[7] == "00000000" for line in routes) or any(
        row[:2] == ["0" * 32, "00"] and row[9] != "lo" for row in rows
    )


@pytest.fixture(autouse=True)
def no_way_out(request: pytest.FixtureRequest) -> None:
    """Tests that touch networks refuse to start where a default route exists."""
    if not {"netns", "e2e"} & set(request.keywords):
        return
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if _has_default_route():
        pytest.fail("there is a default route here: run it by tools/in-sandbox.sh, or with `make test`")
