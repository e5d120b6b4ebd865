"""The node agent as a part."""

import asyncio
import logging
import signal
import subprocess
from pathlib import Path

from fairlead.client.config import load
from fairlead.client.rest import Client
from fairlead.host import process
from fairlead.host.cgroup import degraded
from fairlead.http.server import listen, server_tls
from fairlead.node import machine
from fairlead.node.agent import Agent
from fairlead.node.kubelet import KubeletServer
from fairlead.node.node_status import Health, Identity
from fairlead.node.registration import Registration
from fairlead.node.settings import Options

log = logging.getLogger(__name__)

VERSION = "v1.32.0+fairlead"


async def serve(options: Options) -> None:
    """Runs until cancelled; pods go on running then, and the next agent finds them."""
    process.become_subreaper()
    client = Client(load(options.kubeconfig), user_agent="kubelet/fairlead")
    agent = Agent(options, client)
    refused = agent.network.prepare_node(ipv6=options.ipv6)
    identity = Identity(options.node_name, options.node_ips, dict(options.labels), VERSION, f"crun://{_crun_version()}")
    missing = (f"sysctl {name} cannot be set" for name in refused if "gc_thresh" not in name)
    health = Health(degraded=(*degraded(), *missing))
    registration = Registration(
        client, identity, machine.read(Path(options.state_dir)), health, options.taints, options.pod_cidrs
    )
    tls = server_tls(options.certificate, options.key, options.client_ca)
    signal.signal(signal.SIGCHLD, lambda *_: process.reap_all())  # uvloop keeps its own way for its own children
    server = await listen(KubeletServer(agent).handle, options.node_ips, options.port, ssl=tls)
    try:
        await registration.register()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(registration.run())
            tasks.create_task(agent.run(lambda: log.info("node %s is at work", options.node_name)))
    finally:
        await server.close()
        await client.close()


def _crun_version() -> str:
    """`1.8.1`; what is not there shows when the first pod starts."""
    try:
        done = subprocess.run(["crun", "--version"], capture_output=True, text=True, timeout=5, check=False)
    except OSError:
        return "missing"
    return done.stdout.split("\n")[0].rpartition(" ")[2]
