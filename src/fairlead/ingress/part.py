"""The Ingress controller as a part: Ingresses, Services, endpoints and Secrets in, data for nginx out."""

import asyncio
import datetime
import gc
import logging

from fairlead.api.types.core import ConfigMap, Secret
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress
from fairlead.api.types.service import Endpoints, Service
from fairlead.client.config import load
from fairlead.client.events import Recorder, reference
from fairlead.client.rest import Client
from fairlead.host import libc
from fairlead.ingress import fake_certificate
from fairlead.ingress.adjusting import SETTINGS, Adjusting, at_first
from fairlead.ingress.metrics import Metrics
from fairlead.ingress.nginx.place import place
from fairlead.ingress.nginx.process import Nginx
from fairlead.ingress.nginx.writer import Writer
from fairlead.ingress.observing import Observed, observe, service_keys
from fairlead.ingress.options import Options
from fairlead.ingress.plan import sites
from fairlead.ingress.plan.admission import Verdict, review
from fairlead.ingress.plan.catalog import Catalog
from fairlead.ingress.plan.model import Problem
from fairlead.ingress.resolving import resolve
from fairlead.ingress.server import serve as serve_health
from fairlead.ingress.status import Ours, StatusKeeper
from fairlead.ingress.streaming import Streaming
from fairlead.ingress.webhook import serve as serve_webhook

log = logging.getLogger(__name__)

COMPONENT = "nginx-ingress-controller"
RETRY = 1.0  # seconds before the API is asked again


async def serve(options: Options) -> None:
    """Runs until cancelled; nginx then ends gently."""
    client = Client(load(options.kubeconfig), user_agent="nginx-ingress-controller/fairlead")
    try:
        await work(options, client)
    finally:
        await client.close()


async def work(options: Options, client: Client) -> None:
    """nginx serves from its snapshot before the API has answered."""
    where = place(
        options.run_dir,
        "fairlead-ingress",
        options.http_port,
        options.https_port,
        options.listen,
        options.workers,
        passthrough=options.passthrough,
    )
    certificate = fake_certificate.make(datetime.datetime.now(datetime.UTC))
    settings = await at_first(client, options)
    nginx = Nginx(where, settings.static, settings.defaults, certificate, options.shutdown_seconds)
    writer = Writer(nginx)
    writer.open()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(nginx.run())
            controller = Controller(client, options, await _observe(client, options), nginx, writer)
            tasks.create_task(controller.run())
    finally:
        writer.close()


async def _observe(client: Client, options: Options) -> Observed:
    while True:
        try:
            return await observe(client, options)
        except (OSError, EOFError) as error:
            log.info("the API cannot be reached yet: %s", error)
            await asyncio.sleep(RETRY)


