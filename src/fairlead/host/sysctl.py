"""Kernel parameters of a network namespace."""

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
                Path("/proc/sys", *name.split(".")).write_text(value)
            except OSError:
                missing.append(name)
        return missing

    return work() if namespace is None else namespaces.run_in(namespace, work)
