"""`fairlead demo`, behind `make up`: a cluster, the tutorial's application, traffic through it, what to try next."""

import click

from fairlead.cluster.layout import IMAGES, Layout

IMAGE, PACKAGE = "nginx:1.17.1", "nginx"


@click.command()
@click.pass_context
def demo(context: click.Context) -> None:
    """Start a cluster with the tutorial's application, and show from real requests what answers where."""
    from fairlead.cli.cluster import up
    from fairlead.runtime.images.from_package import build
    from fairlead.runtime.images.store import ImageStore

    IMAGES.mkdir(parents=True, exist_ok=True)
    store = ImageStore(IMAGES)
    if store.resolve(IMAGE) is None:
        click.echo(f"building the image {IMAGE} from this machine's Debian package")
        build(store, PACKAGE, IMAGE)
    context.invoke(up, nodes=3, proxy_mode=None, image_aliases=True, name="default", output="text")

    from fairlead.cluster.demo import show

    show(Layout("default"), click.echo)
