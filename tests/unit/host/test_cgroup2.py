"""Which folder is a node's, from what proc(5) says."""

import pytest

from fairlead.host.cgroup2 import node_in, own_in

MINE = "31 25 0:27 / /run/fairlead/default/cgroups rw - cgroup2 cgroup2 rw\n"
OTHERS = "24 20 0:22 / /sys rw - sysfs sysfs rw\n30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
HOSTS = "40 25 0:27 /../.. /host/cgroup rw - cgroup2 cgroup2 rw\n"
SEEN = "/run/fairlead/default/cgroups"


@pytest.mark.parametrize(
    ("mounts", "folder", "sees_all", "wanted"),
    [
        (OTHERS + MINE, "/fairlead-x/node1.node", True, f"{SEEN}/fairlead-x/node1.node"),
        (OTHERS + MINE, "/fairlead-x/node1.node/deep", True, f"{SEEN}/fairlead-x/node1.node"),
        (OTHERS + MINE, "/system.slice/kube-proxy.service", True, SEEN),
        (OTHERS + MINE, "/fairlead-x/node1.node", False, f"{SEEN}/fairlead-x/node1.node"),
        (OTHERS + MINE, "/", False, None),
        (OTHERS + MINE + HOSTS, "/", False, "/host/cgroup"),
        (OTHERS, "/", True, None),
    ],
)
def test_the_node_is_the_folder_that_says_so_else_the_machine_if_it_can_be_seen(
    mounts: str, folder: str, sees_all: bool, wanted: str | None
) -> None:
    found = node_in(mounts, folder, sees_all=sees_all)
    assert (str(found) if found is not None else None) == wanted


def test_the_own_folder_is_that_of_version_2() -> None:
    assert own_in("9:name=systemd:/a\n4:memory:/b\n0::/fairlead-x/node1.node\n") == "/fairlead-x/node1.node"
    assert own_in("0::/gone (deleted)\n") == "/gone"
    assert own_in("4:memory:/b\n") == "/"
