"""Namespaces."""

from typing import Any

from fairlead.api.resources import NAMESPACES
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity, keep_status
from fairlead.apiserver.tables.namespace import COLUMNS

Json = dict[str, Any]

NAME_LABEL = "kubernetes.io/metadata.name"


def default(namespace: Json) -> None:
    if name := namespace["metadata"].get("name"):
        namespace["metadata"].setdefault("labels", {})[NAME_LABEL] = name


def prepare_create(namespace: Json) -> None:
    default(namespace)
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def selectable_fields(namespace: Json) -> dict[str, str]:
    return identity(namespace) | {"status.phase": namespace.get("status", {}).get("phase", "")}


NAMESPACE = Kind(
    NAMESPACES,
    COLUMNS,
    default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"status.phase"},
)
