"""Authorization: RBAC, from roles and bindings as they are in the watch cache (rbac.authorization.k8s.io/v1)."""

from typing import Any

import msgspec

from fairlead.api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Resource
from fairlead.api.status import ApiError
from fairlead.apiserver.users import User
from fairlead.apiserver.watchcache import Event, WatchCache

MASTERS = "system:masters"
REMEMBERED = 4096  # users, and answers


class Attributes(msgspec.Struct, frozen=True):
    """What is asked for; either a resource or a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Rule(msgspec.Struct, rename="camel", frozen=True):
    """A PolicyRule."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")

    def allows(self, asked: Attributes) -> bool:
        if asked.verb not in self.verbs and "*" not in self.verbs:
            return False
        if asked.path:
            return any(_path_matches(pattern, asked.path) for pattern in self.non_resource_urls)
        if asked.group not in self.api_groups and "*" not in self.api_groups:
            return False
        if not any(_resource_matches(pattern, asked) for pattern in self.resources):
            return False
        return not self.resource_names or asked.name in self.resource_names


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _resource_matches(pattern: str, asked: Attributes) -> bool:
    return pattern in ("*", asked.full_resource) or (bool(asked.subresource) and pattern == f"*/{asked.subresource}")


class _Role(msgspec.Struct):
    rules: tuple[Rule, ...] | None = None


class _Subject(msgspec.Struct):
    kind: str
    name: str
    namespace: str = ""


class _RoleRef(msgspec.Struct):
    kind: str
    name: str


class _Binding(msgspec.Struct, rename="camel"):
    role_ref: _RoleRef
    subjects: tuple[_Subject, ...] | None = None


Grant = tuple[str | None, Rule]  # the namespace it holds in; None: everywhere


class Authorizer:
    """Grants are gathered once for each user and set of groups, answers remembered; anything of RBAC that changes makes
    all of it forgotten."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._grants: dict[tuple[str, tuple[str, ...]], tuple[Grant, ...]] = {}
        self._answers: dict[tuple[str, tuple[str, ...], Attributes], bool] = {}
        self._subjects: dict[tuple[str, str], list[tuple[str | None, _RoleRef]]] | None = None
        cache.listeners.append(self._changed)

    def allows(self, user: User, asked: Attributes) -> bool:
        if MASTERS in user.groups:
            return True
        key = (user.name, user.groups, asked)
        answer = self._answers.get(key)
        if answer is None:
            answer = any(
                (namespace is None or namespace == asked.namespace) and rule.allows(asked)
                for namespace, rule in self.grants(user)
            )
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()
            self._answers[key] = answer
        return answer

    def check(self, user: User, asked: Attributes) -> None:
        """Raises ApiError (403)."""
        if not self.allows(user, asked):
            raise forbidden(user, asked)

    def grants(self, user: User) -> tuple[Grant, ...]:
        key = (user.name, user.groups)
        found = self._grants.get(key)
        if found is None:
            if len(self._grants) >= REMEMBERED:
                self._grants.clear()
            found = self._grants[key] = tuple(self._gather(user))
        return found

    def _changed(self, event: Event) -> None:
        if event.subject.key.startswith("/rbac.authorization.k8s.io/"):
            self._grants.clear()
            self._answers.clear()
            self._subjects = None

    def _gather(self, user: User) -> list[Grant]:
        if self._subjects is None:
            self._subjects = self._bindings()
        found: list[Grant] = []
        for subject in [("User", user.name), *(("Group", group) for group in user.groups)]:
            for namespace, ref in self._subjects.get(subject, ()):
                found += [(namespace, rule) for rule in self.rules_of(ref.kind, ref.name, namespace) or ()]
        return found

    def _bindings(self) -> dict[tuple[str, str], list[tuple[str | None, _RoleRef]]]:
        subjects: dict[tuple[str, str], list[tuple[str | None, _RoleRef]]] = {}
        for resource in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS):
            for entry in self._cache.shelf(resource.prefix).entries.values():
                binding = msgspec.json.decode(entry.body, type=_Binding)
                for subject in binding.subjects or ():
                    kind, name = subject.kind, subject.name
                    if kind == "ServiceAccount":
                        kind, name = "User", f"system:serviceaccount:{subject.namespace}:{name}"
                    subjects.setdefault((kind, name), []).append((entry.namespace, binding.role_ref))
        return subjects

    def rules_of(self, kind: str, name: str, namespace: str | None) -> tuple[Rule, ...] | None:
        """Of a Role or ClusterRole; None where it is not there."""
        resource: Resource = ROLES if kind == "Role" else CLUSTER_ROLES
        key = f"{resource.prefix}{namespace}/{name}" if kind == "Role" else resource.prefix + name
        entry = self._cache.get(resource.prefix, key)
        return None if entry is None else msgspec.json.decode(entry.body, type=_Role).rules or ()


def forbidden(user: User, asked: Attributes) -> ApiError:
    """Kubernetes' words for what RBAC does not allow."""
    if asked.path:
        return ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"', {})
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    subject = f'{qualified} "{asked.name}"' if asked.name else qualified
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {asked.verb} resource "{asked.full_resource}" '
        f'in API group "{asked.group}" {scope}'
    )
    details: dict[str, Any] = {"name": asked.name} if asked.name else {}
    if asked.group:
        details["group"] = asked.group
    return ApiError(403, "Forbidden", message, details | {"kind": asked.resource})