class Controller:
    """Handlers only mark what is dirty; one task plans and writes."""

    def __init__(self, client: Client, options: Options, observed: Observed, nginx: Nginx, writer: Writer) -> None:
        self._options = options
        self._observed = observed
        self._nginx = nginx
        self._writer = writer
        self._catalog = Catalog(
            observed, options.prefix, sites.Controller(options.default_backend), options.default_certificate
        )
        self._recorder = Recorder(client, COMPONENT)
        self._adjusting = Adjusting(options, self._catalog, nginx, self._recorder)
        self._settings_changed = True
        self._streaming = Streaming(options, observed, self._catalog, self._recorder)
        self._streams_changed = True
        self._ours = Ours(options, observed)
        self._status = StatusKeeper(client, options, observed, self._ours)
        self._metrics = Metrics(options)
        self._told: dict[str, frozenset[Problem]] = {}
        self._wake = asyncio.Event()
        self._synced = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in self._observed.informers:
                tasks.create_task(informer.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(serve_health(self._options, self._metrics, self._nginx, lambda: self._synced))
            await self._observed.synced()
            self._follow()
            tasks.create_task(self._sync_for_ever())
            tasks.create_task(self._status.run())
            tasks.create_task(self._streaming.run())
            if self._options.webhook is not None:
                tasks.create_task(serve_webhook(*self._options.webhook, self._judge))
            tasks.create_task(resolve(self._catalog, self._observed, self._mark))

    def _follow(self) -> None:
        self._observed.services.add_handler(self._on_service)
        if self._observed.slices is not None:
            self._observed.slices.add_handler(self._on_slice)
        if self._observed.endpoints is not None:
            self._observed.endpoints.add_handler(self._on_endpoints)
        self._observed.secrets.add_handler(self._on_secret)
        self._observed.config_maps.add_handler(self._on_config_map)
        self._observed.ingresses.add_handler(self._on_ingress)
        if self._observed.classes is not None:
            self._observed.classes.add_handler(lambda *_: self._on_class())
        self._mark()

    def _mark(self) -> None:
        self._wake.set()

    def _on_service(self, key: str, _: Service | None, __: Service | None) -> None:
        self._catalog.service_changed(key)
        if key == self._options.publish_service:
            self._status.published_changed()
        self._mark()

    def _on_slice(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for obj in (old, new):
            for key in service_keys(obj) if obj is not None else ():
                self._catalog.service_changed(key)
        self._mark()

    def _on_endpoints(self, key: str, _: Endpoints | None, __: Endpoints | None) -> None:
        self._catalog.service_changed(key)
        self._mark()

    def _on_secret(self, key: str, _: Secret | None, __: Secret | None) -> None:
        self._catalog.secret_changed(key)
        self._mark()

    def _on_config_map(self, key: str, _: ConfigMap | None, __: ConfigMap | None) -> None:
        self._catalog.config_map_changed(key)
        if key == self._options.configmap:
            self._settings_changed = True
        if key in (self._options.tcp_services, self._options.udp_services):
            self._streams_changed = True
        self._mark()

    def _reread(self) -> None:
        for key in list(self._catalog.claims):
            self._catalog.put(key, self._observed.ingresses.get(key))

    def _on_class(self) -> None:
        """Which Ingresses are ours may have changed."""
        for key, ingress in self._observed.ingresses.items.items():
            if self._ours(ingress) != (key in self._catalog.claims):
                self._on_ingress(key, None, ingress)

    def _on_ingress(self, key: str, old: Ingress | None, new: Ingress | None) -> None:
        was_ours = key in self._catalog.claims
        ours = new is not None and self._ours(new)
        if not ours and not was_ours:
            return
        if new is not None and ours:
            if not was_ours or _differs(old, new):
                self._catalog.put(key, new)
            self._status.changed(key)
            reason = "UPDATE" if was_ours else "CREATE"
            if self._synced or not new.status.load_balancer.ingress:  # at a start, those that are new to us
                self._tell(new, "Normal", reason, f"Ingress {key}")
        else:
            self._catalog.put(key, None)
            self._told.pop(key, None)
            about = new or old
            if about is not None:
                self._tell(about, "Normal", "DELETE", f"Ingress {key}")
        self._mark()

    async def _sync_for_ever(self) -> None:
        """What came meanwhile goes in one batch."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            config_map = self._observed.config_map(self._options.configmap or "")
            adjusted, self._settings_changed = self._settings_changed, False
            if adjusted:
                self._adjusting.plan(config_map, self._reread)
            plan = self._catalog.plan()
            if self._streams_changed:
                self._streams_changed = False
                await self._streaming.adjust()
            if adjusted:
                plan.records[SETTINGS] = self._adjusting.record()
                await self._adjusting.reload(config_map)
            await self._writer.write(plan.records)
            if not self._synced:
                self._synced = True
                _give_back()
            self._metrics.observe_sync(self._catalog)
            for key, problems in plan.problems.items():
                self._tell_problems(key, problems)

    def _judge(self, ingress: Ingress) -> Verdict:
        """For the webhook; what is not ours is not ours to judge."""
        if not self._ours(ingress):
            return Verdict(True)
        return review(ingress, self._options.prefix, self._adjusting.defaults, self._catalog.claims.values())

    def _tell_problems(self, key: str, problems: tuple[Problem, ...]) -> None:
        """Each once, until it is gone and comes again."""
        ingress = self._observed.ingresses.get(key)
        before = self._told.get(key, frozenset())
        self._told[key] = frozenset(problems)
        for each in problems:
            if each not in before and ingress is not None:
                log.warning("Ingress %s: %s", key, each.message)
                self._tell(ingress, "Warning", each.reason, each.message)

    def _tell(self, ingress: Ingress, kind: str, reason: str, message: str) -> None:
        involved = reference(ingress, "Ingress", "networking.k8s.io/v1")
        self._recorder.event(involved, kind, reason, message)


def _give_back() -> None:
    """What reading everything has taken and will not take again."""
    gc.collect()
    gc.freeze()
    libc.malloc_trim()


def _differs(old: Ingress | None, new: Ingress) -> bool:
    """In what is served: not in its status."""
    return old is None or old.spec != new.spec or old.metadata.annotations != new.metadata.annotations
