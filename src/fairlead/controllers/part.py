"""The controllers as a part: all of them, on one client and one set of caches."""

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from fairlead.client.config import load
from fairlead.client.leader import Election
from fairlead.client.rest import Client
from fairlead.controllers.context import Context
from fairlead.controllers.daemonset import DaemonSetController
from fairlead.controllers.deployment import DeploymentController
from fairlead.controllers.endpoints import EndpointsController
from fairlead.controllers.endpointslice import EndpointSliceController
from fairlead.controllers.endpointslice_mirroring import EndpointSliceMirroringController
from fairlead.controllers.garbage import GarbageCollector
from fairlead.controllers.job import JobController
from fairlead.controllers.namespace import NamespaceController
from fairlead.controllers.namespace_defaults import NamespaceDefaultsController
from fairlead.controllers.node_lifecycle import NodeLifecycleController
from fairlead.controllers.pod_gc import PodGarbageCollector
from fairlead.controllers.replicaset import REPLICATION_CONTROLLER, ReplicaSetController

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """`root_ca`: the PEM file of the authority that clients in pods trust.

    `leader_elect`: of several copies, one works at a time.
    """

    kubeconfig: str | None
    root_ca: str
    cluster_cidrs: tuple[str, ...] = ("10.244.0.0/16",)  # where nodes' ranges are from, one of each family
    leader_elect: bool = False


async def serve(options: Options) -> None:
    """Runs until cancelled. Raises ConfigError, OSError for files that are not there, LeadershipLostError."""
    client = Client(load(options.kubeconfig), user_agent="kube-controller-manager/fairlead")
    try:
        if options.leader_elect:
            me = f"{socket.gethostname()}_{uuid.uuid4()}"
            await Election(client, "kube-controller-manager", me).run(lambda: _work(client, options))
        else:
            await _work(client, options)
    finally:
        await client.close()


async def _work(client: Client, options: Options) -> None:
    context = Context(client)
    controllers = _controllers(context, options)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(context.run())
        await context.synced()
        log.info("%d controllers at work", len(controllers))
        for run in controllers.values():
            tasks.create_task(run())


def _controllers(context: Context, options: Options) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
    return {
        "deployment": DeploymentController(context).run,
        "replicaset": ReplicaSetController(context).run,
        "replicationcontroller": ReplicaSetController(context, REPLICATION_CONTROLLER).run,
        "daemonset": DaemonSetController(context).run,
        "job": JobController(context).run,
        "endpoints": EndpointsController(context).run,
        "endpointslice": EndpointSliceController(context).run,
        "endpointslicemirroring": EndpointSliceMirroringController(context).run,
        "namespace": NamespaceController(context).run,
        "namespace-defaults": NamespaceDefaultsController(context, Path(options.root_ca).read_text()).run,
        "garbagecollector": GarbageCollector(context).run,
        "nodelifecycle": NodeLifecycleController(context, options.cluster_cidrs).run,
        "podgc": PodGarbageCollector(context).run,
    }
