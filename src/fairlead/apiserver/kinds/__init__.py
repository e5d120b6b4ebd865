"""Every kind that is stored. One file each; this is the list."""

from fairlead.api.resources import Resource
from fairlead.apiserver.kinds.configmap import CONFIG_MAP
from fairlead.apiserver.kinds.daemonset import DAEMON_SET
from fairlead.apiserver.kinds.deployment import DEPLOYMENT
from fairlead.apiserver.kinds.endpoints import ENDPOINTS
from fairlead.apiserver.kinds.endpointslice import ENDPOINT_SLICE
from fairlead.apiserver.kinds.event import EVENT
from fairlead.apiserver.kinds.ingress import INGRESS
from fairlead.apiserver.kinds.ingressclass import INGRESS_CLASS
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.kinds.lease import LEASE
from fairlead.apiserver.kinds.namespace import NAMESPACE
from fairlead.apiserver.kinds.node import NODE
from fairlead.apiserver.kinds.pod import POD
from fairlead.apiserver.kinds.rbac import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from fairlead.apiserver.kinds.replicaset import REPLICA_SET
from fairlead.apiserver.kinds.secret import SECRET
from fairlead.apiserver.kinds.service import SERVICE
from fairlead.apiserver.kinds.serviceaccount import SERVICE_ACCOUNT

KINDS: dict[Resource, Kind] = {
    kind.resource: kind
    for kind in (
        NAMESPACE, NODE, POD, SERVICE, ENDPOINTS, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, EVENT,
        DEPLOYMENT, REPLICA_SET, DAEMON_SET, ENDPOINT_SLICE, LEASE, INGRESS, INGRESS_CLASS,
        ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING,
    )
}  # fmt: skip

__all__ = ["KINDS", "Kind"]
