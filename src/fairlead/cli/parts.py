"""Each part by itself, with Kubernetes' own flags: what `up` starts, and what runs in somebody else's cluster."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import click

from fairlead.host import libc

SETTLED_SECONDS = (1.0, 4.0)  # on a busy machine, or with much to read, starting takes longer
BUSY_SECONDS = 0.4  # of CPU until the first of these: it is not over


def run(part: Coroutine[Any, Any, None]) -> None:
    """Until SIGTERM or SIGINT. Logs go to standard error."""
    import uvloop

    log_to_stderr()

    async def until_told() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_fault)
        task = asyncio.ensure_future(part)
        gc.disable()  # while nearly all that is made will stay
        first, last = SETTLED_SECONDS
        began = time.process_time()
        loop.call_later(first, lambda: _settle() if time.process_time() - began < BUSY_SECONDS else None)
        loop.call_later(last, _settle)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        uvloop.run(until_told())
    except BaseExceptionGroup as group:  # of its tasks: what went wrong is what the first of them says
        raise _first(group) from group


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _tell_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """uvloop's TLS writes to a connection that is closed, and calls that fatal; who used it knows already."""
    error = context.get("exception")
    if isinstance(error, RuntimeError | OSError) and "SSL protocol" in str(context.get("message")):
        logging.getLogger(__name__).debug("a connection ended: %s", error)
    else:
        loop.default_exception_handler(context)


def _settle() -> None:
    """What starting took is not needed again, and what is there by now is not looked through again for garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()
    libc.malloc_trim()


def log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(name)s: %(message)s"
    )


KUBECONFIG = click.option("--kubeconfig", help="How to reach the API; without it, the pod's own ServiceAccount.")


@click.command()
@click.option("--listen", default="0.0.0.0", show_default=True, help="Addresses, with commas between.")
@click.option("--port", default=6443, show_default=True)
@click.option("--advertise-address", required=True)
@click.option("--store", required=True, help="sqlite:PATH or memory:")
@click.option("--tls-cert-file", required=True)
@click.option("--tls-private-key-file", required=True)
@click.option("--client-ca-file", required=True)
@click.option("--service-account-key-file", required=True)
@click.option("--kubelet-certificate-authority", required=True)
@click.option("--kubelet-client-certificate", required=True)
@click.option("--kubelet-client-key", required=True)
@click.option(
    "--service-cluster-ip-range",
    default="10.96.0.0/12",
    show_default=True,
    help="One, or one of each family with a comma between; the first is the default family's.",
)
@click.option("--service-address", default="10.96.0.1", show_default=True)
@click.option("--service-node-port-range", default="30000-32767", show_default=True)
def apiserver(**given: Any) -> None:
    """Serve the Kubernetes API."""
    from fairlead.apiserver.part import Options, serve

    first, _, last = given["service_node_port_range"].partition("-")
    options = Options(
        listen=tuple(_list(given["listen"])),
        port=given["port"],
        advertise=given["advertise_address"],
        store=given["store"],
        certificate=given["tls_cert_file"],
        key=given["tls_private_key_file"],
        client_ca=given["client_ca_file"],
        service_account_key=given["service_account_key_file"],
        kubelet_ca=given["kubelet_certificate_authority"],
        kubelet_certificate=given["kubelet_client_certificate"],
        kubelet_key=given["kubelet_client_key"],
        service_cidrs=tuple(_list(given["service_cluster_ip_range"])),
        service_address=given["service_address"],
        node_ports=(int(first), int(last)),
    )
    run(serve(options))


@click.command()
@KUBECONFIG
@click.option("--root-ca-file", required=True)
@click.option("--cluster-cidr", default="10.244.0.0/16", show_default=True)
def controllers(kubeconfig: str | None, root_ca_file: str, cluster_cidr: str) -> None:
    """Run the controllers: deployments, endpoints, namespaces, nodes and the rest."""
    from fairlead.controllers.part import Options, serve

    run(serve(Options(kubeconfig, root_ca_file, tuple(_list(cluster_cidr)))))


@click.command()
@KUBECONFIG
def scheduler(kubeconfig: str | None) -> None:
    """Assign pods to nodes."""
    from fairlead.scheduler.part import Options, serve

    run(serve(Options(kubeconfig)))


@click.command()
@click.option("--kubeconfig", required=True)
@click.option("--node-name", required=True)
@click.option("--node-ip", required=True, help="One, or one of each family with a comma between, the primary first.")
@click.option("--pod-cidr", help="As --node-ip; without it, the controllers give one.")
@click.option("--run-dir", required=True)
@click.option("--root-dir", required=True)
@click.option("--images", required=True)
@click.option("--zygote", required=True)
@click.option("--exits", required=True)
@click.option("--network", required=True)
@click.option("--tls-cert-file", required=True)
@click.option("--tls-private-key-file", required=True)
@click.option("--client-ca-file", required=True)
@click.option("--cluster-dns", default="10.96.0.10", show_default=True)
@click.option("--cluster-domain", default="cluster.local", show_default=True)
@click.option("--node-labels", default="", help="key=value,…")
@click.option("--register-with-taints", default="", help="key=value:effect,…")
@click.option("--image-aliases/--no-image-aliases", default=True, help="Whether ingress-nginx's images are ours.")
def agent(**given: Any) -> None:
    """Run a node's pods."""
    from fairlead.node.part import serve
    from fairlead.node.settings import Options

    options = Options(
        kubeconfig=given["kubeconfig"],
        node_name=given["node_name"],
        node_ips=tuple(_list(given["node_ip"])),
        run_dir=given["run_dir"],
        state_dir=given["root_dir"],
        images=given["images"],
        zygote=given["zygote"],
        exits=given["exits"],
        network=given["network"],
        certificate=given["tls_cert_file"],
        key=given["tls_private_key_file"],
        client_ca=given["client_ca_file"],
        labels=tuple((key, value) for key, _, value in (pair.partition("=") for pair in _list(given["node_labels"]))),
        taints=tuple(_taint(text) for text in _list(given["register_with_taints"])),
        cluster_dns=given["cluster_dns"],
        cluster_domain=given["cluster_domain"],
        pod_cidrs=tuple(_list(given["pod_cidr"] or "")),
        image_aliases=given["image_aliases"],
    )
    run(serve(options))


