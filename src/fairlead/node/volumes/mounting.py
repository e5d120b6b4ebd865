"""A pod's volumes as folders on the node, filled and kept up to date."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap, Pod, Secret, Volume
from fairlead.client.rest import Client
from fairlead.host import libc
from fairlead.node.downward import Self
from fairlead.node.sources import SourceError, Sources, Token, references
from fairlead.node.volumes import atomic
from fairlead.node.volumes.payload import files_of, is_filled


async def fetch(client: Client, pod: Pod) -> Sources:
    """What the pod's environment and volumes are filled from. What is not there is left out."""
    wanted = references(pod)
    namespace, metadata = pod.metadata.namespace, pod.metadata
    config_maps: dict[str, ConfigMap] = {}
    secrets: dict[str, Secret] = {}
    tokens: dict[Token, str] = {}

    async def config_map(name: str) -> None:
        try:
            config_maps[name] = await client.get("configmaps", name, namespace, type=ConfigMap)
        except ApiError as error:
            _must_be_missing(error)

    async def secret(name: str) -> None:
        try:
            secrets[name] = await client.get("secrets", name, namespace, type=Secret)
        except ApiError as error:
            _must_be_missing(error)

    async def token(asked: Token) -> None:
        tokens[asked], _ = await client.token(
            namespace,
            pod.spec.service_account_name or "default",
            audiences=[asked.audience] if asked.audience else [],
            seconds=asked.expiration_seconds,
            pod_name=metadata.name,
            pod_uid=metadata.uid,
        )

    try:
        async with asyncio.TaskGroup() as tasks:
            for name in wanted.config_maps:
                tasks.create_task(config_map(name))
            for name in wanted.secrets:
                tasks.create_task(secret(name))
            for asked in wanted.tokens:
                tasks.create_task(token(asked))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return Sources(namespace, config_maps, secrets, tokens)


@dataclass(slots=True)
class Volumes:
    """`root`: the pod's own folder. `paths`: volume → where it is on the node."""

    root: Path
    paths: dict[str, Path] = field(default_factory=dict)

    def prepare(self, pod: Pod, self_: Self, sources: Sources) -> None:
        """Raises SourceError, OSError."""
        for volume in pod.spec.volumes:
            self.paths[volume.name] = self._prepare(pod, volume, self_, sources)

    def refresh(self, pod: Pod, self_: Self, sources: Sources) -> None:
        """Those that are filled from objects, as the objects are now."""
        for volume in pod.spec.volumes:
            if is_filled(volume) and volume.name in self.paths:
                atomic.write(self.paths[volume.name], files_of(volume, self_, sources), _group(pod))

    def remove(self) -> None:
        for path in self.paths.values():
            if path.is_relative_to(self.root):
                with contextlib.suppress(OSError):
                    libc.umount(str(path))
        shutil.rmtree(self.root, ignore_errors=True)
        self.paths.clear()

    def _prepare(self, pod: Pod, volume: Volume, self_: Self, sources: Sources) -> Path:
        path = self.root / "volumes" / volume.name
        if volume.host_path is not None:
            return _host_path(volume.host_path.path, volume.host_path.type)
        if is_filled(volume):
            atomic.write(path, files_of(volume, self_, sources), _group(pod))
            return path
        if volume.empty_dir is None:
            raise SourceError(f'volume "{volume.name}" is of a kind that is not supported here')
        if not path.exists():
            path.mkdir(parents=True)
            if volume.empty_dir.medium == "Memory":
                limit = volume.empty_dir.size_limit
                libc.mount("tmpfs", str(path), "tmpfs", 0, f"size={limit}" if isinstance(limit, int) else "")
            path.chmod(0o777)
        return path


def _must_be_missing(error: ApiError) -> None:
    if not error.is_not_found:
        raise error


def _group(pod: Pod) -> int | None:
    return pod.spec.security_context.fs_group if pod.spec.security_context is not None else None


def _host_path(text: str, kind: str) -> Path:
    path = Path(text)
    match kind:
        case "DirectoryOrCreate":
            path.mkdir(parents=True, exist_ok=True)
        case "FileOrCreate":
            path.touch()
        case "Directory" if not path.is_dir():
            raise SourceError(f"hostPath type check failed: {text} is not a directory")
        case "File" if not path.is_file():
            raise SourceError(f"hostPath type check failed: {text} is not a file")
    if kind == "" and not path.exists():
        path.mkdir(parents=True)  # as container runtimes do for a bind mount
    return path
