"""Every kind that is stored, in every version served. One file each; this is the list."""

from fairlead.api.resources import Resource
from fairlead.apiserver.kinds.configmap import CONFIG_MAP
from fairlead.apiserver.kinds.controllerrevision import CONTROLLER_REVISION
from fairlead.apiserver.kinds.daemonset import DAEMON_SET
from fairlead.apiserver.kinds.deployment import DEPLOYMENT
from fairlead.apiserver.kinds.endpoints import ENDPOINTS
from fairlead.apiserver.kinds.endpointslice import ENDPOINT_SLICE, ENDPOINT_SLICE_BETA
from fairlead.apiserver.kinds.event import EVENT, NEW_EVENT
from fairlead.apiserver.kinds.ingress import INGRESS, INGRESS_BETA, INGRESS_EXTENSIONS
from fairlead.apiserver.kinds.ingressclass import INGRESS_CLASS, INGRESS_CLASS_BETA
from fairlead.apiserver.kinds.job import JOB
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.kinds.lease import LEASE
from fairlead.apiserver.kinds.limitrange import LIMIT_RANGE
from fairlead.apiserver.kinds.namespace import NAMESPACE
from fairlead.apiserver.kinds.node import NODE
from fairlead.apiserver.kinds.pod import POD
from fairlead.apiserver.kinds.podtemplate import POD_TEMPLATE
from fairlead.apiserver.kinds.rbac import BETA, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from fairlead.apiserver.kinds.replicaset import REPLICA_SET
from fairlead.apiserver.kinds.replicationcontroller import REPLICATION_CONTROLLER
from fairlead.apiserver.kinds.secret import SECRET
from fairlead.apiserver.kinds.service import SERVICE
from fairlead.apiserver.kinds.serviceaccount import SERVICE_ACCOUNT
from fairlead.apiserver.kinds.webhooks import MUTATING_WEBHOOK_CONFIGURATION, VALIDATING_WEBHOOK_CONFIGURATION

KINDS: dict[Resource, Kind] = {
    kind.resource: kind
    for kind in (
        NAMESPACE, NODE, POD, SERVICE, ENDPOINTS, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, EVENT, LIMIT_RANGE, POD_TEMPLATE,
        DEPLOYMENT, REPLICA_SET, REPLICATION_CONTROLLER, DAEMON_SET, CONTROLLER_REVISION, JOB, ENDPOINT_SLICE,
        LEASE, INGRESS, INGRESS_CLASS,
        ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING,
        VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION,
        NEW_EVENT, INGRESS_BETA, INGRESS_EXTENSIONS, INGRESS_CLASS_BETA, *BETA, ENDPOINT_SLICE_BETA,
    )
}  # fmt: skip

__all__ = ["KINDS", "Kind"]
