"""The load balancer as a part: Services, nodes and pools in, addresses and what answers at them out."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from fairlead.api.types.core import ConfigMap, Node
from fairlead.client.config import load
from fairlead.client.events import Recorder, reference
from fairlead.client.informer import Informer
from fairlead.client.leader import Election, LeadershipLostError
from fairlead.client.rest import Client
from fairlead.client.workqueue import run
from fairlead.host.netlink import Netlink
from fairlead.loadbalancer.asking import Service
from fairlead.loadbalancer.configuration import CONFIG_KEY, CONFIG_MAP, DEVICE, L2, ConfigurationError, parse
from fairlead.loadbalancer.controller import Controller
from fairlead.loadbalancer.device.apply import Device
from fairlead.loadbalancer.device.serving import DeviceServing
from fairlead.loadbalancer.l2.responding import Responder
from fairlead.loadbalancer.l2.speaker import Speaker
from fairlead.loadbalancer.nodes import addressed, leaving
from fairlead.loadbalancer.serving import Elsewhere, Serving

log = logging.getLogger(__name__)

WORKERS = 8
COMPONENT = "service-controller"  # as the events of a cloud's are from


@dataclass(frozen=True, slots=True)
class Options:
    """`configmap` is "namespace/name"; `interface` is where clients and nodes are. `node`: the one that this runs on,
    in the mode `l2`; its leases are beside the ConfigMap."""

    kubeconfig: str | None = None
    configmap: str = CONFIG_MAP
    interface: str = "eth0"
    health_port: int = 10256
    mode: str = "device"
    node: str = ""


async def serve(options: Options) -> None:
    """Runs until cancelled; what serves by then goes on."""
    client = Client(load(options.kubeconfig), user_agent="fairlead-loadbalancer")
    try:
        if options.mode == "l2":
            await _serve_on_node(options, client)
        else:
            serving = DeviceServing(Device(options.interface), options.health_port)
            await LoadBalancer(options, client, serving, DEVICE).run()
    finally:
        await client.close()


async def _serve_on_node(options: Options, client: Client) -> None:
    """Each node answers for its addresses; one of them all gives the addresses."""
    namespace = options.configmap.partition("/")[0]
    services = Informer(client, "services", Service)
    configs = _configs(client, options)
    links = Netlink()
    responder = Responder(options.interface, links.link_address(options.interface))
    links.close()
    speaker = Speaker(client, namespace, options.node, services, responder, options.health_port)

    def on_config(_: str, __: ConfigMap | None, config: ConfigMap | None) -> None:
        with contextlib.suppress(ConfigurationError):  # the leader tells
            if config is not None:
                speaker.default_class = parse(config.data.get(CONFIG_KEY, "")).default_class

    configs.add_handler(on_config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(services.run())
        tasks.create_task(configs.run())
        tasks.create_task(speaker.run())
        while True:
            try:
                election = Election(client, "load-balancer-l2", options.node, namespace)
                await election.run(lambda: LoadBalancer(options, client, Elsewhere(), L2).run())
            except LeadershipLostError as error:
                log.info("%s", error)


def _configs(client: Client, options: Options) -> Informer[ConfigMap]:
    namespace, _, name = options.configmap.partition("/")
    return Informer(client, "configmaps", ConfigMap, namespace=namespace, field_selector=f"metadata.name={name}")


class LoadBalancer:
    def __init__(self, options: Options, client: Client, serving: Serving, class_: str) -> None:
        self._recorder = Recorder(client, COMPONENT)
        self._serving = serving
        self._services = Informer(client, "services", Service)
        self._nodes = Informer(client, "nodes", Node)
        self._configs = _configs(client, options)
        self._controller = Controller(client, self._recorder, self._services, class_, serving)
        self._known: frozenset[str] | None = None  # nodes

    async def run(self) -> None:
        informers = (self._services, self._nodes, self._configs)
        async with asyncio.TaskGroup() as tasks:
            for each in informers:
                tasks.create_task(each.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._serving.run())
            for each in informers:
                await each.synced()
            self._nodes.add_handler(lambda *_: self._on_nodes())
            self._on_nodes()
            self._configs.add_handler(lambda _key, _old, new: self._on_config(new))
            self._controller.start()
            self._serving.start()
            tasks.create_task(run(self._controller.queue, WORKERS, self._controller.reconcile, "load balancer"))

    def _on_nodes(self) -> None:
        nodes = list(self._nodes.items.values())
        found, going = addressed(nodes), leaving(nodes)
        self._serving.set_nodes(found, going)
        names = found.keys() - going
        self._controller.has_nodes = bool(names)
        if self._known is not None and names != self._known:
            self._controller.nodes_changed()
        self._known = frozenset(names)

    def _on_config(self, config: ConfigMap | None) -> None:
        """Pools that cannot be read, or are gone, are told, and those before stay: nobody loses an address by it."""
        if config is None:
            return
        try:
            found = parse(config.data.get(CONFIG_KEY, ""))
        except ConfigurationError as error:
            message = f"{CONFIG_KEY}: {error}"
            log.warning("%s", message)
            involved = reference(config, "ConfigMap", "v1")
            self._recorder.event(involved, "Warning", "InvalidConfiguration", message)
            return
        self._controller.configure(found)
