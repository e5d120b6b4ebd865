"""Taking what nobody controls and letting go what is no longer selected (pkg/controller/controller_ref_manager.go)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fairlead.api.selectors import Selector, of_label_selector, of_map
from fairlead.api.status import ApiError
from fairlead.api.types.meta import Object
from fairlead.client.rest import Client
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.pods import controller_of

T = TypeVar("T", bound=Object)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claims(Generic[T]):
    adopt: tuple[T, ...]
    release: tuple[T, ...]


def plan(owner: Object, selector: Selector, orphans: Iterable[T], owned: Iterable[T]) -> Claims[T]:
    """An owner that is going takes nothing more. Objects that are going stay whose they are."""
    going = owner.metadata.deletion_timestamp is not None
    return Claims(
        adopt=tuple(
            each
            for each in orphans
            if not going
            and each.metadata.deletion_timestamp is None
            and each.metadata.namespace == owner.metadata.namespace
            and controller_of(each.metadata) is None
            and selector.matches(each.metadata.labels)
        ),
        release=tuple(
            each
            for each in owned
            if each.metadata.deletion_timestamp is None and not selector.matches(each.metadata.labels)
        ),
    )


def api_version(kind: str) -> str:
    """Of the kinds that have pods."""
    return {"Job": "batch/v1", "ReplicationController": "v1"}.get(kind, "apps/v1")


def selector_of(owner: Any) -> Selector:
    """Which objects an owner wants: by labels and expressions, or by a plain map, as ReplicationControllers do."""
    selector = owner.spec.selector
    return of_map(selector) if isinstance(selector, dict) else of_label_selector(selector)


def owner_reference(owner: Object, kind: str) -> Json:
    return {
        "apiVersion": api_version(kind),
        "kind": kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


async def apply(
    claims: Claims[T], owner: Object, kind: str, *, client: Client, resource: str, type_: type[T], ahead: Ahead[T]
) -> None:
    """By strategic merge, which leaves references to other owners alone. Raises ApiError."""
    uid = owner.metadata.uid
    changes = [(each, owner_reference(owner, kind)) for each in claims.adopt]
    changes += [(each, {"$patch": "delete", "uid": uid}) for each in claims.release]
    for each, change in changes:
        # The uid guards against a namesake that came after the one we saw.
        body = {"metadata": {"uid": each.metadata.uid, "ownerReferences": [change]}}
        name, namespace = each.metadata.name, each.metadata.namespace
        try:
            ahead.write(await client.patch(resource, name, namespace, body, kind="strategic", type=type_))
        except ApiError as error:
            if not error.is_not_found:
                raise
