"""One webhook of a ValidatingWebhookConfiguration or MutatingWebhookConfiguration, and whether it is asked. Pure.

Source: admissionregistration.k8s.io/v1; apiserver's `admission/plugin/webhook/predicates`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.api.resources import RESOURCES, Resource
from fairlead.api.selectors import Selector, of_label_selector
from fairlead.api.types.meta import LabelSelector, Struct

Json = dict[str, Any]

# The configurations themselves are never asked about: a broken webhook could not be taken away any more.
EXEMPT = "admissionregistration.k8s.io"


class Service(Struct):
    namespace: str
    name: str
    path: str | None = None
    port: int = 443


class Client(Struct):
    url: str | None = None
    service: Service | None = None
    ca_bundle: bytes | None = None  # PEM


class Rule(Struct):
    operations: tuple[str, ...]
    api_groups: tuple[str, ...]
    api_versions: tuple[str, ...]
    resources: tuple[str, ...]
    scope: str = "*"

    def covers(self, resource: Resource, subresource: str, operation: str) -> bool:
        return (
            _names(self.operations, operation)
            and _names(self.api_groups, resource.group)
            and _names(self.api_versions, resource.version)
            and self.scope in ("*", "Namespaced" if resource.namespaced else "Cluster")
            and any(_is_of(each, resource.plural, subresource) for each in self.resources)
        )


class Hook(Struct):
    name: str
    client_config: Client
    admission_review_versions: tuple[str, ...]
    rules: tuple[Rule, ...] | None = None
    failure_policy: str = "Fail"
    match_policy: str = "Equivalent"
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    timeout_seconds: int = 10
    reinvocation_policy: str = "Never"

    def asked_as(self, resource: Resource, subresource: str, operation: str) -> Resource | None:
        """The version in which the webhook wants what is asked about: the request's own if a rule names it, else,
        unless the policy is Exact, another one of the same resource. None: it is not asked."""
        if resource.group == EXEMPT:
            return None
        versions = [resource]
        if self.match_policy != "Exact":
            versions += [each for each in RESOURCES if each.prefix == resource.prefix and each is not resource]
        for version in versions:
            if any(rule.covers(version, subresource, operation) for rule in self.rules or ()):
                return version
        return None

    def selects_namespace(self, labels: Json) -> bool:
        return _selector(self.namespace_selector).matches(labels)

    def selects_object(self, *objects: Json | None) -> bool:
        """The new or the old one."""
        selector = _selector(self.object_selector)
        return any(
            selector.matches((obj.get("metadata") or {}).get("labels") or {}) for obj in objects if obj is not None
        )

    @property
    def review_version(self) -> str:
        """The first one listed that we speak; validation has seen to it that there is one."""
        return next(each for each in self.admission_review_versions if each in ("v1", "v1beta1"))


class _Configuration(Struct):
    webhooks: tuple[Hook, ...] | None = None


def hooks_of(configurations: Iterable[bytes]) -> list[Hook]:
    """Of stored configurations, in order."""
    found = (msgspec.json.decode(each, type=_Configuration).webhooks for each in configurations)
    return [hook for hooks in found for hook in hooks or ()]


def _selector(given: LabelSelector | None) -> Selector:
    return of_label_selector(given if given is not None else LabelSelector())


def _names(values: tuple[str, ...], value: str) -> bool:
    return value in values or "*" in values


def _is_of(given: str, plural: str, subresource: str) -> bool:
    """`pods`, `pods/status`, `*/scale`, `*`: a resource without a slash has no subresources."""
    name, _, part = given.partition("/")
    return name in ("*", plural) and part in ("*", subresource)
