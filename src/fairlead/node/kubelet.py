"""The agent's own server, on port 10250: logs, exec, attach, port-forward, pods, health; for clients with certificates.

Paths and parameters are the kubelet's (pkg/kubelet/server).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from fairlead.api.resources import NODES, PODS
from fairlead.api.status import ApiError, bad_request, forbidden, not_found, path_not_found
from fairlead.http import websocket
from fairlead.http.duplex import Duplex
from fairlead.http.server import Request, Response, Stream, StreamWriter, Upgrade
from fairlead.node import streams
from fairlead.node.agent import Agent
from fairlead.node.logs import files
from fairlead.node.logs.lines import OptionError, Options
from fairlead.node.logs.reading import read
from fairlead.node.pod_worker import PodWorker
from fairlead.node.streaming import channels, command, forward
from fairlead.runtime.interface import ContainerRecord, Process

Answer = Response | Stream | Upgrade
ALLOWED = "system:masters"


class KubeletServer:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def handle(self, request: Request) -> Answer:
        try:
            return await self._handle(request)
        except ApiError as error:
            return Response(error.code, error.message.encode(), "text/plain; charset=utf-8")

    async def _handle(self, request: Request) -> Answer:
        if request.path == "/healthz":
            return Response(200, b"ok", "text/plain; charset=utf-8")
        if ALLOWED not in request.peer.organizations:
            raise forbidden(NODES, self._agent.options.node_name, "a client certificate of the control plane is needed")
        match request.path.strip("/").split("/"):
            case ["pods"]:
                pods = [worker.pod for worker in self._agent.workers.values()]
                body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}
                return Response(200, msgspec.json.encode(body))
            case ["logs", *_]:
                return files.answer(
                    Path(self._agent.options.state_dir) / "logs", request.path.partition("/logs")[2][1:]
                )
            case ["containerLogs", namespace, pod, container]:
                return self._logs(request, self._worker(namespace, pod), container)
            case ["exec", namespace, pod, container]:
                return self._exec(request, self._worker(namespace, pod), container)
            case ["attach", namespace, pod, container]:
                return self._attach(request, self._worker(namespace, pod), container)
            case ["portForward", namespace, pod]:
                return self._forward(request, self._worker(namespace, pod))
        raise path_not_found()

    def _worker(self, namespace: str, pod: str) -> PodWorker:
        worker = self._agent.worker_of(namespace, pod)
        if worker is None:
            raise not_found(PODS, pod)
        return worker

    @staticmethod
    def _running(worker: PodWorker, container: str) -> ContainerRecord:
        record = worker.record_of(container)
        if record is None or record.started_at is None or record.finished_at is not None:
            raise ApiError(500, "InternalError", f'unable to upgrade connection: container not found ("{container}")')
        return record

    # Logs.

    def _logs(self, request: Request, worker: PodWorker, container: str) -> Stream:
        metadata = worker.pod.metadata
        query = {name: values[0] for name, values in request.query.items()}
        try:
            options = Options.of_query(query, time.time())
        except OptionError as error:
            raise bad_request(str(error)) from error
        record = worker.record_of(container, previous=options.previous)
        if record is None:
            if options.previous:
                text = f'previous terminated container "{container}" in pod "{metadata.name}" not found'
                raise bad_request(text)
            state = "waiting to start: ContainerCreating"
            raise bad_request(f'container "{container}" in pod "{metadata.name}" is {state}')
        if not Path(record.log_path).exists():
            raise bad_request(f'container "{container}" in pod "{metadata.name}" has no log yet')

        async def produce(writer: StreamWriter) -> None:
            async for piece in read(Path(record.log_path), options, lambda: _ended(record)):
                writer.write(piece)
                await writer.drain()

        return Stream(produce, content_type="text/plain")

    # Commands.

    def _exec(self, request: Request, worker: PodWorker, container: str) -> Upgrade:
        record = self._running(worker, container)
        argv = request.query.get("command", [])
        if not argv:
            raise bad_request("you must specify at least 1 command to exec")
        wanted = _wanted(request)
        runtime = self._agent.runtime_of(record.image)

        async def start() -> Process:
            return await runtime.execute(record, argv, tty=wanted.tty, stdin=wanted.stdin)

        return _upgrade(request, wanted, start)

    def _attach(self, request: Request, worker: PodWorker, container: str) -> Upgrade:
        """What the container writes from now on, and its standard input where it has one."""
        record = self._running(worker, container)
        wanted = _wanted(request)
        runtime = self._agent.runtime_of(record.image)

        async def start() -> Process:
            return runtime.attach(record, stdin=wanted.stdin)

        return _upgrade(request, wanted, start)

    def _forward(self, request: Request, worker: PodWorker) -> Upgrade:
        sandbox = worker.sandbox
        if sandbox is None:
            raise ApiError(500, "InternalError", "unable to do port forwarding: the pod is not running")
        session: forward.ForwardSession
        if request.headers.get("upgrade", "").lower() == "websocket":
            offered = request.listed("sec-websocket-protocol")
            if channels.PORT_FORWARD_TUNNEL in offered:
                session, name = forward.TunnelSession(), channels.PORT_FORWARD_TUNNEL
            else:
                protocol = channels.choose(offered)
                if protocol is None:
                    raise bad_request(f"none of the subprotocols {offered} is known")
                ports = [int(port) for text in request.query.get("ports", []) for port in text.split(",")]
                session, name = forward.ChannelSession(protocol, ports), protocol.name
            headers = websocket.handshake(request.headers.get("sec-websocket-key", ""), name)
        else:
            session = forward.SpdySession()
            headers = _spdy_headers(forward.PROTOCOL)

        async def run(duplex: Duplex) -> None:
            await streams.run_forward(duplex, session, sandbox.network)

        return Upgrade(run, headers)


def _wanted(request: Request) -> command.Wanted:
    def flag(name: str) -> bool:
        return request.parameter(name) in ("1", "true")

    tty = flag("tty")
    return command.Wanted(flag("input"), flag("output"), flag("error") and not tty, tty)


def _upgrade(request: Request, wanted: command.Wanted, start: Callable[[], Awaitable[Process]]) -> Upgrade:
    session: command.CommandSession
    if request.headers.get("upgrade", "").lower() == "websocket":
        protocol = channels.choose(request.listed("sec-websocket-protocol"))
        if protocol is None:
            raise bad_request("none of the offered subprotocols is known")
        session = command.WebSocketSession(protocol, wanted)
        headers = websocket.handshake(request.headers.get("sec-websocket-key", ""), protocol.name)
    else:
        chosen = command.choose_spdy(request.listed("x-stream-protocol-version"))
        if chosen is None:
            raise ApiError(403, "Forbidden", "unable to upgrade: unable to negotiate protocol")
        session = command.SpdySession(chosen, wanted)
        headers = _spdy_headers(chosen)

    async def run(duplex: Duplex) -> None:
        await streams.run_command(duplex, session, start)

    return Upgrade(run, headers)


def _spdy_headers(protocol: str) -> list[tuple[str, str]]:
    return [("Upgrade", "SPDY/3.1"), ("Connection", "Upgrade"), ("X-Stream-Protocol-Version", protocol)]


async def _ended(record: ContainerRecord) -> None:
    """Returns when the container has ended."""
    while record.finished_at is None:  # noqa: ASYNC110  # a log that is followed looks ten times a second
        await asyncio.sleep(0.1)
