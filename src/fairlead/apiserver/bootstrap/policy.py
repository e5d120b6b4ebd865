"""The roles and bindings that Kubernetes calls bootstrap policy (plugin/pkg/auth/authorizer/rbac/bootstrappolicy).

Kubernetes has a role for each of its controllers; ours run as one user each for all controllers, scheduler and nodes.
"""

from typing import Any

Json = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"
READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
ALL = ("*",)
EVENTS = ("", ["events"], ("create", "patch", "update"))
WORKLOADS = ["deployments", "deployments/scale", "replicasets", "replicasets/scale", "daemonsets"]
NAMESPACED = [
    "configmaps", "endpoints", "pods", "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts",
    "services",
]  # fmt: skip

Rule = tuple[str, list[str], tuple[str, ...]]  # group, resources, verbs


def _role(name: str, *rules: Rule, paths: tuple[str, ...] = ()) -> Json:
    entries: list[Json] = [
        {"verbs": list(verbs), "apiGroups": [group], "resources": resources} for group, resources, verbs in rules
    ]
    if paths:
        entries.append({"verbs": ["get"] if paths != ALL else ["*"], "nonResourceURLs": list(paths)})
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": _metadata(name), "rules": entries}


def _binding(name: str, role: str, kind: str, *subjects: str) -> Json:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _metadata(name),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [_subject(kind, subject) for subject in subjects],
    }


def _subject(kind: str, name: str) -> Json:
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "name": account, "namespace": namespace}
    return {"apiGroup": RBAC, "kind": kind, "name": name}


def _metadata(name: str) -> Json:
    return {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    }


VIEWED: tuple[Rule, ...] = (
    (
        "",
        [*NAMESPACED, "events", "limitranges", "namespaces", "pods/log"],
        READ,
    ),
    ("", ["pods/status", "replicationcontrollers/status", "services/status"], READ),
    (
        "apps",
        [*WORKLOADS, "controllerrevisions", "deployments/status", "replicasets/status", "daemonsets/status"],
        READ,
    ),
    ("batch", ["jobs", "jobs/status"], READ),
    ("discovery.k8s.io", ["endpointslices"], READ),
    ("extensions", ["ingresses"], READ),
    ("networking.k8s.io", ["ingresses", "ingresses/status"], READ),
)
EDITED: tuple[Rule, ...] = (
    *VIEWED,
    (
        "",
        ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "pods/eviction", "secrets", "services/proxy"],
        (*READ, *WRITE),
    ),
    ("", [*NAMESPACED, "events"], WRITE),
    ("", ["serviceaccounts/token"], ("create",)),
    ("apps", WORKLOADS, WRITE),
    ("batch", ["jobs"], WRITE),
    ("extensions", ["ingresses"], WRITE),
    ("networking.k8s.io", ["ingresses"], WRITE),
    ("coordination.k8s.io", ["leases"], (*READ, *WRITE)),
)
ROLES: tuple[Json, ...] = (
    _role("cluster-admin", ("*", ["*"], ALL), paths=ALL),
    _role("view", *VIEWED),
    _role("edit", *EDITED),
    _role("admin", *EDITED, (RBAC, ["roles", "rolebindings"], (*READ, *WRITE))),
    _role(
        "system:discovery",
        paths=(
            "/api",
            "/api/*",
            "/apis",
            "/apis/*",
            "/healthz",
            "/livez",
            "/openapi",
            "/openapi/*",
            "/readyz",
            "/version",
            "/version/",
        ),
    ),
    _role("system:public-info-viewer", paths=("/healthz", "/livez", "/readyz", "/version", "/version/")),
    _role(
        "system:monitoring", paths=("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/readyz", "/readyz/*")
    ),
    _role(
        "system:basic-user",
        ("authorization.k8s.io", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ("create",)),
        ("authentication.k8s.io", ["selfsubjectreviews"], ("create",)),
    ),
    _role(
        "system:node",
        ("", ["nodes", "nodes/status"], (*READ, "create", "patch", "update")),
        ("", ["pods"], (*READ, "create", "delete")),
        ("", ["pods/status"], ("patch", "update")),
        ("", ["services", "configmaps", "secrets"], READ),
        ("", ["serviceaccounts/token"], ("create",)),
        ("coordination.k8s.io", ["leases"], ("get", "create", "update", "patch", "delete")),
        EVENTS,
    ),
    _role(
        "system:node-proxier",
        ("", ["services", "endpoints"], ("list", "watch")),
        ("", ["nodes"], READ),
        ("discovery.k8s.io", ["endpointslices"], ("list", "watch")),
        EVENTS,
    ),
    _role(
        "system:kube-dns",
        ("", ["services", "endpoints", "pods", "namespaces"], ("list", "watch")),
        ("discovery.k8s.io", ["endpointslices"], ("list", "watch")),
    ),
    _role("system:kube-controller-manager", ("*", ["*"], ALL)),
    _role(
        "system:kube-scheduler",
        ("", ["nodes", "pods", "services", "namespaces"], READ),
        ("", ["pods"], ("delete",)),
        ("", ["pods/binding"], ("create",)),
        ("", ["pods/status"], ("patch", "update")),
        ("apps", ["replicasets", "daemonsets"], READ),
        ("coordination.k8s.io", ["leases"], ("create", "get", "list", "update", "watch")),
        EVENTS,
    ),
    _role(
        "system:cloud-controller-manager",
        ("", ["services"], (*READ, "patch", "update")),
        ("", ["services/status"], ("patch", "update")),
        ("", ["nodes", "configmaps"], READ),
        ("discovery.k8s.io", ["endpointslices"], READ),
        ("coordination.k8s.io", ["leases"], (*READ, "create", "patch", "update")),
        EVENTS,
    ),
    _role(
        "system:kubelet-api-admin",
        ("", ["nodes", "nodes/proxy", "nodes/log", "nodes/metrics", "nodes/stats"], (*READ, "create", "proxy")),
    ),
)
BINDINGS: tuple[Json, ...] = (
    _binding("cluster-admin", "cluster-admin", "Group", "system:masters"),
    _binding("kubeadm:cluster-admins", "cluster-admin", "Group", "kubeadm:cluster-admins"),
    _binding("system:discovery", "system:discovery", "Group", "system:authenticated"),
    _binding("system:basic-user", "system:basic-user", "Group", "system:authenticated"),
    _binding(
        "system:public-info-viewer",
        "system:public-info-viewer",
        "Group",
        "system:authenticated",
        "system:unauthenticated",
    ),
    _binding("system:monitoring", "system:monitoring", "Group", "system:monitoring"),
    _binding("system:node", "system:node", "Group", "system:nodes"),
    _binding("system:node-proxier", "system:node-proxier", "User", "system:kube-proxy"),
    _binding("kubeadm:node-proxier", "system:node-proxier", "ServiceAccount", "kube-system/kube-proxy"),
    _binding("system:kube-dns", "system:kube-dns", "ServiceAccount", "kube-system/kube-dns"),
    _binding(
        "system:kube-controller-manager", "system:kube-controller-manager", "User", "system:kube-controller-manager"
    ),
    _binding(
        "system:cloud-controller-manager",
        "system:cloud-controller-manager",
        "User",
        "system:cloud-controller-manager",
    ),
    _binding("system:kube-scheduler", "system:kube-scheduler", "User", "system:kube-scheduler"),
)
