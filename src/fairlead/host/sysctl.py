"""Kernel parameters of a network namespace."""

import os
from collections.abc import Mapping
from pathlib import Path

from fairlead.host import namespaces


def read(name: str, missing: int) -> int:
    """A number; `missing` where this kernel does not have it."""
    try:
        return int(Path("/proc/sys", *name.split(".")).read_text())
    except (OSError, ValueError):
        return missing


def write(values: Mapping[str, str], namespace: Path | None = None) -> list[str]:
    """`{"net.ipv4.ip_forward": "1"}`. Returns those that this kernel does not have or does not let us set."""

    def work() -> list[str]:
        missing = []
        for name, value in values.items():
            try:
                descriptor = os.open("/proc/sys/" + name.replace(".", "/"), os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.write(descriptor, value.encode())
                finally:
                    os.close(descriptor)
            except OSError:
                missing.append(name)
        return missing

    return work() if namespace is None else namespaces.run_in(namespace, work)
