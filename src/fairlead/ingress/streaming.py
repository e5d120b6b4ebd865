"""Keeps the streams as the ConfigMaps and the Ingresses say."""

import asyncio
import logging

from fairlead.api.types.core import ConfigMap
from fairlead.client.events import Recorder, reference
from fairlead.ingress.nginx.settings import PASSTHROUGH_PORT
from fairlead.ingress.observing import Observed
from fairlead.ingress.options import Options
from fairlead.ingress.plan.backends import backend_of
from fairlead.ingress.plan.catalog import Catalog
from fairlead.ingress.plan.streams import Stream, read
from fairlead.ingress.streams import Passthrough, Streams

log = logging.getLogger(__name__)


class Streaming:
    def __init__(self, options: Options, observed: Observed, catalog: Catalog, recorder: Recorder) -> None:
        self._options = options
        self._observed = observed
        self._catalog = catalog
        self._recorder = recorder
        self._streams = Streams(options.listen, self._endpoints)
        self._told: dict[str, list[str]] = {}

    async def run(self) -> None:
        """Listens for TLS where some of it goes on unopened; runs until cancelled."""
        try:
            if self._options.passthrough:
                front = Passthrough(("127.0.0.1", PASSTHROUGH_PORT), self._passed_on)
                async with asyncio.TaskGroup() as tasks:
                    for address in self._options.listen:
                        tasks.create_task(front.serve(address, self._options.https_port))
            await asyncio.Event().wait()
        finally:
            await self._streams.close()

    async def adjust(self) -> None:
        """Where the ConfigMaps have changed, ports come and go; others stay open."""
        taken = frozenset({self._options.http_port, self._options.https_port, self._options.health_port})
        for key, protocol in ((self._options.tcp_services, "TCP"), (self._options.udp_services, "UDP")):
            if key is None:
                continue
            config_map = self._observed.config_map(key)
            wanted, faults = read(config_map.data if config_map is not None else {}, protocol, taken)
            change = self._streams.set_tcp if protocol == "TCP" else self._streams.set_udp
            self._tell(key, config_map, [*faults, *await change(wanted)])

    def _endpoints(self, stream: Stream) -> tuple[tuple[str, int], ...]:
        return backend_of(stream.target, self._observed, stream.protocol).endpoints

    def _passed_on(self, name: str) -> tuple[tuple[str, int], ...] | None:
        target = self._catalog.passthrough(name)
        return None if target is None else backend_of(target, self._observed).endpoints

    def _tell(self, key: str, config_map: ConfigMap | None, faults: list[str]) -> None:
        if faults != self._told.get(key, []):
            self._told[key] = faults
            for each in faults if config_map is not None else ():
                log.warning("%s: %s", key, each)
                assert config_map is not None
                self._recorder.event(reference(config_map, "ConfigMap", "v1"), "Warning", "InvalidStream", each)
