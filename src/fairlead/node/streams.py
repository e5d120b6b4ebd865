"""exec, attach and port-forward: a session's events on one side, a command or a socket on the other."""

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
import struct
import termios
from collections.abc import Awaitable, Callable

from fairlead.host import namespaces, process
from fairlead.http import websocket
from fairlead.http.duplex import Duplex
from fairlead.node.streaming import command, forward, spdy
from fairlead.node.streaming.resize import Resized
from fairlead.runtime.interface import Process

log = logging.getLogger(__name__)

BLOCK = 65536
Start = Callable[[], Awaitable[Process]]
PROTOCOL_ERRORS = (spdy.RemoteProtocolError, websocket.RemoteProtocolError)


async def run_command(duplex: Duplex, session: command.CommandSession, start: Start) -> None:
    """Starts the command when the client's streams are there; ends with its exit code, or with the client."""
    runner = _Command(duplex, session, start)
    await runner.run()


class _Command:
    def __init__(self, duplex: Duplex, session: command.CommandSession, start: Start) -> None:
        self._duplex = duplex
        self._session = session
        self._start = start
        self._process: Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._started = asyncio.Event()

    async def run(self) -> None:
        try:
            await self._handle(self._session.open())
            while data := await self._duplex.read():
                await self._handle(self._session.receive(data))
        except PROTOCOL_ERRORS as error:
            log.debug("stream broken: %s", error)
        finally:
            self._close_input()
            if self._running is not None:
                if not self._running.done():
                    # The client left. A terminal hangs up; a command without one sees its input end.
                    self._hang_up()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await asyncio.wait((self._running,))
                self._running.cancel()

    async def _handle(self, events: list[command.Event]) -> None:
        for event in events:
            match event:
                case command.Ready():
                    self._running = asyncio.ensure_future(self._execute())
                case command.Stdin(data):
                    await self._write(data)
                case command.StdinClosed():
                    self._close_input()
                case Resized(width, height):
                    self._resize(width, height)
                case command.Disconnected():
                    self._close_input()
        await self._flush()

    async def _execute(self) -> None:
        try:
            started = self._process = await self._start()
        except Exception as error:  # noqa: BLE001  # whatever it was, the client is told
            self._session.finish(command.failed(str(error)))
            await self._flush()
            self._duplex.close()
            return
        finally:
            self._started.set()
        pumps = [
            self._pump(descriptor, told)
            for descriptor, told in (
                (started.terminal, self._session.stdout),
                (started.stdout, self._session.stdout),
                (started.stderr, self._session.stderr),
            )
            if descriptor is not None
        ]
        code, *_ = await asyncio.gather(_exit_code(started), *pumps)
        self._session.finish(command.exited(code) if code else command.succeeded())
        with contextlib.suppress(ConnectionError):
            await self._flush()
        self._duplex.close()

    async def _pump(self, descriptor: int, told: Callable[[bytes], None]) -> None:
        """Until the other side is closed; a terminal whose last user is gone reads as an I/O error."""
        os.set_blocking(descriptor, False)
        try:
            while True:
                await _readable(descriptor)
                try:
                    data = os.read(descriptor, BLOCK)
                except BlockingIOError:
                    continue
                except OSError:
                    break
                if not data:
                    break
                told(data)
                await self._flush()
        except ConnectionError:
            log.debug("the client left while a command wrote")
        finally:
            if self._process is not None and descriptor == self._process.terminal:
                self._process.terminal = None
            os.close(descriptor)

    async def _write(self, data: bytes) -> None:
        if self._process is None and self._running is not None:
            await self._started.wait()
        target = None if self._process is None else self._process.stdin
        if target is None and self._process is not None:
            target = self._process.terminal
        if target is None:
            return
        os.set_blocking(target, False)
        while data:
            try:
                data = data[os.write(target, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.001)
            except OSError:
                return

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            os.close(self._process.stdin)
            self._process.stdin = None
        elif self._process is None and self._running is not None and not self._running.done():
            asyncio.get_running_loop().call_later(0.01, self._close_input)

    def _hang_up(self) -> None:
        if self._process is not None and self._process.terminal is not None:
            with contextlib.suppress(OSError):
                os.write(self._process.terminal, b"\x04")

    def _resize(self, width: int, height: int) -> None:
        window = None if self._process is None else self._process.terminal or self._process.window
        if window is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(window, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        elif self._process is None and self._running is not None and not self._running.done():
            asyncio.get_running_loop().call_later(0.02, self._resize, width, height)

    async def _flush(self) -> None:
        if out := self._session.take():
            self._duplex.write(out)
            await self._duplex.drain()


async def _exit_code(started: Process) -> int | None:
    if started.ended is None:
        return await process.wait(started.pid)
    await started.ended()
    return None


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def told() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, told)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def run_forward(duplex: Duplex, session: forward.ForwardSession, network: str) -> None:
    """`network`: the path of the pod's network namespace; empty: the node's own."""
    await _Forward(duplex, session, network).run()


class _Forward:
    def __init__(self, duplex: Duplex, session: forward.ForwardSession, network: str) -> None:
        self._duplex = duplex
        self._session = session
        self._network = network
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._early: dict[int, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            self._handle(self._session.open())
            await self._flush()
            while data := await self._duplex.read():
                self._handle(self._session.receive(data))
                await self._flush()
        except (*PROTOCOL_ERRORS, ConnectionError) as error:
            log.debug("port-forward broken: %s", error)
        finally:
            for writer in self._writers.values():
                writer.close()
            for task in self._tasks:
                task.cancel()

    def _handle(self, events: list[forward.Event]) -> None:
        for event in events:
            match event:
                case forward.Connect(connection, port):
                    self._early[connection] = []
                    task = asyncio.get_running_loop().create_task(self._connect(connection, port))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case forward.Received(connection, data):
                    if connection in self._writers:
                        self._writers[connection].write(data)
                    elif connection in self._early:
                        self._early[connection].append(data)
                case forward.SendingDone(connection):
                    if (writer := self._writers.get(connection)) is not None and writer.can_write_eof():
                        writer.write_eof()
                case forward.Aborted(connection):
                    if (writer := self._writers.pop(connection, None)) is not None:
                        writer.close()
                case forward.Disconnected():
                    self._duplex.close()

    async def _connect(self, connection: int, port: int) -> None:
        try:
            reader, writer = await self._dial(port)
        except OSError as error:
            text = f"failed to connect to localhost:{port} inside namespace: {error.strerror or error}"
            self._early.pop(connection, None)
            self._session.finish(connection, text)
            await self._flush()
            return
        self._writers[connection] = writer
        for data in self._early.pop(connection, ()):
            writer.write(data)
        error_text = ""
        try:
            while data := await reader.read(BLOCK):
                self._session.send(connection, data)
                await self._flush()
        except OSError as error:
            error_text = str(error)
        self._writers.pop(connection, None)
        writer.close()
        self._session.finish(connection, error_text)
        with contextlib.suppress(ConnectionError):
            await self._flush()

    async def _dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """By IPv4, or by IPv6 where nobody listens there. Raises OSError, of the first."""
        try:
            return await self._dial_by(socket.AF_INET, "127.0.0.1", port)
        except OSError as error:
            refused = error
        with contextlib.suppress(OSError):
            return await self._dial_by(socket.AF_INET6, "::1", port)
        raise refused

    async def _dial_by(
        self, family: socket.AddressFamily, address: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The socket is opened in the pod's network and stays there."""

        def opened() -> socket.socket:
            return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

        sock = namespaces.run_in(self._network, opened) if self._network else opened()
        try:
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return await asyncio.open_connection(sock=sock)

    async def _flush(self) -> None:
        if out := self._session.take():
            self._duplex.write(out)
            await self._duplex.drain()
