"""What all tests share: no test of ours ever runs where a packet could leave this machine."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("fairlead", deadline=None, print_blob=True)
settings.load_profile("fairlead")


def _has_default_route() -> bool:
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    return any(line.split()[1] == "00000000" and line.split()[7] == "00000000" for line in routes)


@pytest.fixture(autouse=True)
def no_way_out(request: pytest.FixtureRequest) -> None:
    """Tests that touch networks refuse to start where a default route exists."""
    if not {"netns", "e2e"} & set(request.keywords):
        return
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if _has_default_route():
        pytest.fail("there is a default route here: run it by tools/in-sandbox.sh, or with `make test`")
