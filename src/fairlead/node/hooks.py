"""Lifecycle hooks: what is run, asked or waited for right after a container's start and before its end.

Source: kubelet `lifecycle/handlers.go`. Any answer to a request will do; only a command can fail by its result.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from fairlead.api.types.core import Container, Lifecycle, LifecycleHandler
from fairlead.node.http_get import http_get

Kind = Literal["PostStart", "PreStop"]
# Runs a command in the container: exit code and output.
Execute = Callable[[list[str], float], Awaitable[tuple[int, str]]]

ENDLESS = 365 * 86400.0  # seconds: a hook after the start has no limit of its own


class HookFailedError(Exception):
    """Says what went wrong."""


def of(container: Container, kind: Kind) -> LifecycleHandler | None:
    lifecycle = container.lifecycle or Lifecycle()
    return lifecycle.post_start if kind == "PostStart" else lifecycle.pre_stop


async def run(kind: Kind, container: Container, address: str, execute: Execute, seconds: float = ENDLESS) -> None:
    """The container's hook, if it has one. `address` is the pod's. Raises HookFailedError, TimeoutError, and what
    `execute` raises."""
    handler = of(container, kind) or LifecycleHandler()
    async with asyncio.timeout(seconds):
        if handler.exec is not None:
            command = handler.exec.command
            code, output = await execute(command, seconds)
            if code:
                raise HookFailedError(f"command '{' '.join(command)}' exited with {code}: {output}")
        elif handler.http_get is not None:
            await http_get(handler.http_get, container, address, "kube-lifecycle")
        elif handler.sleep is not None:
            await asyncio.sleep(handler.sleep.seconds)
