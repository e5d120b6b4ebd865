"""The agent: a worker for each pod that is bound to this node, and what they share."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fairlead.api.types.core import Node, Pod
from fairlead.client.events import Recorder
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.host.conntrack import forget_udp
from fairlead.node.images import Images
from fairlead.node.ipam import Pool, Pools
from fairlead.node.network import PodNetwork
from fairlead.node.pod_worker import PodWorker
from fairlead.node.service_links import LinkedService, variables
from fairlead.node.settings import Options
from fairlead.runtime.crun.runtime import CrunRuntime
from fairlead.runtime.images.source import ImageSource
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import ContainerRecord, HostPort, Runtime, SandboxRecord
from fairlead.runtime.part_image import is_part
from fairlead.runtime.parts import PartRuntime
from fairlead.runtime.records import Records

log = logging.getLogger(__name__)


class Agent:
    def __init__(self, options: Options, client: Client) -> None:
        self.options = options
        self.client = client
        self.recorder = Recorder(client, "kubelet", options.node_name)
        run, state, exits = Path(options.run_dir), Path(options.state_dir), Path(options.exits)
        self.records = Records(run / "records")
        store = ImageStore(Path(options.images))
        self.crun = CrunRuntime(run, state / "containers", exits, store, self.records)
        self.parts = PartRuntime(run, Path(options.zygote), exits, self.records, options.network)
        self.crun.exited = self.parts.exited = self._exited
        self.images = Images(store, ImageSource(store), aliases=options.image_aliases)
        self.network = PodNetwork()
        self.allocatable: Mapping[str, str] = {}
        self.workers: dict[str, PodWorker] = {}  # by the pod's uid
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pools: asyncio.Future[Pools] | None = None
        self._left: dict[str, tuple[SandboxRecord | None, list[ContainerRecord]]] = {}
        self.pods = Informer(client, "pods", Pod, field_selector=f"spec.nodeName={options.node_name}")
        self._services = Informer(client, "services", LinkedService)
        self._nodes = Informer(client, "nodes", Node, field_selector=f"metadata.name={options.node_name}")

    # What workers ask for.

    def runtime_of(self, image: str) -> Runtime:
        return self.parts if is_part(image) else self.crun

    def sandbox_runtime(self, pod: Pod) -> Runtime:
        return self.parts if all(is_part(each.image) for each in pod.spec.containers) else self.crun

    async def addresses(self) -> Pools:
        """Those of this node's podCIDRs, once it has them."""
        assert self._pools is not None
        return await asyncio.shield(self._pools)

    async def publish_host_ports(self, changed: Sequence[HostPort]) -> None:
        """Those of all sandboxes that there are, where some have come or gone. Raises OSError."""
        if not changed:
            return
        self.network.publish([port for record in self.records.sandboxes() for port in record.host_ports])
        for each in changed:
            if each.protocol == "udp":  # flows that were there before go on as they began
                await forget_udp("IPv6" if ":" in each.ip else "IPv4", each.host_ip or None, each.host_port)

    def service_variables(self, pod: Pod) -> dict[str, str]:
        links = pod.spec.enable_service_links is not False
        return variables(self._services.items, pod.metadata.namespace, links=links)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, call)

    def worker_of(self, namespace: str, name: str) -> PodWorker | None:
        for worker in self.workers.values():
            metadata = worker.pod.metadata
            if (metadata.namespace, metadata.name) == (namespace, name):
                return worker
        return None

    # Life.

    async def run(self, ready: Callable[[], object]) -> None:
        """`ready` is called when all caches are filled."""
        self._pools = asyncio.get_running_loop().create_future()
        self._recover()
        await self.publish_host_ports([port for record in self.records.sandboxes() for port in record.host_ports])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.recorder.run())
            for informer in (self._nodes, self._services, self.pods):
                tasks.create_task(informer.run())
            self._nodes.add_handler(self._on_node)
            await self._services.synced()
            await self.pods.synced()
            self.pods.add_handler(self._on_pod)
            await self._end_strangers()
            ready()

    def _on_node(self, _: str, __: Node | None, new: Node | None) -> None:
        assert self._pools is not None
        if new is None:
            return
        self.allocatable = {name: str(amount) for name, amount in new.status.allocatable.items()}
        if new.spec.pod_cidrs and not self._pools.done():
            pools = Pools(tuple(Pool(cidr) for cidr in new.spec.pod_cidrs))
            pools.recover((record.ips, record.id) for record in self.records.sandboxes() if record.network)
            self._pools.set_result(pools)

    def _recover(self) -> None:
        """What an earlier agent left: sandboxes and containers by pod."""
        containers = [*self.crun.recover(), *self.parts.recover()]
        for sandbox in self.records.sandboxes():
            known = self._left.get(sandbox.pod_uid)
            if known is None or (known[0] is not None and known[0].attempt < sandbox.attempt):
                self._left[sandbox.pod_uid] = (sandbox, [])
        for record in containers:
            self._left.setdefault(record.pod_uid, (None, []))[1].append(record)
        if containers:
            log.info("found %d containers of %d pods", len(containers), len(self._left))

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            # Gone from the API without our word: forced. What runs must go all the same.
            if old is not None and (worker := self.workers.get(old.metadata.uid)) is not None:
                self._force(worker)
            return
        if old is not None and old.metadata.uid != new.metadata.uid and old.metadata.uid in self.workers:
            self._force(self.workers[old.metadata.uid])
        uid = new.metadata.uid
        worker = self.workers.get(uid)
        if worker is not None:
            worker.update(new)
            return
        if new.is_terminated and new.metadata.deletion_timestamp is None and uid not in self._left:
            return
        self._begin(new)

    def _begin(self, pod: Pod) -> PodWorker:
        uid = pod.metadata.uid
        worker = self.workers[uid] = PodWorker(self, pod)
        if (left := self._left.pop(uid, None)) is not None:
            worker.recover(*left)
        task = self._tasks[uid] = asyncio.get_running_loop().create_task(self._work(worker))
        task.add_done_callback(lambda _: self._tasks.pop(uid, None))
        return worker

    async def _work(self, worker: PodWorker) -> None:
        """A fault in one pod's worker is told and tried again; the others go on."""
        metadata = worker.pod.metadata
        while True:
            try:
                await worker.run()
            except asyncio.CancelledError:
                raise
            except Exception:  # a fault of ours, with this pod alone
                log.exception("pod %s/%s", metadata.namespace, metadata.name)
                await asyncio.sleep(1)
            else:
                self.workers.pop(metadata.uid, None)
                return

    def _force(self, worker: PodWorker) -> None:
        pod = worker.pod
        if pod.metadata.deletion_timestamp is None:
            pod.metadata.deletion_timestamp = "1970-01-01T00:00:00Z"
        pod.metadata.deletion_grace_period_seconds = 0
        worker.update(pod)

    async def _end_strangers(self) -> None:
        """Pods that the API forgot while no agent ran here."""
        for uid, (sandbox, records) in list(self._left.items()):
            del self._left[uid]
            for record in records:
                runtime = self.runtime_of(record.image)
                await runtime.stop_container(record, 0)
                await runtime.remove_container(record)
            if sandbox is not None:
                self.network.tear_down(sandbox.id)
                part = any(record.part for record in records)
                (self.parts if part else self.crun).remove_sandbox(sandbox)
                await self.publish_host_ports(sandbox.host_ports)

    def _exited(self, record: ContainerRecord) -> None:
        if (worker := self.workers.get(record.pod_uid)) is not None:
            worker.ended(record)
