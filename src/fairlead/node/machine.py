"""Reads what `node_status.Machine` tells, from this system's files."""

import os
import platform
import shutil
from pathlib import Path
from typing import Final

from fairlead.node.node_status import Machine

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "ppc64le": "ppc64le"}


def read(state_dir: Path) -> Machine:
    """`state_dir`: where containers write, whose file system is the node's ephemeral storage."""
    machine = platform.machine()
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk=shutil.disk_usage(_existing(state_dir)).total,
        kernel=platform.release(),
        os_image=_os_image(),
        architecture=_ARCHITECTURES.get(machine, machine),
        machine_id=_line("/etc/machine-id"),
        system_uuid=_line("/sys/class/dmi/id/product_uuid").lower() or _line("/etc/machine-id"),
        boot_id=_line("/proc/sys/kernel/random/boot_id"),
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
