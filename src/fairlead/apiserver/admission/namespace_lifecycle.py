"""Nothing is created in a namespace that is not there or is being deleted (admission plugin NamespaceLifecycle)."""

from typing import Any

from fairlead.api.resources import NAMESPACES, Resource
from fairlead.api.status import forbidden, not_found
from fairlead.apiserver.registry import Registry

Json = dict[str, Any]

IMMORTAL = ("default", "kube-system", "kube-public")


def admit(registry: Registry, resource: Resource, obj: Json) -> None:
    """Raises ApiError (403, 404)."""
    name = obj["metadata"].get("namespace", "")
    entry = registry.find(NAMESPACES, None, name)
    if entry is None:
        raise not_found(NAMESPACES, name)
    if b'"deletionTimestamp"' not in entry.value:
        return
    why = f"unable to create new content in namespace {name} because it is being terminated"
    error = forbidden(resource, obj["metadata"].get("name", ""), why)
    causes = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    error.details = {**(error.details or {}), "causes": causes}
    raise error


def keep_the_immortal(name: str) -> None:
    """Raises ApiError (403)."""
    if name in IMMORTAL:
        raise forbidden(NAMESPACES, name, "this namespace may not be deleted")


def keep_finalizers(new: Json, old: Json) -> None:
    """A namespace's spec.finalizers change only by its `finalize` subresource."""
    if "spec" in old:
        new["spec"] = {**new.get("spec", {}), "finalizers": old["spec"].get("finalizers", [])}
