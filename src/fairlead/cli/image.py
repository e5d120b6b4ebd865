"""Commands about images: pull, load, ls, tag, rm, from-package."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairlead.cluster.layout import IMAGES

if TYPE_CHECKING:
    from fairlead.runtime.images.store import ImageStore


@click.group()
def image() -> None:
    """Images that pods can run, in this machine's store."""


@image.command()
@click.argument("name")
def pull(name: str) -> None:
    """Pull NAME from its registry."""
    from fairlead.runtime.images import registry

    click.echo(registry.pull(_store(), name).id)


@image.command()
@click.argument("archive", type=click.Path(exists=True, dir_okay=False))
def load(archive: str) -> None:
    """Load the images in ARCHIVE, as `docker save` or an OCI layout in a tar file."""
    from fairlead.runtime.images import archive as archives

    for name in archives.load(_store(), Path(archive)):
        click.echo(f"Loaded image: {name}")


@image.command(name="ls")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text")
def list_(output: str) -> None:
    """List the images that are here."""
    from fairlead.runtime.images.from_package import MADE

    # What was made here has a name with a hash beside those that lead to it.
    found = [each for each in _store().list() if not each.name.startswith(f"{MADE}/")]
    if output == "json":
        click.echo(json.dumps([{"name": each.name, "id": each.id, "size": each.size} for each in found]))
        return
    for each in found:
        click.echo(f"{each.name:<40} {each.id[7:19]}  {each.size / 1e6:6.1f} MB")


@image.command()
@click.argument("source")
@click.argument("target")
def tag(source: str, target: str) -> None:
    """Give the image SOURCE another name."""
    _store().tag(source, target)


@image.command(name="rm")
@click.argument("name")
def remove(name: str) -> None:
    """Take NAME away, and what no other name leads to."""
    _store().remove(name)


@image.command(name="from-package")
@click.argument("package")
@click.option("--tag", "name", help="The image's name; the package's own by default.")
def from_package(package: str, name: str | None) -> None:
    """Build an image from a Debian package of this machine, with its libraries, a shell and a few tools.

    For machines without a registry. It is not the upstream image, and pods that run it say so in their events.
    """
    from fairlead.runtime.images import from_package as building

    click.echo(building.build(_store(), package, name or package).id)


def _store() -> "ImageStore":
    from fairlead.runtime.images.store import ImageStore as Store

    return Store(IMAGES)
