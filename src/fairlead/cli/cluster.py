"""Commands about a cluster on this machine: up, down, status, exec, shell, kubeconfig."""

import json
import os
import sys
from typing import Any

import click

from fairlead.cluster.layout import NAME_RULE, AddressPlan, Layout, is_name


def _checked_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not is_name(name):
        raise click.BadParameter(f"{name!r}: a cluster's name is {NAME_RULE}")
    return name


NAME = click.option(
    "--name",
    default="default",
    show_default=True,
    callback=_checked_name,
    help="Which cluster, where there are several.",
)
OUTPUT = click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", help="For people or programs."
)


def require_root() -> None:
    if os.geteuid() != 0:
        raise click.ClickException("network namespaces need root: run it with sudo")


def cluster_plan(layout: Layout) -> AddressPlan:
    from fairlead.cluster.running import NotRunningError, plan_of

    plan = plan_of(layout)
    if plan is None:
        raise NotRunningError(layout)
    return plan


@click.command()
@click.option(
    "--nodes", default=3, show_default=True, type=click.IntRange(1, 100), help="How many, the control plane's included."
)
@click.option(
    "--proxy-mode",
    type=click.Choice(["ebpf", "iptables", "ipvs", "nftables", "userspace"]),
    help="How kube-proxy programs Services: as before, or nftables in a new cluster.",
)
@click.option(
    "--image-aliases/--no-image-aliases",
    default=True,
    help="Whether pods of ingress-nginx's images run our controller, or what a registry has under these names.",
)
@click.option(
    "--ip-family",
    type=click.Choice(["dual", "ipv4", "ipv6"]),
    help="The families of addresses: as before, or dual, IPv4 first, in a new cluster.",
)
@NAME
@OUTPUT
def up(nodes: int, proxy_mode: str | None, image_aliases: bool, ip_family: str | None, name: str, output: str) -> None:
    """Start a cluster, and return when it serves.

    What was stored in it before is kept. Its nodes are network namespaces; the address plan is the tutorial's: nodes
    192.168.109.100 and up, pods 10.244.0.0/16, Services 10.96.0.0/12; beside them fd00:192:168:109::100 and up,
    fd00:10:244::/56 and fd00:10:96::/112.
    """
    require_root()
    from fairlead.cluster import bringup
    from fairlead.cluster.running import is_up

    layout = Layout(name)
    if is_up(layout):
        click.echo(f"cluster {name} is running already: see `fairlead status`")
        return
    progress = output == "text"
    told = (lambda what, seconds: click.echo(f"{seconds:7.3f} s  {what}", err=True)) if progress else (lambda *_: None)
    timings = bringup.Timings(told=told)
    from fairlead.cli.main import main

    plan = bringup.start(layout, nodes, ip_family, main, timings, image_aliases=image_aliases)
    import uvloop  # while the API server starts

    uvloop.run(bringup.wait_until_serving(layout, plan, proxy_mode, timings))
    if output == "json":
        described = {"name": name, "seconds": dict(timings.marks), "kubeconfig": str(layout.kubeconfig)}
        click.echo(json.dumps(described))
        return
    nodes_text = ", ".join(f"{node.name} {node.address}" for node in plan.nodes)
    click.echo(f"cluster {name} serves: {nodes_text}")
    option = "" if name == "default" else f" --name {name}"
    click.echo(f"try: fairlead shell{option} master    or: export KUBECONFIG=$(fairlead kubeconfig{option} --path)")


@click.command()
@click.option("--delete-state", is_flag=True, help="Forget what was stored in it, too.")
@NAME
def down(name: str, delete_state: bool) -> None:
    """Stop a cluster and take away all that it made: processes, namespaces, mounts, rules.

    Its objects are kept for the next `fairlead up`, unless --delete-state is given.
    """
    require_root()
    from fairlead.cluster.teardown import down as end

    if not end(Layout(name), delete_state=delete_state):
        click.echo(f"cluster {name} was not running")


@click.command(hidden=True)
@NAME
@click.option("--guard", type=int, required=True, help="The process that starts the next one.")
def warden(name: str, guard: int) -> None:
    """Be the parent of a cluster's parts: what the guard starts where the one before has died."""
    from fairlead.cli.main import main
    from fairlead.cluster.warden import Warden

    Warden(Layout(name), main).main(guard)


@click.command()
@NAME
@OUTPUT
def status(name: str, output: str) -> None:
    """Show a cluster's processes and nodes."""
    require_root()
    from fairlead.cluster import inspect

    report = inspect.report(Layout(name))
    if output == "json":
        click.echo(json.dumps(report))
    else:
        for line in inspect.render(report):
            click.echo(line)
    sys.exit(0 if report["running"] else 1)


@click.command(name="exec", context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@NAME
def execute(node: str, command: tuple[str, ...], name: str) -> None:
    """Run COMMAND on NODE, with its network and with kubectl configured.

    \b
    fairlead exec node1 -- curl 10.97.97.97
    """
    _become(name, node)
    _run(name, node, list(command))


@click.command()
@click.argument("node", default="master")
@NAME
def shell(node: str, name: str) -> None:
    """Open a root shell on NODE, like the tutorial's [root@master ~]#."""
    _become(name, node)
    prompt = f"[root@{node} \\W]# "
    os.environ["PS1"] = prompt
    _run(name, node, ["bash", "--norc", "--noprofile", "-i"])


def _become(name: str, node: str) -> None:
    require_root()
    from fairlead.cluster import enter

    layout = Layout(name)
    plan = cluster_plan(layout)
    if plan.node(node) is None:
        names = ", ".join(each.name for each in plan.nodes)
        raise click.BadParameter(f"{node!r} is no node of cluster {name}: there are {names}", param_hint="NODE")
    enter.become(layout, plan, node)


def _run(name: str, node: str, argv: list[str]) -> None:
    from fairlead.cluster import enter

    try:
        os.execvpe(argv[0], argv, enter.environment(Layout(name), node))  # noqa: S606  # what the user typed
    except FileNotFoundError:
        click.echo(f"error: {argv[0]}: command not found", err=True)
        sys.exit(127)


@click.command()
@click.option("--path", is_flag=True, help="Print where the file is instead of what is in it.")
@NAME
def kubeconfig(name: str, path: bool) -> None:
    """Print the cluster's kubeconfig.

    \b
    export KUBECONFIG=$(fairlead kubeconfig --path)
    """
    layout = Layout(name)
    if not layout.kubeconfig.exists():
        raise click.ClickException(f"cluster {name} was never started: `fairlead up`")
    click.echo(str(layout.kubeconfig) if path else layout.kubeconfig.read_text(), nl=path)


COMMANDS: tuple[Any, ...] = (up, down, warden, status, execute, shell, kubeconfig)
