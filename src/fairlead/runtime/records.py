"""What runs on a node, on disk: one file a sandbox and one a container, replaced whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from fairlead.runtime.interface import ContainerRecord, SandboxRecord

T = TypeVar("T", SandboxRecord, ContainerRecord)


class Records:
    """`folder` is beneath /run: a reboot ends all containers, and forgets them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("sandboxes", "containers"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    def sandboxes(self) -> list[SandboxRecord]:
        return list(self._all("sandboxes", SandboxRecord))

    def containers(self) -> list[ContainerRecord]:
        return list(self._all("containers", ContainerRecord))

    def save(self, record: SandboxRecord | ContainerRecord) -> None:
        part = "sandboxes" if isinstance(record, SandboxRecord) else "containers"
        path = self._folder / part / f"{record.id}.json"
        temporary = path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(record))
        temporary.replace(path)

    def forget(self, record: SandboxRecord | ContainerRecord) -> None:
        part = "sandboxes" if isinstance(record, SandboxRecord) else "containers"
        (self._folder / part / f"{record.id}.json").unlink(missing_ok=True)

    def _all(self, part: str, kind: type[T]) -> Iterator[T]:
        for path in sorted((self._folder / part).glob("*.json")):
            yield msgspec.json.decode(path.read_bytes(), type=kind)
