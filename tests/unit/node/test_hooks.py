"""Lifecycle hooks: what counts as their success."""

from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import Container
from fairlead.http.server import Request, Response, listen
from fairlead.node import hooks

TOLD: list[tuple[list[str], float]] = []


def container(**lifecycle: Any) -> Container:
    ports = [{"name": "web", "containerPort": 80}]
    return msgspec.convert({"name": "c", "image": "x", "lifecycle": lifecycle, "ports": ports}, Container)


async def works(argv: list[str], seconds: float) -> tuple[int, str]:
    TOLD.append((argv, seconds))
    return 0, ""


async def breaks(argv: list[str], seconds: float) -> tuple[int, str]:
    return 3, "no such thing"


async def test_a_command_is_run_in_the_container_and_its_result_counts() -> None:
    one = container(preStop={"exec": {"command": ["nginx", "-s", "quit"]}})
    await hooks.run("PreStop", one, "10.244.1.2", works, 30)
    assert TOLD == [(["nginx", "-s", "quit"], 30)]
    with pytest.raises(hooks.HookFailedError, match="command 'nginx -s quit' exited with 3: no such thing"):
        await hooks.run("PreStop", one, "10.244.1.2", breaks, 30)
    await hooks.run("PostStart", one, "10.244.1.2", breaks)  # none of that kind


async def test_a_request_goes_to_the_pod_and_any_answer_will_do() -> None:
    seen: list[tuple[str, str]] = []

    async def answer(request: Request) -> Response:
        seen.append((request.target, request.headers["user-agent"]))
        return Response(500, b"", "text/plain")

    server = await listen(answer, "127.0.0.1", 0)
    try:
        action = {"path": "/echo?msg=prestop", "port": server.port}
        one = container(preStop={"httpGet": action}, postStart={"httpGet": {**action, "host": "127.0.0.1"}})
        await hooks.run("PreStop", one, "127.0.0.1", breaks, 5)
        await hooks.run("PostStart", one, "192.0.2.1", breaks)
    finally:
        await server.close()
    assert seen == [("/echo?msg=prestop", "kube-lifecycle/1.32")] * 2
    with pytest.raises(OSError, match=r"dial tcp 127\.0\.0\.1:\d+: connect: "):
        await hooks.run("PreStop", one, "127.0.0.1", breaks, 5)


async def test_a_pause_is_over_with_the_time_there_is() -> None:
    with pytest.raises(TimeoutError):
        await hooks.run("PreStop", container(preStop={"sleep": {"seconds": 60}}), "10.244.1.2", breaks, 0.01)
