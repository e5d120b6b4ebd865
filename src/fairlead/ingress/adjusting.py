"""Settings as they change: to the plan, to nginx's data, and, where it must be, by a reload."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap
from fairlead.client.events import Recorder, reference
from fairlead.client.rest import Client
from fairlead.ingress.administrator import Administrator, Live, read
from fairlead.ingress.nginx.process import Nginx
from fairlead.ingress.options import Options
from fairlead.ingress.plan import sites
from fairlead.ingress.plan.catalog import Catalog
from fairlead.ingress.plan.defaults import Defaults
from fairlead.ingress.plan.model import Problem

log = logging.getLogger(__name__)

SETTINGS = "s:settings"
FIRST_SECONDS = 1.0  # for the settings, before nginx starts without them
encode = msgspec.msgpack.Encoder().encode


def base_of(options: Options) -> Administrator:
    """What the flags say."""
    backend = options.default_backend.key if options.default_backend is not None else ""
    return Administrator(Live(https_port=options.https_port, default_backend=backend))


async def at_first(client: Client, options: Options) -> Administrator:
    """The settings that nginx starts with: a reload as soon as the API has been read would cost its memory twice. An
    API that does not answer at once is not waited for."""
    base = base_of(options)
    if not options.configmap:
        return base
    namespace, _, name = options.configmap.partition("/")
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            found = await client.get("configmaps", name, namespace, type=ConfigMap)
    except (OSError, EOFError, ApiError) as error:
        log.info("nginx starts without the ConfigMap %s: %s", options.configmap, error or "no answer")
        return base
    return read(found.data, options.configmap, base)


class Adjusting:
    """`apply` is called with the ConfigMap as it is, None where there is none."""

    def __init__(self, options: Options, catalog: Catalog, nginx: Nginx, recorder: Recorder) -> None:
        self._options = options
        self._catalog = catalog
        self._nginx = nginx
        self._recorder = recorder
        self._now = self._base = base_of(options)
        self._told: frozenset[Problem] = frozenset()

    def record(self) -> bytes:
        return encode(self._now.live)

    def plan(self, config_map: ConfigMap | None, reread: Callable[[], None]) -> None:
        """`reread` puts every Ingress again, for other defaults."""
        before = self._now
        if config_map is None or self._options.configmap is None:
            self._now = self._base
        else:
            self._now = read(config_map.data, self._options.configmap, self._base)
        self._tell(config_map)
        if self._now == before:
            return
        own = sites.Controller(self._options.default_backend, self._now.targets, self._now.defaults)
        self._catalog.set_own(own, self._now.config_maps)
        if self._now.defaults != before.defaults:
            reread()

    async def reload(self, config_map: ConfigMap | None) -> None:
        if why := await self._nginx.reload(self._now.static, self._now.defaults):
            log.error("the settings are not taken: %s", why)
            if config_map is not None:
                self._event(config_map, Problem("InvalidSettings", why[:1000]))

    @property
    def defaults(self) -> Defaults:
        return self._now.defaults

    def _tell(self, config_map: ConfigMap | None) -> None:
        problems = frozenset(self._now.problems)
        for each in self._now.problems:
            if each not in self._told and config_map is not None:
                log.warning("%s", each.message)
                self._event(config_map, each)
        self._told = problems

    def _event(self, config_map: ConfigMap, problem: Problem) -> None:
        self._recorder.event(reference(config_map, "ConfigMap", "v1"), "Warning", problem.reason, problem.message)
