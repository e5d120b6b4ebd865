"""`fairlead loadbalancer`: what gives Services of the type LoadBalancer an address, and answers there."""

import click

from fairlead.cli.parts import KUBECONFIG, run


@click.command()
@KUBECONFIG
@click.option(
    "--mode",
    type=click.Choice(["device", "l2"]),
    default="device",
    show_default=True,
    help="A machine of its own beside the nodes, or a part of each node, of which one answers for an address.",
)
@click.option("--node-name", "node", envvar="NODE_NAME", default="", help="In the mode l2: the node that this runs on.")
@click.option(
    "--configmap", default="kube-system/load-balancer", show_default=True, help="namespace/name of the pools."
)
@click.option("--interface", default="eth0", show_default=True, help="Where clients and nodes are.")
@click.option(
    "--node-health-port", "health_port", default=10256, show_default=True, help="Of the nodes' service proxy."
)
def loadbalancer(
    kubeconfig: str | None, mode: str, node: str, configmap: str, interface: str, health_port: int
) -> None:
    """Serve Services of the type LoadBalancer at addresses outside the cluster.

    As a device it runs on a machine of the nodes' network that is no node, and takes the addresses of the pools itself.
    In the mode l2 it runs on every node, in its network.
    """
    if mode == "l2" and not node:
        raise click.UsageError("--node-name: the mode l2 runs on a node, and must know which")
    from fairlead.loadbalancer.part import Options, serve

    run(serve(Options(kubeconfig, configmap, interface, health_port, mode, node)))
