"""One cluster for all walks through the chapter; each walk makes and deletes the namespace `dev`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, installed, the_newest
from tests.e2e.machine import REPOSITORY, Machine, sandbox

# Of a kernel that has IPVS: tests/vm runs it in one.
collect_ignore = [] if Path("/proc/net/ip_vs").exists() else ["test_section_1_3_ipvs.py"]
CHAPTER = REPOSITORY / "examples/chapter"


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    with sandbox() as machine:
        yield machine


@pytest.fixture(scope="session")
def cluster(machine: Machine) -> Iterator[Machine]:
    """`fairlead up`, with the chapter's image; torn down at the end with `fairlead down`."""
    machine.fairlead("image", "from-package", "nginx", "--tag", "nginx:1.17.1", seconds=120).ok()
    machine.fairlead("up", seconds=120).ok()
    yield machine
    machine.fairlead("down", seconds=60).ok()


@pytest.fixture(params=sorted(installed()))
def kubectl(request: pytest.FixtureRequest, cluster: Machine) -> Iterator[Kubectl]:
    """Each kubectl in turn, in a cluster that has an empty namespace `dev`."""
    kubectl = Kubectl(cluster, installed()[request.param])
    kubectl("create ns dev").ok()
    yield kubectl
    kubectl("delete ns dev").ok()


@pytest.fixture
def chapter() -> Path:
    return CHAPTER


@pytest.fixture
def application(request: pytest.FixtureRequest) -> dict[str, str]:
    """The chapter's Deployment, running, each pod with its own page. Pod name to address."""
    kubectl: Kubectl = request.getfixturevalue("newest" if "newest" in request.fixturenames else "kubectl")
    kubectl(f"create -f {CHAPTER}/deployment.yaml").ok()
    kubectl("rollout status deployment/pc-deployment -n dev --timeout=30s").ok()
    pods = {row["NAME"]: row["IP"] for row in kubectl.rows("get pods -n dev -o wide")}
    for name, address in pods.items():
        page = f"echo {address} > /usr/share/nginx/html/index.html\nexit\n"
        kubectl(f"exec -i {name} -n dev -- /bin/sh", stdin=page).ok()
    return pods


@pytest.fixture
def newest(cluster: Machine) -> Iterator[Kubectl]:
    """The newest kubectl alone, where what is tested is the server's doing."""
    kubectl = the_newest(cluster)
    kubectl("create ns dev").ok()
    yield kubectl
    kubectl("delete ns dev").ok()
