"""`fairlead loadbalancer`: what gives Services of the type LoadBalancer an address, and answers there."""

import click

from fairlead.cli.parts import KUBECONFIG, run


@click.command()
@KUBECONFIG
@click.option(
    "--configmap", default="kube-system/load-balancer", show_default=True, help="namespace/name of the pools."
)
@click.option("--interface", default="eth0", show_default=True, help="Where clients and nodes are.")
@click.option(
    "--node-health-port", "health_port", default=10256, show_default=True, help="Of the nodes' service proxy."
)
def loadbalancer(kubeconfig: str | None, configmap: str, interface: str, health_port: int) -> None:
    """Serve Services of the type LoadBalancer outside the cluster.

    Runs on a machine of the nodes' network that is no node, and takes the addresses of the pools itself.
    """
    from fairlead.loadbalancer.part import Options, serve

    run(serve(Options(kubeconfig, configmap, interface, health_port)))
