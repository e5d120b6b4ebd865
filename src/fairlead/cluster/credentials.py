"""Certificates and kubeconfigs of all who speak in a cluster."""

import base64
from pathlib import Path

import yaml

from fairlead.cluster.layout import API_PORT, DOMAIN, AddressPlan, Layout
from fairlead.cluster.pki import Pair, Pki, Subject

API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{DOMAIN}",
    "localhost",
    "127.0.0.1",
    "::1",
)
# Who has a kubeconfig: file name → user and groups, as kubeadm's.
USERS = {
    "admin": Subject("kubernetes-admin", ("system:masters",)),
    "controllers": Subject("system:kube-controller-manager"),
    "scheduler": Subject("system:kube-scheduler"),
    "loadbalancer": Subject("system:cloud-controller-manager"),
}


def issue(layout: Layout, plan: AddressPlan) -> Pki:
    """Makes what is missing: the authority, the server's pair, a kubeconfig for each user and node."""
    pki = Pki(layout.pki)
    hosts = (plan.control_plane.name, *plan.control_plane.addresses, *API_NAMES, plan.service_address)
    pki.make_service_account_key()
    pki.pair("apiserver", Subject("kube-apiserver", (), hosts))
    pki.pair("apiserver-kubelet-client", Subject("kube-apiserver-kubelet-client", ("system:masters",)))
    for name, subject in USERS.items():
        _write(layout.pki / f"{name}.conf", plan, pki, pki.pair(name, subject), subject.name, inline=False)
    admin = pki.pair("admin", USERS["admin"])
    _write(layout.kubeconfig, plan, pki, admin, USERS["admin"].name, inline=True, cluster=layout.name)
    for node in plan.nodes:
        subject = Subject(f"system:node:{node.name}", ("system:nodes",), (node.name, *node.addresses))
        pair = pki.pair(f"kubelet-{node.name}", subject)
        _write(layout.pki / f"kubelet-{node.name}.conf", plan, pki, pair, subject.name, inline=False)
    return pki


def server(plan: AddressPlan) -> str:
    address = plan.control_plane.address
    return f"https://[{address}]:{API_PORT}" if ":" in address else f"https://{address}:{API_PORT}"


def _write(
    path: Path, plan: AddressPlan, pki: Pki, pair: Pair, user: str, *, inline: bool, cluster: str = "kubernetes"
) -> None:
    """`inline`: the file stands for itself, wherever it is copied to."""
    context = f"{user}@{cluster}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {"name": cluster, "cluster": {"server": server(plan), **_file("certificate-authority", pki.ca, inline)}}
        ],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "users": [
            {
                "name": user,
                "user": {
                    **_file("client-certificate", pair.certificate, inline),
                    **_file("client-key", pair.key, inline),
                },
            }
        ],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def _file(key: str, path: str, inline: bool) -> dict[str, str]:
    if not inline:
        return {key: path}
    return {f"{key}-data": base64.b64encode(Path(path).read_bytes()).decode()}
