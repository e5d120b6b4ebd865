"""`fairlead`: its commands, and how errors are told."""

import os
import sys
from typing import Any

import click

import fairlead
from fairlead.cli import cluster, demo, explain, image, ingress, loadbalancer, parts, webhook_certificate


class Group(click.Group):
    """Errors that people can act on are one line, not a stack trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # who read our output has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(141) from None
        except click.ClickException:  # tells itself
            raise
        except Exception as error:
            if _is_expected(error):
                click.echo(f"error: {error}", err=True)
                raise click.exceptions.Exit(1) from error
            raise


def _is_expected(error: Exception) -> bool:
    """Faults of the input or the machine, each with a text of its own."""
    from fairlead.api.status import ApiError
    from fairlead.client.config import ConfigError

    if isinstance(error, ApiError | ConfigError | OSError):
        return True
    try:
        from fairlead.cluster.bringup import ClusterError
        from fairlead.cluster.explain import ExplainError
        from fairlead.cluster.running import NotRunningError
        from fairlead.runtime.interface import RuntimeFault
    except ImportError:  # an image has what its part needs
        return False
    return isinstance(error, ClusterError | ExplainError | NotRunningError | RuntimeFault)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(fairlead.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Kubernetes Service and Ingress networking in Python.

    \b
    fairlead up                          a three-node cluster on this machine, in about a second
    fairlead shell master                a shell on a node, with kubectl configured
    fairlead exec node1 -- curl 10.96.0.1:443
    fairlead down                        and nothing is left
    """


for command in (
    *cluster.COMMANDS,
    demo.demo,
    explain.explain,
    image.image,
    ingress.ingress,
    loadbalancer.loadbalancer,
    webhook_certificate.webhook_certificate,
    *parts.COMMANDS,
):
    cli.add_command(command)


def main(argv: list[str] | None = None) -> None:
    """`argv` without the program's name; None: the process's own."""
    cli.main(args=sys.argv[1:] if argv is None else argv, prog_name="fairlead")
