"""The least that a server can do: our HTTP server over TLS, with an answer that was made before."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

import uvloop

from fairlead.cluster.pki import Pair
from fairlead.http.server import Request, Response, listen, server_tls


@contextmanager
def ready_made(body: bytes, pair: Pair) -> Iterator[str]:
    """The URL at which `body` is served."""
    ours, theirs = Pipe()
    process = Process(target=_serve, args=(body, pair, theirs))
    process.start()
    try:
        yield f"https://127.0.0.1:{ours.recv()}/"
    finally:
        process.kill()
        process.join()


def _serve(body: bytes, pair: Pair, told: Connection) -> None:
    async def answer(_: Request) -> Response:
        return Response(200, body)

    async def run() -> None:
        server = await listen(answer, "127.0.0.1", 0, ssl=server_tls(pair.certificate, pair.key))
        told.send(server.port)
        await asyncio.sleep(3600)
        await server.close()

    uvloop.run(run())
