"""What every object carries: ObjectMeta, owner references, label selectors, conditions.

Times stay RFC 3339 strings, as they travel; `api.time` parses and renders them. These structs read leniently (unknown
fields are skipped) and write only what is set.
"""

from typing import Any

import msgspec


class Struct(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The base of every typed API object: camelCase outside, defaults left out."""


class OwnerReference(Struct):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Struct):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    finalizers: list[str] = []


class LabelSelectorRequirement(Struct):
    key: str
    operator: str
    values: list[str] = []


class LabelSelector(Struct):
    """None of both matches everything; a missing selector (None) matches nothing."""

    match_labels: dict[str, str] = {}
    match_expressions: list[LabelSelectorRequirement] = []


class Condition(Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_update_time: str | None = None
    last_heartbeat_time: str | None = None
    last_probe_time: str | None = None
    observed_generation: int | None = None


class ObjectReference(Struct):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class Object(Struct):
    """Any object, as far as its metadata: for parts that only need names, owners and labels."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


IntOrString = int | str
Json = dict[str, Any]
