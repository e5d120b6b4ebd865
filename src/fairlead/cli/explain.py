"""`fairlead explain`: why a Service works, or does not."""

import json
import sys

import click

from fairlead.cli.cluster import NAME, OUTPUT, cluster_plan, require_root
from fairlead.cluster.layout import Layout


@click.command()
@click.argument("service", metavar="service/NAME")
@click.option("--namespace", "-n", default="default", show_default=True)
@click.option("--from", "asked_from", help="pod/NAME, node/NAME or outside; the first node by default.")
@click.option("--port", type=int, help="Only this port of the Service.")
@NAME
@OUTPUT
def explain(service: str, namespace: str, asked_from: str | None, port: int | None, name: str, output: str) -> None:
    """Tell what happens to a packet to a Service, or why nothing does.

    Reads its objects from the API, the rules from the node's kernel, and tries whether its endpoints take connections.
    The exit code is 1 where there is a problem.

    \b
    fairlead explain service/web -n dev
    fairlead explain service/web -n dev --from pod/client --port 80
    fairlead explain service/web -n dev --from outside -o json
    """
    require_root()
    kind, _, wanted = service.rpartition("/")
    if kind not in ("", "service", "services", "svc") or not wanted:
        raise click.BadParameter(f"{service!r}: only Services are explained: service/NAME")
    layout = Layout(name)
    plan = cluster_plan(layout)
    import uvloop

    from fairlead.cluster.explain import explain as explained

    source = asked_from or f"node/{plan.nodes[0].name}"
    report = uvloop.run(explained(layout, plan, wanted, namespace, source, port))
    if output == "json":
        click.echo(json.dumps(report.to_json()))
    else:
        for line in report.lines():
            click.echo(line)
    sys.exit(0 if report.works else 1)
