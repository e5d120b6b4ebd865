"""Where the eBPF mode cannot be, nftables serves, and why is told."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.netns

CHOOSE = "from fairlead.proxy.choosing import choose; print(*choose('ebpf'), sep=': ')"


def _chosen(*prefix: str) -> str:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", CHOOSE], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def test_here_it_can_be() -> None:
    assert _chosen() == "ebpf: None"


def test_a_container_without_the_nodes_hierarchy() -> None:
    alone = ["unshare", "--cgroup", "--mount", "sh", "-c", 'umount -a -l -t cgroup2; exec "$@"', "alone"]
    assert _chosen(*alone) == "nftables: the node's cgroup2 hierarchy is not mounted here"


def test_no_right_to_load_programs() -> None:
    """Root without the capabilities, as a container that is not privileged."""
    chosen = _chosen("setpriv", "--bounding-set=-sys_admin,-bpf,-net_admin", "--inh-caps=-all")
    assert chosen.startswith("nftables: ")
    assert "Operation not permitted" in chosen


def test_a_kernel_that_refuses_a_program() -> None:
    other = "import fairlead.host.bpf as bpf; bpf.ATTACH['connect4'] = 36; "  # BPF_SK_LOOKUP: no program of this kind
    done = subprocess.run(
        [sys.executable, "-c", other + CHOOSE], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.startswith("nftables: program connect4: bpf(5): Invalid argument")
