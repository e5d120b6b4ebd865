"""What a new cluster is given besides its own objects: kube-proxy on every node, and kube-dns. As kubeadm's."""

import re
from typing import Any

from fairlead.api.resources import BY_KIND
from fairlead.api.status import ApiError
from fairlead.client.rest import Client
from fairlead.cluster import dns_manifests as dns
from fairlead.cluster import load_balancer_manifests as load_balancer
from fairlead.cluster.credentials import server
from fairlead.cluster.layout import AddressPlan
from fairlead.proxy.configuration import DEFAULT_MODE
from fairlead.runtime.part_image import IMAGE

Json = dict[str, Any]

NAMESPACE = "kube-system"


async def apply(client: Client, proxy_mode: str | None, plan: AddressPlan) -> None:
    """Creates what is missing; what is there is its owner's, but for the image, which is this program's version, and
    for a proxy mode that is asked for now."""
    for obj in objects(proxy_mode or DEFAULT_MODE, plan):
        resource = BY_KIND[obj["apiVersion"], obj["kind"]]
        metadata = obj["metadata"]
        namespace = metadata.get("namespace")
        try:
            await client.create(resource.qualified, obj, namespace)
        except ApiError as error:
            if not error.is_already_exists:
                raise
            if metadata["name"] == "kube-proxy" and resource.kind == "ConfigMap" and proxy_mode is not None:
                await _change_mode(client, proxy_mode)
            if resource.kind in ("Deployment", "DaemonSet"):
                containers = [
                    {"name": c["name"], "image": IMAGE} for c in obj["spec"]["template"]["spec"]["containers"]
                ]
                body = {"spec": {"template": {"spec": {"containers": containers}}}}
                await client.patch(
                    resource.qualified, metadata["name"], namespace, body, kind="strategic", type=dict[str, Any]
                )


async def _change_mode(client: Client, mode: str) -> None:
    """As one would by `kubectl edit` and by deleting the pods."""
    known = await client.get("configmaps", "kube-proxy", NAMESPACE, type=dict[str, Any])
    text = known.get("data", {}).get("config.conf", "")
    changed = re.sub(r"^mode:.*$", f'mode: "{mode}"', text, flags=re.MULTILINE)
    if changed != text:
        body = {"data": {"config.conf": changed}}
        await client.patch("configmaps", "kube-proxy", NAMESPACE, body, type=dict[str, Any])
        await client.delete_collection("pods", NAMESPACE, label_selector="k8s-app=kube-proxy")


def objects(proxy_mode: str, plan: AddressPlan) -> list[Json]:
    return [
        _account("kube-proxy"),
        _proxy_config(proxy_mode, plan),
        _proxy(plan),
        *dns.objects(plan),
        load_balancer.pools(plan),
    ]


def _account(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}


def _proxy_config(mode: str, plan: AddressPlan) -> Json:
    """kube-proxy reaches the API by its own address: the Service's exists only once kube-proxy has made it."""
    config = f"""\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: "{mode}"
clusterCIDR: {",".join(plan.pod_cidrs)}
clientConnection:
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
"""
    kubeconfig = f"""\
apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: {server(plan)}
contexts:
- name: default
  context: {{cluster: default, namespace: default, user: default}}
current-context: default
users:
- name: default
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
"""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-proxy", "namespace": NAMESPACE, "labels": {"app": "kube-proxy"}},
        "data": {"config.conf": config, "kubeconfig.conf": kubeconfig},
    }


def _env(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _proxy(plan: AddressPlan) -> Json:
    labels = {"k8s-app": "kube-proxy"}
    container = {
        "name": "kube-proxy",
        "image": IMAGE,
        "command": [
            "fairlead",
            "proxy",
            "--config=/var/lib/kube-proxy/config.conf",
            "--hostname-override=$(NODE_NAME)",
            "--node-ip=$(HOST_IPS)",
            f"--service-cluster-ip-range={','.join(plan.service_cidrs)}",
        ],
        "env": [_env("NODE_NAME", "spec.nodeName"), _env("HOST_IPS", "status.hostIPs")],
        "volumeMounts": [{"name": "kube-proxy", "mountPath": "/var/lib/kube-proxy"}],
        "securityContext": {"privileged": True},
    }
    spec = {
        "serviceAccountName": "kube-proxy",
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "kube-proxy", "configMap": {"name": "kube-proxy"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "kube-proxy", "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }
