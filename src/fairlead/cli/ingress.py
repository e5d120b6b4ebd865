"""`fairlead ingress`: the Ingress controller, with ingress-nginx's flags."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fairlead.cli.parts import KUBECONFIG, run


def switch(name: str, field: str, text: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A switch as Go has it: alone, or with =true or =false. None where it is not given."""
    return click.option(name, field, type=bool, is_flag=False, flag_value=True, default=None, help=text)


class Flags(click.Group):
    """Takes ingress-nginx's flags that say nothing here, too; one that it does not have either is an error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from fairlead.ingress.options import WITHOUT_EFFECT

        kept: list[str] = []
        dropped = False  # the value of one that was dropped may be the next word
        for each in args:
            name, given, _ = each.partition("=")
            if name in WITHOUT_EFFECT or name == "-v":
                dropped = not given
            elif dropped and not each.startswith("-") and each not in self.commands:
                dropped = False
            else:
                kept.append(each)
                dropped = False
        return super().parse_args(ctx, kept)


def _version() -> str:
    """In the form of ingress-nginx's, which its documentation asks for by `kubectl exec`."""
    import fairlead

    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "nginx"
    try:
        nginx = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr.strip()
    except OSError:
        nginx = "nginx is not installed here"
    line = "-" * 79
    return f"""\
{line}
NGINX Ingress controller
  Release:       {fairlead.__version__} (Fairlead's, in place of ingress-nginx)
  {nginx}
{line}"""


@click.group(cls=Flags, invoke_without_command=True)
@KUBECONFIG
@click.option("--configmap", help="namespace/name of the settings.")
@click.option("--tcp-services-configmap", "tcp_services", help="namespace/name: port → namespace/service:port.")
@click.option("--udp-services-configmap", "udp_services", help="namespace/name: port → namespace/service:port.")
@click.option("--annotations-prefix", "prefix", default="nginx.ingress.kubernetes.io", show_default=True)
@click.option("--ingress-class", "class_name", default="nginx", show_default=True, help="The class's name.")
@click.option("--controller-class", help="Of IngressClasses that are ours; k8s.io/ingress-nginx by default.")
@switch("--ingress-class-by-name", "by_name")
@switch("--watch-ingress-without-class", "without_class")
@click.option("--watch-namespace", help="Only Ingresses of this one.")
@click.option("--publish-service", help="namespace/name of the Service whose address the status shows.")
@click.option("--publish-status-address", default="", help="Addresses that the status shows, by commas.")
@switch("--report-node-internal-ip-address", "report_internal")
@click.option("--election-id", default="ingress-controller-leader", show_default=True)
@click.option("--default-backend-service", "default_backend", help="namespace/name")
@click.option("--default-ssl-certificate", "default_certificate", help="namespace/name of a Secret.")
@click.option("--http-port", default=80, show_default=True)
@click.option("--https-port", default=443, show_default=True)
@click.option("--healthz-port", "health_port", default=10254, show_default=True)
@click.option("--health-check-path", "health_path", default="/healthz", show_default=True)
@click.option("--listen", multiple=True, default=("",), help="Addresses to listen on; all by default.")
@click.option("--run-dir", type=click.Path(path_type=Path), help="A folder on a tmpfs: it holds private keys.")
@click.option("--workers", type=int, help="nginx's workers; one a processor by default.")
@switch("--enable-ssl-passthrough", "passthrough", "Read names of TLS clients before nginx does.")
@click.option("--validating-webhook", "webhook", help="ADDRESS:PORT where AdmissionReviews are answered.")
@click.option("--validating-webhook-certificate", "webhook_certificate", help="A PEM file.")
@click.option("--validating-webhook-key", "webhook_key", help="A PEM file.")
@click.option("--apiserver-host", hidden=True)
@click.option("--version", "version", is_flag=True, help="Show what this is and which nginx it runs.")
@click.pass_context
def ingress(context: click.Context, /, **given: Any) -> None:
    """Serve Ingresses by nginx (a drop-in for ingress-nginx)."""
    if context.invoked_subcommand is not None:
        return
    if given["version"]:
        click.echo(_version())
        return
    from fairlead.ingress.options import Options, target_of_default
    from fairlead.ingress.part import serve
    from fairlead.ingress.plan.classes import CONTROLLER, Choice

    controller = given["controller_class"]
    without = given["without_class"] if given["without_class"] is not None else controller is None
    options = Options(
        kubeconfig=given["kubeconfig"],
        prefix=given["prefix"],
        choice=Choice(given["class_name"] or "nginx", controller or CONTROLLER, bool(given["by_name"]), without),
        configmap=given["configmap"],
        tcp_services=given["tcp_services"],
        udp_services=given["udp_services"],
        publish_service=given["publish_service"],
        publish_status_address=tuple(each.strip() for each in given["publish_status_address"].split(",") if each),
        report_internal=bool(given["report_internal"]),
        default_backend=target_of_default(given["default_backend"]),
        default_certificate=given["default_certificate"],
        watch_namespace=given["watch_namespace"] or None,
        election_id=given["election_id"],
        http_port=given["http_port"],
        https_port=given["https_port"],
        health_port=given["health_port"],
        health_path=given["health_path"],
        listen=given["listen"],
        run_dir=given["run_dir"],
        workers=given["workers"],
        passthrough=bool(given["passthrough"]),
        webhook=(given["webhook"], given["webhook_certificate"], given["webhook_key"]) if given["webhook"] else None,
        pod_name=os.environ.get("POD_NAME", ""),
        pod_namespace=os.environ.get("POD_NAMESPACE", ""),
    )
    run(serve(options))


@ingress.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@KUBECONFIG
@click.option("--annotations-prefix", "prefix", default="nginx.ingress.kubernetes.io", show_default=True)
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(paths: tuple[Path, ...], kubeconfig: str | None, prefix: str, output: str) -> None:
    """Tell of each Ingress what would not be served as it says.

    Reads files and folders, or, where none are named, a cluster. The exit code is 1 where there is something to tell.

    \b
    fairlead ingress check manifests/
    fairlead ingress check --kubeconfig ~/.kube/config
    """
    from fairlead.ingress import check as checking

    if paths:
        try:
            known = checking.read(paths)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
    else:
        import uvloop

        from fairlead.ingress.listing import known_of

        known = uvloop.run(known_of(kubeconfig))
    found = checking.check(known, prefix, complete=not paths)
    if output == "json":
        shown = [{"ingress": each.key, "problems": [one.message for one in each.problems]} for each in found]
        click.echo(json.dumps(shown))
    else:
        for each in found:
            click.echo(f"{each.key}: {'served as it says' if not each.problems else 'not all of it is served'}")
            for problem in each.problems:
                click.echo(f"  {problem.reason}: {problem.message}")
    sys.exit(1 if any(each.problems for each in found) else 0)
