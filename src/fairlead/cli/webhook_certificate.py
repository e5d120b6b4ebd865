"""`fairlead webhook-certificate`: what the Jobs of ingress-nginx's manifests run, with kube-webhook-certgen's flags."""

import click

from fairlead.cli.parts import KUBECONFIG

SECRET = click.option("--secret-name", "secret", required=True, help="The Secret that holds the certificate.")
NAMESPACE = click.option("--namespace", required=True, help="The Secret's.")
LOGGING = (click.option("--log-level", hidden=True), click.option("--log-format", hidden=True))


@click.group("webhook-certificate")
def webhook_certificate() -> None:
    """Make the certificate of an admission webhook, and make the API server trust it."""


@webhook_certificate.command()
@KUBECONFIG
@click.option("--host", "hosts", required=True, help="Names and addresses that it is for, by commas.")
@SECRET
@NAMESPACE
@click.option("--cert-name", "certificate", default="cert", show_default=True, help="The Secret's key for it.")
@click.option("--key-name", "key", default="key", show_default=True, help="The Secret's key for the private key.")
@LOGGING[0]
@LOGGING[1]
def create(
    kubeconfig: str | None,
    hosts: str,
    secret: str,
    namespace: str,
    certificate: str,
    key: str,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Make an authority and a certificate in a Secret, where it is not there yet."""
    del log_level, log_format
    import datetime

    import uvloop

    from fairlead.client.config import load
    from fairlead.client.rest import Client
    from fairlead.ingress import webhook_certificate as certificates

    async def work() -> bool:
        client = Client(load(kubeconfig), user_agent="kube-webhook-certgen/fairlead")
        try:
            pair = certificates.make(hosts.split(","), datetime.datetime.now(datetime.UTC))
            return await certificates.create(client, namespace, secret, pair, (certificate, key))
        finally:
            await client.close()

    click.echo("created the secret" if uvloop.run(work()) else "the secret is there already")


@webhook_certificate.command()
@KUBECONFIG
@click.option("--webhook-name", "webhook", required=True, help="The configurations' name.")
@SECRET
@NAMESPACE
@click.option("--patch-validating", "validating", type=bool, default=True, show_default=True)
@click.option("--patch-mutating", "mutating", type=bool, default=True, show_default=True)
@click.option("--patch-failure-policy", "policy", type=click.Choice(["", "Ignore", "Fail"]), default="")
@LOGGING[0]
@LOGGING[1]
def patch(
    kubeconfig: str | None,
    webhook: str,
    secret: str,
    namespace: str,
    validating: bool,
    mutating: bool,
    policy: str,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Make configurations of webhooks trust the authority of a Secret."""
    del log_level, log_format
    import uvloop

    from fairlead.client.config import load
    from fairlead.client.rest import Client
    from fairlead.ingress import webhook_certificate as certificates

    kinds = [kind for kind, wanted in zip(certificates.CONFIGURATIONS, (validating, mutating), strict=True) if wanted]

    async def work() -> None:
        client = Client(load(kubeconfig), user_agent="kube-webhook-certgen/fairlead")
        try:
            await certificates.patch(client, namespace, secret, webhook, kinds, policy)
        finally:
            await client.close()

    uvloop.run(work())
    click.echo("patched hook(s)")
