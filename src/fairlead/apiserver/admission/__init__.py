"""Admission: what the server adds to or refuses of an object, beyond its own form. In Kubernetes' order."""

from typing import TYPE_CHECKING, Any

from fairlead.api.resources import NAMESPACES, PODS, RBAC
from fairlead.apiserver.admission import (
    default_ingress_class,
    escalation,
    limit_ranger,
    namespace_lifecycle,
    priority,
    service_account,
    tolerations,
)

if TYPE_CHECKING:
    from fairlead.apiserver.call import Call

Json = dict[str, Any]


def admit_create(call: "Call", obj: Json) -> None:
    """Raises ApiError (403, 404)."""
    registry = call.api.registry
    if call.resource.namespaced:
        namespace_lifecycle.admit(registry, call.resource, obj)
    if call.resource is PODS:
        limits = limit_ranger.limits_of(registry, call.namespace or "")
        limit_ranger.admit(limits, obj)
        service_account.admit(registry, obj)
        tolerations.admit(obj)
        priority.admit(obj)
        limit_ranger.check(limits, obj)
    if call.resource.group == RBAC:
        escalation.admit(call, obj, None)
    if obj["kind"] == "Ingress":
        default_ingress_class.admit(registry, obj)


def admit_delete(call: "Call") -> None:
    """Raises ApiError (403)."""
    if call.resource is NAMESPACES:
        namespace_lifecycle.keep_the_immortal(call.name)


def admit_update(call: "Call", new: Json, old: Json) -> None:
    if call.resource is NAMESPACES:
        namespace_lifecycle.keep_finalizers(new, old)
    if call.resource.group == RBAC:
        escalation.admit(call, new, old)