def _kube_proxy_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Those that stand for fields of its configuration; a switch may be given alone or with `=false`."""
    from fairlead.proxy.flags import FLAGS, LOGGING

    for name, flag in reversed(FLAGS.items()):
        alone: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if flag.kind == "switch" else {}
        command = click.option(f"--{name}", help=f"{', '.join(flag.fields)} of the configuration.", **alone)(command)
    for name in LOGGING:
        command = click.option(*(["-v"] if name == "v" else []), f"--{name}", hidden=True, expose_value=False)(command)
    return command


@click.command()
@click.option("--config", help="A KubeProxyConfiguration.")
@KUBECONFIG
@click.option("--hostname-override", "node_name", help="The node's name; without it, the host's in lower case.")
@click.option("--node-ip", help="The node's own address.")
@click.option(
    "--proxy-mode", "mode", help="ebpf, iptables, ipvs, nftables or userspace, instead of the configuration's."
)
@click.option("--cluster-cidr", help="Where the pods' addresses are from; without it, the node's own podCIDRs.")
@click.option(
    "--service-cluster-ip-range", "service_cidr", help="Where Services' are from; without it, as the API says."
)
@click.option("--nodeport-addresses", "node_port_addresses", help="Ranges of the addresses that answer at node ports.")
@click.option("--healthz-bind-address", "health", help="ADDRESS:PORT of /healthz and /livez; 0.0.0.0:10256 by default.")
@click.option("--metrics-bind-address", "metrics", help="ADDRESS:PORT of /metrics; 127.0.0.1:10249 by default.")
@click.option("--cleanup", is_flag=True, help="Take the rules of every mode away, and end.")
@_kube_proxy_flags
def proxy(cleanup: bool, **given: Any) -> None:
    """Program Services into this node's kernel (kube-proxy)."""
    from fairlead.client.config import ConfigError
    from fairlead.proxy.configuration import load
    from fairlead.proxy.part import clean_up, serve
    from fairlead.proxy.refusal import tell

    try:
        options = load(**given)
    except ConfigError as error:
        if not cleanup:
            run(tell(given["node_name"], given["kubeconfig"], given["config"], error))
        raise
    if cleanup:
        clean_up(options)
        return
    run(serve(options))


@click.command()
@KUBECONFIG
@click.option("--listen", multiple=True, default=("0.0.0.0",), show_default=True, help="An address to answer on.")
@click.option("--port", default=53, show_default=True)
@click.option(
    "--service-address", "service_addresses", multiple=True, help="A Service's address that this node answers itself."
)
@click.option("--workers", default=1, show_default=True, help="Processes that answer; 0: all in one.")
@click.option("--conf", "corefile", default="", help="A Corefile, instead of the ConfigMap's.")
@click.option("--config-map", default="kube-system/coredns", show_default=True, help="Where the Corefile is.")
@click.option("--domain", default="cluster.local", show_default=True, help="Where there is no Corefile.")
@click.option("--ttl", default=30, show_default=True, help="Where there is no Corefile.")
@click.option("--forward/--no-forward", default=True, help="Ask those of /etc/resolv.conf where there is no Corefile.")
@click.option("--node-name", envvar="NODE_NAME", default="", help="Whose pods `autopath` completes names for.")
def dns(**given: Any) -> None:
    """Answer the cluster's DNS."""
    from fairlead.dns.options import Options
    from fairlead.dns.part import serve

    log_to_stderr()
    serve(Options(**given))


def _list(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _taint(text: str) -> tuple[str, str, str]:
    """`key=value:effect`."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return key, value, effect


COMMANDS = (apiserver, controllers, scheduler, agent, proxy, dns)
