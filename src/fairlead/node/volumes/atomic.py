"""Write all files of a volume so that a container sees either the old ones or the new ones.

Source: Kubernetes' `pkg/volume/util/atomic_writer.go`: the files stand in a directory named for the time, `..data` is a
symbolic link to it, replaced by rename(2), and each visible name is a link through `..data`.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from fairlead.node.volumes.payload import Payload

_DATA: Final = "..data"
_NEXT: Final = "..data_tmp"


def write(volume: Path, payload: Payload, group: int | None = None) -> bool:
    """Whether anything changed. `group`: the pod's fsGroup, which may read everything."""
    current = volume / _DATA
    if current.is_symlink() and _matches(current, payload):
        return False
    volume.mkdir(parents=True, exist_ok=True)
    previous = current.readlink().name if current.is_symlink() else None
    number = int(previous.rpartition("_")[2]) + 1 if previous is not None else 0
    generation = volume / f"..{os.getpid()}_{number}"
    shutil.rmtree(generation, ignore_errors=True)
    generation.mkdir()
    for path, file in payload.items():
        target = generation / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode | (0o040 if group is not None else 0))
        if group is not None:
            os.chown(target, -1, group)
    _replace_link(volume / _NEXT, generation.name, current)
    _link_names(volume, {path.split("/")[0] for path in payload})
    if previous is not None:
        shutil.rmtree(volume / previous, ignore_errors=True)
    return True


def _replace_link(temporary: Path, target: str, link: Path) -> None:
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _link_names(volume: Path, names: set[str]) -> None:
    for entry in volume.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        link = volume / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")


def _matches(current: Path, payload: Payload) -> bool:
    directory = current.resolve()
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    return found.keys() == payload.keys() and all(
        path.read_bytes() == payload[name].data for name, path in found.items()
    )
