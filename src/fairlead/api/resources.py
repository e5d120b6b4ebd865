"""The resource table: every kind that the API serves, where it is served and what it is called.

One row a served (group, version, resource). Discovery, routing, storage keys, RBAC and `kubectl api-resources` all
read this table; a kind that has no row does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

CREATE, GET, LIST, WATCH = "create", "get", "list", "watch"
UPDATE, PATCH, DELETE, DELETE_COLLECTION = "update", "patch", "delete", "deletecollection"

ALL_VERBS = (CREATE, DELETE, DELETE_COLLECTION, GET, LIST, PATCH, UPDATE, WATCH)
CREATE_ONLY = (CREATE,)


@dataclass(frozen=True, eq=False)
class Resource:
    """One row: a resource as one group and version serves it. There is one object a row; it is equal to itself only.

    `storage` names the "group/version" whose schema the stored bytes follow; it differs from `group_version` only
    where a retired version is served beside the current one.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    storage: str | None = None
    deprecated: str | None = None  # the text of the `Warning:` header, where this version is retired

    @cached_property
    def group_version(self) -> str:
        """`v1`, `apps/v1`: what objects carry as apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def storage_version(self) -> str:
        return self.storage or self.group_version

    @cached_property
    def qualified(self) -> str:
        """`deployments.apps`, `pods`: the name that Kubernetes' error messages use."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def prefix(self) -> str:
        """The storage prefix, shared by all versions: `/apps/deployments/`."""
        return f"/{self.storage_version.rpartition('/')[0] or 'core'}/{self.plural}/"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path: `/api/v1/namespaces/dev/pods/web/status`. Without namespace: the list over all."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if self.namespaced and namespace is not None:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/".join(parts)


def _core(
    plural: str,
    kind: str,
    *short: str,
    namespaced: bool = True,
    categories: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
) -> Resource:
    return Resource("", "v1", plural, kind, namespaced, short, categories, subresources, verbs)


ALL = ("all",)

NAMESPACES = _core(
    "namespaces",
    "Namespace",
    "ns",
    namespaced=False,
    subresources=("status", "finalize"),
    verbs=tuple(verb for verb in ALL_VERBS if verb != DELETE_COLLECTION),
)
NODES = _core("nodes", "Node", "no", namespaced=False, subresources=("status", "proxy"))
PODS = _core(
    "pods",
    "Pod",
    "po",
    categories=ALL,
    subresources=("status", "binding", "eviction", "log", "exec", "attach", "portforward", "proxy"),
)
REPLICATION_CONTROLLERS = _core(
    "replicationcontrollers", "ReplicationController", "rc", categories=ALL, subresources=("status", "scale")
)
SERVICES = _core("services", "Service", "svc", categories=ALL, subresources=("status", "proxy"))
ENDPOINTS = _core("endpoints", "Endpoints", "ep")
CONFIGMAPS = _core("configmaps", "ConfigMap", "cm")
SECRETS = _core("secrets", "Secret")
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", "sa", subresources=("token",))
EVENTS = _core("events", "Event", "ev")
LIMIT_RANGES = _core("limitranges", "LimitRange", "limits")
POD_TEMPLATES = _core("podtemplates", "PodTemplate")
DEPLOYMENTS = Resource(
    "apps", "v1", "deployments", "Deployment", True, ("deploy",), ALL, subresources=("status", "scale")
)
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), ALL, subresources=("status", "scale"))
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet", True, ("ds",), ALL, subresources=("status",))
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", True)
JOBS = Resource("batch", "v1", "jobs", "Job", True, categories=ALL, subresources=("status",))
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", True)
NETWORKING = "networking.k8s.io"
INGRESSES = Resource(NETWORKING, "v1", "ingresses", "Ingress", True, ("ing",), subresources=("status",))
INGRESS_CLASSES = Resource(NETWORKING, "v1", "ingressclasses", "IngressClass", False)
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event", True, ("ev",), storage="v1")

RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(RBAC, "v1", "roles", "Role", True)
ROLE_BINDINGS = Resource(RBAC, "v1", "rolebindings", "RoleBinding", True)
CLUSTER_ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", False)
CLUSTER_ROLE_BINDINGS = Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False)

REGISTRATION = "admissionregistration.k8s.io"
VALIDATING_WEBHOOKS = Resource(
    REGISTRATION,
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    False,
    categories=("api-extensions",),
)
MUTATING_WEBHOOKS = Resource(
    REGISTRATION,
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    False,
    categories=("api-extensions",),
)

AUTHN, AUTHZ = "authentication.k8s.io", "authorization.k8s.io"
TOKEN_REVIEWS = Resource(AUTHN, "v1", "tokenreviews", "TokenReview", False, verbs=CREATE_ONLY)
SELF_SUBJECT_REVIEWS = Resource(AUTHN, "v1", "selfsubjectreviews", "SelfSubjectReview", False, verbs=CREATE_ONLY)
SUBJECT_ACCESS_REVIEWS = Resource(AUTHZ, "v1", "subjectaccessreviews", "SubjectAccessReview", False, verbs=CREATE_ONLY)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    AUTHZ, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=CREATE_ONLY
)
SELF_SUBJECT_RULES_REVIEWS = Resource(
    AUTHZ, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, verbs=CREATE_ONLY
)


def _retired(current: Resource, group_version: str, since: str, gone: str = "v1.22") -> Resource:
    """A version that Kubernetes no longer serves (from `gone` on), as the manifests and clients of its time use it. In
    another group it has no short names: kubectl would warn at each use of them that they could mean either."""
    group, _, version = group_version.partition("/")
    kind = current.kind
    return replace(
        current,
        group=group,
        version=version,
        short_names=current.short_names if group == current.group else (),
        storage=current.group_version,
        deprecated=f"{group_version} {kind} is deprecated in {since}+, unavailable in {gone}+; "
        f"use {current.group_version} {kind}",
    )


INGRESSES_BETA = _retired(INGRESSES, f"{NETWORKING}/v1beta1", "v1.19")
INGRESSES_EXTENSIONS = _retired(INGRESSES, "extensions/v1beta1", "v1.14")
INGRESS_CLASSES_BETA = _retired(INGRESS_CLASSES, f"{NETWORKING}/v1beta1", "v1.19")
RBAC_BETA = tuple(
    _retired(each, f"{RBAC}/v1beta1", "v1.17") for each in (ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS)
)
ENDPOINT_SLICES_BETA = _retired(ENDPOINT_SLICES, "discovery.k8s.io/v1beta1", "v1.21", "v1.25")

# Of a group's versions the first is preferred; of groups that have a kind of one name, clients take the first.
RESOURCES: tuple[Resource, ...] = (
    NAMESPACES, NODES, PODS, REPLICATION_CONTROLLERS, SERVICES, ENDPOINTS, CONFIGMAPS, SECRETS, SERVICE_ACCOUNTS,
    EVENTS, LIMIT_RANGES, POD_TEMPLATES, DEPLOYMENTS, REPLICA_SETS, DAEMON_SETS, CONTROLLER_REVISIONS, JOBS,
    ENDPOINT_SLICES, LEASES, INGRESSES, INGRESS_CLASSES,
    ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS,
    TOKEN_REVIEWS, SELF_SUBJECT_REVIEWS, SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_RULES_REVIEWS,
    NEW_EVENTS, INGRESSES_BETA, INGRESS_CLASSES_BETA, *RBAC_BETA, INGRESSES_EXTENSIONS,
    ENDPOINT_SLICES_BETA,
)  # fmt: skip
STORED = tuple(resource for resource in RESOURCES if resource.storage is None)  # each kind once

BY_PATH: dict[tuple[str, str, str], Resource] = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND: dict[tuple[str, str], Resource] = {(r.group_version, r.kind): r for r in RESOURCES}


def of_group(group: str) -> Iterable[Resource]:
    """The rows of one group, all versions, in table order."""
    return (r for r in RESOURCES if r.group == group)
