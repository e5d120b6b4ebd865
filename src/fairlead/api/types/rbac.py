"""rbac.authorization.k8s.io/v1 as the authorizer reads it."""

import msgspec

from fairlead.api.types.meta import Object, Struct


class PolicyRule(Struct):
    verbs: list[str] = []
    api_groups: list[str] = []
    resources: list[str] = []
    resource_names: list[str] = []
    non_resource_urls: list[str] = msgspec.field(default_factory=list, name="nonResourceURLs")


class RoleRef(Struct):
    api_group: str = ""
    kind: str = ""
    name: str = ""


class Subject(Struct):
    kind: str
    name: str
    api_group: str = ""
    namespace: str = ""


class Role(Object):
    """Role and ClusterRole."""

    rules: list[PolicyRule] = []
    aggregation_rule: dict[str, list[dict[str, dict[str, str]]]] | None = None


class RoleBinding(Object):
    """RoleBinding and ClusterRoleBinding."""

    subjects: list[Subject] = []
    role_ref: RoleRef = msgspec.field(default_factory=RoleRef)
