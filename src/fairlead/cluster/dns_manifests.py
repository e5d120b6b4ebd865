"""kube-dns as a new cluster is given it: on every node, on the Service's address, its settings in a Corefile."""

from typing import Any
from urllib.parse import urlsplit

from fairlead.cluster.credentials import server
from fairlead.cluster.layout import DOMAIN, AddressPlan
from fairlead.runtime.part_image import IMAGE

Json = dict[str, Any]

NAMESPACE = "kube-system"
LABELS = {"k8s-app": "kube-dns"}
RBAC = "rbac.authorization.k8s.io"

# Nodes have no way out, so there is nobody to forward to; probes need the node's own address, not every one. It has the
# node's network, so CoreDNS's own 8080 and 8181 are left to pods that want them there.
HEALTH, READY = 10054, 10055
COREFILE = f"""\
.:53 {{
    errors
    health {{$POD_IP}}:{HEALTH}
    ready {{$POD_IP}}:{READY}
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153
    # With a way out: forward . 192.0.2.53
    cache 30
    loop
    reload
    loadbalance
}}
"""


def objects(plan: AddressPlan) -> list[Json]:
    return [_account(), _role(), _binding(), _config(), _service(plan), _daemons(plan)]


def _object(api_version: str, kind: str, name: str, labels: Json | None = None, **rest: Any) -> Json:
    metadata = {"name": name, "namespace": NAMESPACE} | ({"labels": labels} if labels else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _account() -> Json:
    return _object("v1", "ServiceAccount", "kube-dns")


def _role() -> Json:
    """Beside what the cluster role of that name lets it read: its settings, and telling of faults in them."""
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    return _object(f"{RBAC}/v1", "Role", "system:kube-dns", rules=rules)


def _binding() -> Json:
    subject = {"kind": "ServiceAccount", "name": "kube-dns", "namespace": NAMESPACE}
    role = {"apiGroup": RBAC, "kind": "Role", "name": "system:kube-dns"}
    return _object(f"{RBAC}/v1", "RoleBinding", "system:kube-dns", subjects=[subject], roleRef=role)


def _config() -> Json:
    return _object("v1", "ConfigMap", "coredns", data={"Corefile": COREFILE})


def _service(plan: AddressPlan) -> Json:
    labels = {**LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
        {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
    ]
    spec = {"clusterIP": plan.dns_address, "selector": LABELS, "ports": ports}
    return _object("v1", "Service", "kube-dns", labels, spec=spec)


def _daemons(plan: AddressPlan) -> Json:
    """They reach the API by its own address, which is there before any Service is."""
    address = urlsplit(server(plan))
    env: list[Json] = [
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "KUBERNETES_SERVICE_HOST", "value": address.hostname},
        {"name": "KUBERNETES_SERVICE_PORT", "value": str(address.port)},
    ]
    container = {
        "name": "dns",
        "image": IMAGE,
        "command": ["fairlead", "dns", "--listen=$(POD_IP)", f"--service-address={plan.dns_address}", "--workers=0"],
        "env": env,
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": READY}, "periodSeconds": 1},
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": HEALTH},
            "initialDelaySeconds": 60,
            "failureThreshold": 5,
        },
        "securityContext": {"privileged": True},
    }
    spec = {
        "serviceAccountName": "kube-dns",
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    return _object(
        "apps/v1", "DaemonSet", "kube-dns", LABELS, spec={"selector": {"matchLabels": LABELS}, "template": template}
    )
