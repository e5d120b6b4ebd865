"""The process that watches the API, feeds the workers, and answers what they cannot: upstreams and TCP."""

import asyncio
import gc
import logging
import os
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

from fairlead.api.types.core import ConfigMap
from fairlead.client.config import load as load_config
from fairlead.client.config import mounted
from fairlead.client.events import Recorder
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.dns import defaults, messages
from fairlead.dns.answering import Answering
from fairlead.dns.chain import Chain
from fairlead.dns.config.corefile import load
from fairlead.dns.config.settings import Settings, SettingsError
from fairlead.dns.config.syntax import variables
from fairlead.dns.feed import Feed, Known, Mark
from fairlead.dns.metrics import Metrics, State
from fairlead.dns.options import Options
from fairlead.dns.serving import Serving
from fairlead.dns.status import Status
from fairlead.dns.tally import Tally
from fairlead.dns.upstream.forwarder import Forwarder
from fairlead.dns.watching import Watching
from fairlead.dns.worker import PATIENCE
from fairlead.dns.zone import Tag, Zone
from fairlead.host import libc
from fairlead.host.datagrams import labels

log = logging.getLogger(__name__)

COUNT_SECONDS = 0.5  # that the workers are given to say what they counted
SETTLED_SECONDS = 1.0  # after the lists are in the index
FILES_SECONDS = 5.0  # between looks at files that the settings name
ANY = ("0.0.0.0", "::")


class Watcher:
    def __init__(
        self,
        options: Options,
        udp: Sequence[Sequence[socket.socket]],
        tcp: Sequence[socket.socket],
        channels: Sequence[socket.socket],
        tell: Callable[[str], None],
    ) -> None:
        """`udp` and `channels`: of each worker; without channels this process answers itself. `tell` is called with
        `ready`, and with `lameduck SECONDS` when that changes."""
        self._options = options
        self._udp, self._tcp, self._tell = udp, tcp, tell
        self._client = Client(load_config(options.kubeconfig), user_agent="kube-dns/fairlead")
        self._recorder = Recorder(self._client, "kube-dns", options.node_name)
        self._tally = Tally(labels)
        self._zone = Zone()
        self._known = Known(self._zone)
        self._serving = Serving(self._tally)
        self._watching = Watching(self._client, self._known, options.node_name, self._changed)
        self._settings: Settings | None = None
        self._corefile = ""
        self._files: dict[str, str] = {}
        self._settled = asyncio.Event()
        self._synced = False
        self._told = False
        self._counted: list[asyncio.Future[None]] = []
        self._feeds = [Feed(channel, self._known, self._heard) for channel in channels]
        self._answering: Answering | None = None
        if not channels:
            self._answering = Answering(udp[0], self._tally, self._ask)
            asyncio.get_running_loop().call_later(PATIENCE, self._open)
        self._state = State(
            self._tally,
            lambda: self._settings,
            lambda: self._serving.forwarder,
            self._watching.stale_seconds,
            lambda: len(self._zone.services),
        )
        self._metrics = Metrics(self._state)
        self._status = Status(self._render_metrics, self._workers_answer, self._is_ready)

    async def run(self) -> None:
        """Until cancelled."""
        gc.disable()  # while nearly all that is made will stay
        servers = [await asyncio.start_server(self._serving.converse, sock=sock) for sock in self._tcp]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._status.run())
                tasks.create_task(self._watching.run())
                tasks.create_task(self._follow_settings())
                tasks.create_task(self._follow_files())
                tasks.create_task(self._begin())
        finally:
            for server in servers:
                server.close()
            await self._client.close()

    # Settings.

    async def _follow_settings(self) -> None:
        options = self._options
        if options.corefile:
            self._settle(Path(options.corefile).read_text(), None)
            return
        namespace, _, name = options.config_map.partition("/")
        informer = Informer(
            self._client, "configmaps", ConfigMap, namespace=namespace, field_selector=f"metadata.name={name}"
        )

        def on_change(_: str, __: ConfigMap | None, new: ConfigMap | None) -> None:
            text = new.data.get(defaults.KEY) if new is not None else None
            self._settle(text if text is not None else self._default(), new)

        informer.add_handler(on_change)
        running = asyncio.get_running_loop().create_task(informer.run())
        await informer.synced()
        if self._settings is None:
            self._settle(self._default(), None)
        await running

    def _default(self) -> str:
        forward = "forward . /etc/resolv.conf" if self._options.forward else ""
        return defaults.corefile(self._options.domain, self._options.ttl, forward)

    def _settle(self, text: str, source: ConfigMap | None) -> None:
        """What cannot be honoured is told, and what was before stays."""
        try:
            settings = load(text, os.environ)
        except SettingsError as error:
            self._state.reloads["bad"] += 1
            log.warning("the settings are not honoured: %s", error)
            if source is not None:
                self._tell_of(source, str(error))
            if self._settings is None:
                self._settle(self._default(), None)
            return
        self._state.reloads["good"] += 1
        self._corefile, self._settings = text, settings
        self._files = {path: _text(path) for path in self._paths(settings)}
        self._rebuild(settings)
        self._settled.set()
        log.info("settings of %d server blocks are in force", len(settings.blocks))

    def _tell_of(self, source: ConfigMap, text: str) -> None:
        metadata = source.metadata
        involved = {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "namespace": metadata.namespace,
            "name": metadata.name,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        }
        self._recorder.event(involved, "Warning", "InvalidCorefile", text)

    def _rebuild(self, settings: Settings) -> None:
        own, search = self._own_addresses(), self._search()
        chain = self._serving.chain = Chain(settings, self._zone, self._files, own, search)
        if self._answering is not None:
            self._answering.settle(chain)
        before = self._serving.forwarder
        self._serving.forwarder = Forwarder(settings, lambda path: _words(_text(path), "nameserver"))
        if before is not None:
            before.close()
        self._serving.forwarder.look_for_loops()
        self._watching.follow_pods(settings)
        self._status.settle(settings)
        for feed in self._feeds:
            feed.send(self._configuration())
        self._tell(f"lameduck {settings.lameduck}")

    def _configuration(self) -> messages.Configure:
        environment = {name: os.environ.get(name, "") for name in variables(self._corefile)}
        return messages.Configure(self._corefile, environment, self._files, self._own_addresses(), self._search())

    def _own_addresses(self) -> tuple[bytes, ...]:
        listen = [each for each in self._options.listen if each not in ANY]
        texts = self._options.service_addresses or listen
        return tuple(ip_address(each).packed for each in texts)

    def _search(self) -> tuple[str, ...]:
        """The node's own search path, which completion goes through behind the cluster's."""
        return tuple(each.rstrip(".").lower() for each in _words(_text("/etc/resolv.conf"), "search"))

    def _paths(self, settings: Settings) -> set[str]:
        return {block.hosts.file for block in settings.blocks if block.hosts is not None and block.hosts.file}

    async def _follow_files(self) -> None:
        """Hosts files, and the Corefile where it is one, take effect when they change."""
        while True:
            await asyncio.sleep(FILES_SECONDS)
            settings = self._settings
            if settings is None:
                continue
            files = {path: _text(path) for path in self._paths(settings)}
            corefile = _text(self._options.corefile) if self._options.corefile else self._corefile
            if corefile != self._corefile and corefile:
                self._settle(corefile, None)
            elif files != self._files:
                self._files = files
                self._rebuild(settings)

    # The workers.

    async def _begin(self) -> None:
        """When all lists are there, the workers are sent everything."""
        await self._settled.wait()
        await self._watching.synced()
        self._synced = self._serving.ready = True
        if self._answering is not None:
            self._answering.ready = True
            self._answering.settle(self._serving.chain)
            self._open()
            self._tell("ready")
        for feed in self._feeds:
            feed.send_everything()
        log.info("all %d Services are known", len(self._zone.services))
        asyncio.get_running_loop().call_later(SETTLED_SECONDS, _give_back)

    def _open(self) -> None:
        """Questions have waited in their sockets; once more changes nothing."""
        if self._answering is not None:
            for index, sock in enumerate(self._udp[0]):
                asyncio.get_running_loop().add_reader(sock, self._answering.serve, index)

    def _changed(self, mark: Mark, tags: set[Tag]) -> None:
        if self._answering is not None:
            self._answering.drop(tags)
        if self._synced:
            for feed in self._feeds:
                feed.mark(mark)

    def _ask(self, message: messages.Ask) -> bool:
        self._serving.ask(message, self._udp[0][message.socket])
        return True

    def _heard(self, feed: Feed, message: messages.ToWatcher) -> None:
        match message:
            case messages.Ask():
                self._serving.ask(message, self._udp[self._feeds.index(feed)][message.socket])
            case messages.Hello():
                if self._settings is not None:
                    feed.send(self._configuration())
                if self._synced:
                    feed.send_everything()
            case messages.Ready():
                if self._is_ready() and not self._told:
                    self._told = True
                    self._tell("ready")
            case messages.Counted(kinds, spent, seconds):
                self._tally.add(kinds, spent, seconds)
                if self._counted:
                    future = self._counted.pop()
                    if not future.done():
                        future.set_result(None)

    def _is_ready(self) -> bool:
        return self._synced and all(feed.ready for feed in self._feeds)

    async def _workers_answer(self) -> bool:
        """Asks each what it has counted; whether all have said it in time."""
        if not self._feeds:
            return True
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[None]] = [loop.create_future() for _ in self._feeds]
        self._counted += futures
        for feed in self._feeds:
            feed.send(messages.Count())
        done, missing = await asyncio.wait(futures, timeout=COUNT_SECONDS)
        for future in missing:
            future.cancel()
            if future in self._counted:
                self._counted.remove(future)
        return len(done) == len(self._feeds)

    async def _render_metrics(self) -> bytes:
        await self._workers_answer()
        return self._metrics.render()


def _give_back() -> None:
    """What the lists took is not needed again, and what is there by now is not looked through again for garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()
    libc.malloc_trim()


def _text(path: str) -> str:
    try:
        return mounted(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _words(text: str, keyword: str) -> list[str]:
    """Behind a keyword of resolv.conf(5); of `search` the last line counts."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == [keyword]:
            found = [*found, *words[1:2]] if keyword == "nameserver" else words[1:]
    return [word for word in found if word != "."]
