"""Processes that carry the userspace mode's connections: one that dies is replaced; clients stay where they were."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.userspace.workers import Workers
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

pytestmark = pytest.mark.netns

NODE = Node("node1", "10.244.0.0/16", address="127.0.0.1")


@contextlib.asynccontextmanager
async def endpoints(count: int) -> AsyncIterator[tuple[Endpoint, ...]]:
    """Each tells everybody who it is."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for number in range(count):
            server = await asyncio.start_server(_telling(number), "127.0.0.1", 0)
            await stack.enter_async_context(server)
            found.append(Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], node="node1"))
        yield tuple(found)


def _telling(number: int):  # type: ignore[no-untyped-def]
    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d" % number)
        writer.close()

    return tell


@contextlib.contextmanager
def working() -> Iterator[Workers]:
    workers = Workers(NODE)
    try:
        yield workers
    finally:
        workers.close()


def port(
    endpoints_: tuple[Endpoint, ...], affinity: int | None = None, external: tuple[str, ...] = ("192.0.2.1",)
) -> ServicePort:
    name = ServicePortName("dev", "web", "", "TCP")
    return ServicePort(name, "10.96.0.9", 80, external=external, affinity=affinity, endpoints=endpoints_)


async def ask(number: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def until_refused(number: int) -> None:
    """Processes hear of a closed door a moment later. Raises ConnectionError."""
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.close()
        await asyncio.sleep(0.02)


async def test_a_process_that_dies_is_replaced_and_those_that_came_meanwhile_are_served() -> None:
    async with endpoints(2) as there:
        with working() as workers:
            door = workers.open_door(workers.learn(None, port(there)), from_outside=False)
            assert await ask(door.port) in (b"0", b"1")
            for child in workers._children:
                os.kill(child.pid, signal.SIGKILL)
            assert {await ask(door.port) for _ in range(20)} == {b"0", b"1"}


async def test_a_client_stays_with_its_endpoint_while_its_service_says_so() -> None:
    async with endpoints(3) as there:
        with working() as workers:
            number = workers.learn(None, port(there))
            doors = [workers.open_door(number, from_outside=outside) for outside in (False, True)]
            assert len({await ask(door.port) for door in doors for _ in range(20)}) == 3
            workers.learn(number, port(there, affinity=60))
            assert len({await ask(door.port) for door in doors for _ in range(20)}) == 1
            workers.learn(number, port(there))
            assert len({await ask(door.port) for door in doors for _ in range(20)}) == 3


async def test_who_comes_from_outside_is_refused_where_there_is_no_way_from_outside_any_more() -> None:
    async with endpoints(1) as there:
        with working() as workers:
            number = workers.learn(None, port(there))
            doors = [workers.open_door(number, from_outside=outside) for outside in (False, True)]
            assert [await ask(door.port) for door in doors] == [b"0", b"0"]
            workers.learn(number, port(there, external=()))
            with pytest.raises(ConnectionError):
                await ask(doors[1].port)
            assert await ask(doors[0].port) == b"0"


async def test_a_door_that_is_closed_takes_nobody_and_leaves_those_in_that_are() -> None:
    async with endpoints(1) as there:
        with working() as workers:
            number = workers.learn(None, port(there))
            door = workers.open_door(number, from_outside=False)
            listener = socket.create_server(("127.0.0.1", 0))
            silent = port((Endpoint("127.0.0.1", listener.getsockname()[1], node="node1"),))
            workers.learn(number, silent)
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            server = await asyncio.to_thread(lambda: listener.accept()[0])
            door.close()
            workers.forget(number)
            with pytest.raises(ConnectionError):
                await until_refused(door.port)
            await asyncio.to_thread(server.sendall, b"still here")
            assert await reader.read(10) == b"still here"
            for each in (server, listener):
                each.close()
            writer.close()
