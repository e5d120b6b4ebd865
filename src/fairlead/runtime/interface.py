"""How a pod runs: what a runtime is told, what it tells. The words are those of CRI.

A sandbox is a pod's namespaces; a container is one run of one image in it. What a runtime knows it keeps on disk, so an
agent that starts again finds everything as it is.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec


class RuntimeFault(Exception):  # noqa: N818  # a fault of the runtime, told to users by its reason
    """`reason` is what a pod's events and states show: RunContainerError, CreateContainerError, StartError, …"""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImageFault(RuntimeFault):
    """ErrImagePull, ErrImageNeverPull, InvalidImageName, …"""


class RegistryUnreachable(ImageFault):
    """Nobody answers where the image should come from: not a word about the image itself."""


@dataclass(frozen=True, slots=True)
class Mount:
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    id: str
    pod_uid: str
    namespace: str
    name: str
    attempt: int
    hostname: str
    host_network: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """`command` and `args` None: the image's own. `env` beside the image's. `volumes`: where each volume of the pod is
    found, for containers that have no mount namespace of their own."""

    id: str
    sandbox: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    log_path: str = ""
    termination_message_path: str = "/dev/termination-log"
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] = ()
    privileged: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    title: str = ""


class HostPort(msgspec.Struct, frozen=True):
    """A port of the node that leads to a pod's. `host_ip`: the node's address that it is of; empty: all of them."""

    protocol: str  # tcp, udp, sctp
    host_ip: str
    host_port: int
    ip: str
    port: int


class SandboxRecord(msgspec.Struct):
    """A sandbox as it is kept on disk. `network`: the path of its network namespace; empty on the node's network."""

    id: str
    pod_uid: str
    namespace: str
    name: str
    attempt: int
    network: str = ""
    ips: list[str] = []  # one of each family, the primary one first; none until the network is set up
    host_ports: list[HostPort] = []
    created_at: float = 0.0

    @property
    def ip(self) -> str:
        return self.ips[0] if self.ips else ""


class ContainerRecord(msgspec.Struct):
    """A container as it is kept on disk. Times in seconds since the epoch; `began` in ticks since boot."""

    id: str
    sandbox: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    image_id: str
    created_at: float
    log_path: str
    pid: int = 0
    began: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    stop_signal: str = "SIGTERM"
    part: bool = False  # run by the zygote, not by crun


@dataclass(slots=True)
class Process:
    """A command in a container. With a terminal, `terminal` carries all three streams. `window`: the terminal whose
    size is the client's, where streams are not read from it. `ended`: of what is attached to, without a code."""

    pid: int
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    terminal: int | None = None
    window: int | None = None
    ended: Callable[[], Awaitable[object]] | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """`id`: the digest of its configuration. `layers`: file trees, lowest first."""

    id: str
    reference: str
    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = "SIGTERM"
    labels: dict[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """All may raise RuntimeFault or OSError."""

    exited: Callable[[ContainerRecord], None]  # set by the agent: called when a container has ended

    def create_sandbox(self, spec: SandboxSpec) -> SandboxRecord: ...

    def remove_sandbox(self, sandbox: SandboxRecord) -> None: ...

    async def start_container(self, spec: ContainerSpec, sandbox: SandboxRecord) -> ContainerRecord: ...

    async def stop_container(self, container: ContainerRecord, grace: float) -> None:
        """Returns when it has ended."""

    async def remove_container(self, container: ContainerRecord) -> None: ...

    async def execute(self, container: ContainerRecord, argv: Sequence[str], *, tty: bool, stdin: bool) -> Process: ...

    def attach(self, container: ContainerRecord, *, stdin: bool) -> Process:
        """The container's own streams from now on."""
