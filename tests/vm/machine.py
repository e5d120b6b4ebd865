"""A virtual machine for what this machine's kernel lacks: User Mode Linux, which is a process, with this machine's file
system, read only. It has no network device, so no packet can leave it, and it ends with the command that it runs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
UNPACKED = REPOSITORY / ".cache/uml"
KERNEL = UNPACKED / "bin/linux.uml"
MEMORY = "1500M"
# Its first process. What is written goes to memory and is gone with it, but for the folder that is shared.
INIT = """#!/bin/sh
export PATH=/run/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SHARED={shared}
export HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis PROXY_MODES="iptables ipvs"
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /lib/modules
mkdir -p /run/changes /run/work /run/netns {shared} {repository} /lib/modules/$(uname -r)
mount -r -t hostfs -o {repository} none {repository}
mount -t hostfs -o {shared} none {shared}
mount -t hostfs -o {modules} none /lib/modules/$(uname -r)
mount -t overlay -o lowerdir=/var,upperdir=/run/changes,workdir=/run/work overlay /var
mkdir /run/programs  # this kernel's nf_tables has no NAT
for each in iptables ip6tables; do for verb in "" -save -restore; do
    ln -s "$(command -v $each-legacy$verb)" /run/programs/$each$verb
done; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
modprobe ip_vs
ip link set lo up
cd {repository}
{command}
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


class CannotRunError(Exception):
    """Why no virtual machine can be had here."""


def run(command: str, shared: Path, seconds: float) -> Iterator[str]:
    """Boots, runs the shell command in the repository and yields what it and the kernel say, line by line, for at most
    `seconds`. `shared`: a folder that both write to, $SHARED in there. Raises CannotRunError."""
    if os.uname().machine != "x86_64":
        raise CannotRunError(f"the kernel for virtual machines is x86_64's, this machine is {os.uname().machine}")
    if not KERNEL.exists():
        raise CannotRunError(f"there is no {KERNEL}: tools/fetch-kernel.sh {UNPACKED}")
    if shutil.which("modprobe") is None:
        raise CannotRunError("modprobe is not installed")
    (modules,) = (UNPACKED / "lib/uml/modules").iterdir()
    with tempfile.TemporaryDirectory() as folder:
        init = Path(folder) / "init"
        init.write_text(INIT.format(command=command, shared=shared, modules=modules, repository=REPOSITORY))
        init.chmod(0o755)
        argv = [
            "timeout",
            "--signal=KILL",
            str(seconds),
            str(KERNEL),
            f"mem={MEMORY}",
            f"init={init}",
            "quiet",
            "loglevel=1",
        ]
        argv += ["root=/dev/root", "rootfstype=hostfs", "ro", "con=null", "con0=null,fd:1", "ssl=null"]
        argv += [f"uml_dir={folder}", "umid=guest"]
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as guest:
            assert guest.stdout is not None
            try:
                yield from guest.stdout
            finally:
                guest.kill()
