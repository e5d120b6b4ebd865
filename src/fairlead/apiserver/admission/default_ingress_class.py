"""An Ingress that names no class gets the default one (admission plugin DefaultIngressClass)."""

from typing import Any

from fairlead.api.resources import INGRESS_CLASSES
from fairlead.apiserver.registry import Registry
from fairlead.apiserver.validation.ingress import CLASS_ANNOTATION

Json = dict[str, Any]

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def admit(registry: Registry, ingress: Json) -> None:
    """Of several defaults the newest, of equally old ones the first by name."""
    spec: Json = ingress.setdefault("spec", {})
    if spec.get("ingressClassName") is not None:
        return
    if CLASS_ANNOTATION in (ingress["metadata"].get("annotations") or {}):
        return
    found = [entry.decode()["metadata"] for entry in registry.cache.shelf(INGRESS_CLASSES.prefix).entries.values()]
    defaults = [each for each in found if (each.get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"]
    if not defaults:
        return
    newest = max(each["creationTimestamp"] for each in defaults)
    spec["ingressClassName"] = min(each["name"] for each in defaults if each["creationTimestamp"] == newest)
