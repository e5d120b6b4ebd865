"""Nobody grants what they do not hold (pkg/registry/rbac, "privilege escalation prevention").

Who writes a role must hold all of its rules, or be allowed to `escalate` it; who binds one must hold all of its rules,
or be allowed to `bind` it.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.resources import CLUSTER_ROLES, ROLES
from fairlead.api.status import forbidden, not_found
from fairlead.apiserver.authz import MASTERS, Attributes, Rule

if TYPE_CHECKING:
    from fairlead.apiserver.call import Call

Json = dict[str, Any]

BINDINGS = ("rolebindings", "clusterrolebindings")
EVERYTHING = (
    Rule(verbs=("*",), api_groups=("*",), resources=("*",)),
    Rule(verbs=("*",), non_resource_urls=("*",)),
)
COLLECTED = ("ownerReferences", "finalizers", "resourceVersion", "generation", "managedFields")


def admit(call: "Call", new: Json, old: Json | None) -> None:
    """Raises ApiError (403; 404 for a role that is bound and not there)."""
    if MASTERS in call.user.groups or (old is not None and _told(new) == _told(old)):
        return
    namespace = call.namespace or ""
    group, plural = call.resource.group, call.resource.plural
    name = new["metadata"].get("name", "")
    if plural in BINDINGS:
        ref = new["roleRef"]
        role = ROLES if ref.get("kind") == "Role" else CLUSTER_ROLES
        asked = Attributes("bind", role.group, role.plural, "", namespace, ref.get("name", ""))
    else:
        asked = Attributes("escalate", group, plural, "", namespace, name if old is not None else "")
    if call.api.authorizer.allows(call.user, asked):
        return
    if plural in BINDINGS:
        found = call.api.authorizer.rules_of(ref.get("kind", ""), ref.get("name", ""), namespace)
        if found is None:
            raise not_found(role, ref.get("name", ""))
        rules = found
    elif new.get("aggregationRule"):
        rules = EVERYTHING
    else:
        rules = msgspec.convert(new.get("rules") or (), tuple[Rule, ...])
    held = [rule for place, rule in call.api.authorizer.grants(call.user) if place is None or place == namespace]
    if lacking := missing(held, rules):
        groups = " ".join(f'"{group}"' for group in call.user.groups)
        why = (
            f'user "{call.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
        )
        raise forbidden(call.resource, name, why + "\n".join(lacking))


def missing(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[str]:
    """What of the rules wanted is not covered by those held, in Kubernetes' words. Pure."""
    held = list(held)
    lacking: dict[Rule, list[str]] = {}  # a rule without verbs → those it lacks
    for rule in wanted:
        for part in _parts(rule):
            if not any(_covers(one, part) for one in held):
                verbs = lacking.setdefault(msgspec.structs.replace(part, verbs=()), [])
                verbs += [verb for verb in part.verbs if verb not in verbs]
    return sorted(_described(rule, verbs) for rule, verbs in lacking.items())


def _parts(rule: Rule) -> Iterator[Rule]:
    """Rules of one verb, group, resource and name each."""
    for group, resource, verb in itertools.product(rule.api_groups, rule.resources, rule.verbs):
        for name in rule.resource_names or (None,):
            yield Rule((verb,), (group,), (resource,), (name,) if name is not None else ())
    for url, verb in itertools.product(rule.non_resource_urls, rule.verbs):
        yield Rule((verb,), non_resource_urls=(url,))


def _covers(held: Rule, part: Rule) -> bool:
    (verb,) = part.verbs
    if verb not in held.verbs and "*" not in held.verbs:
        return False
    if part.non_resource_urls:
        (url,) = part.non_resource_urls
        return any(
            one in (url, "*") or (one.endswith("*") and url.startswith(one.rstrip("*")))
            for one in held.non_resource_urls
        )
    (group,), (resource,) = part.api_groups, part.resources
    if group not in held.api_groups and "*" not in held.api_groups:
        return False
    subresource = resource.partition("/")[2]
    if not any(one in ("*", resource) or (subresource and one == f"*/{subresource}") for one in held.resources):
        return False
    return not held.resource_names or (bool(part.resource_names) and part.resource_names[0] in held.resource_names)


def _described(rule: Rule, verbs: list[str]) -> str:
    fields = (
        ("APIGroups", rule.api_groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.non_resource_urls),
        ("ResourceNames", rule.resource_names),
        ("Verbs", verbs),
    )
    told = (
        f"{name}:[{' '.join(f'{chr(34)}{value}{chr(34)}' for value in values)}]" for name, values in fields if values
    )
    return "{" + ", ".join(told) + "}"


def _told(obj: Json) -> Json:
    """All but what the garbage collector writes."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in COLLECTED}
    return {**obj, "metadata": metadata}
