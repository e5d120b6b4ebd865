"""Admission webhooks (ValidatingAdmissionWebhook, MutatingAdmissionWebhook): which of them a request concerns, and
their say in it.

A request that none concerns costs one look-up: answers are remembered until a configuration changes.
"""

import asyncio
import copy
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.api.resources import MUTATING_WEBHOOKS, NAMESPACES, VALIDATING_WEBHOOKS, Resource
from fairlead.api.status import ApiError, internal
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission.webhooks.calling import CallError, ask
from fairlead.apiserver.admission.webhooks.hook import Hook, hooks_of
from fairlead.apiserver.admission.webhooks.review import ReviewError, Subject, Verdict, denied, verdict
from fairlead.apiserver.kinds import KINDS
from fairlead.apiserver.patch import PatchError, json_patch
from fairlead.apiserver.registry import Registry, new_uid
from fairlead.apiserver.users import user_info
from fairlead.apiserver.watchcache import Event

if TYPE_CHECKING:
    from fairlead.apiserver.call import Call

Json = dict[str, Any]

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"
_PREFIXES = (VALIDATING_WEBHOOKS.prefix, MUTATING_WEBHOOKS.prefix)
_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A webhook whose rules cover a request, and the version in which it is asked."""

    hook: Hook
    version: Resource


@dataclass(frozen=True, slots=True)
class Asking:
    """The webhooks of one resource, subresource and operation, in the order of their configurations' names."""

    registry: Registry
    mutating: tuple[Asked, ...]
    validating: tuple[Asked, ...]

    async def mutate(self, call: "Call", subject: Subject, new: Json | None, old: Json | None) -> Json | None:
        """What the mutating webhooks make of an object, one after another. One that wants to see what came after it
        (`reinvocationPolicy: IfNeeded`) is asked once more. Raises ApiError."""
        seen: list[tuple[Asked, Json | None]] = []
        for asked in self.mutating:
            new = await self._mutated(call, subject, asked, new, old)
            seen.append((asked, new))
        for asked, was in seen:
            if asked.hook.reinvocation_policy == "IfNeeded" and new != was:
                new = await self._mutated(call, subject, asked, new, old)
        return new

    async def validate(self, call: "Call", subject: Subject, new: Json | None, old: Json | None) -> None:
        """All at once; the first refusal in their order counts. Raises ApiError."""
        asked = [each for each in self.validating if self._concerns(each, subject, new, old)]
        outcomes = await asyncio.gather(
            *(self._verdict(call, subject, each, new, old, mutates=False) for each in asked), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _mutated(
        self, call: "Call", subject: Subject, asked: Asked, new: Json | None, old: Json | None
    ) -> Json | None:
        if not self._concerns(asked, subject, new, old):
            return new
        found = await self._verdict(call, subject, asked, new, old, mutates=True)
        if found is None or not found.patch:
            return new
        if new is None:
            raise internal(f'admission webhook "{asked.hook.name}" attempted to modify the object, which is not there')
        try:
            return _patched(subject, asked.version, new, found.patch)
        except PatchError as error:
            raise internal(str(error)) from error

    async def _verdict(
        self, call: "Call", subject: Subject, asked: Asked, new: Json | None, old: Json | None, *, mutates: bool
    ) -> Verdict | None:
        """None: there was none, which its policy ignores. Raises ApiError."""
        hook, uid = asked.hook, new_uid()
        objects = (_served(subject, asked.version, each) for each in (new, old))
        review = subject.review(uid, hook.review_version, asked.version, *objects)
        try:
            found = verdict(await ask(self.registry, hook, review), uid, hook.review_version, mutates)
        except (CallError, ReviewError) as error:
            what = "failed to call webhook" if isinstance(error, CallError) else "received invalid webhook response"
            text = f'failed calling webhook "{hook.name}": {what}: {error}'
            if hook.failure_policy != "Ignore":
                raise internal(text) from error
            log.warning("%s; its policy is to ignore that", text)
            return None
        call.warnings += found.warnings
        if not found.allowed:
            raise denied(hook.name, found.status)
        return found

    def _concerns(self, asked: Asked, subject: Subject, new: Json | None, old: Json | None) -> bool:
        labels = self._namespace_labels(subject, new)
        if labels is not None and not asked.hook.selects_namespace(labels):
            return False
        return asked.hook.selects_object(new, old)

    def _namespace_labels(self, subject: Subject, new: Json | None) -> Json | None:
        """None for what is in no namespace. A Namespace that is written is judged by the labels it will have."""
        if not subject.namespace:
            return None
        if subject.resource is NAMESPACES and not subject.subresource and new is not None:
            return new["metadata"].get("labels") or {}
        entry = self.registry.find(NAMESPACES, None, subject.namespace)
        return {} if entry is None else dict(entry.labels)


class Webhooks:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[Resource, str, str], Asking | None] = {}
        self._hooks: tuple[list[Hook], list[Hook]] | None = None
        registry.cache.listeners.append(self._changed)

    def of(self, resource: Resource, subresource: str, operation: str) -> Asking | None:
        """None where no webhook wants to be asked."""
        key = (resource, subresource, operation)
        try:
            return self._known[key]
        except KeyError:
            found = self._known[key] = self._find(*key)
            return found

    def _find(self, resource: Resource, subresource: str, operation: str) -> Asking | None:
        if self._hooks is None:
            self._hooks = (self._of(MUTATING_WEBHOOKS), self._of(VALIDATING_WEBHOOKS))
        mutating, validating = (_covering(hooks, resource, subresource, operation) for hooks in self._hooks)
        return Asking(self._registry, mutating, validating) if mutating or validating else None

    def _of(self, resource: Resource) -> list[Hook]:
        shelf = self._registry.cache.shelf(resource.prefix)
        return hooks_of(entry.body for entry in shelf.slice(shelf.span(resource.prefix)))

    def _changed(self, event: Event) -> None:
        if event.subject.key.startswith(_PREFIXES):
            self._known.clear()
            self._hooks = None


def subject_of(
    call: "Call",
    operation: str,
    *,
    name: str = "",
    dry_run: bool = False,
    options: Json | None = None,
    about: tuple[str, str, str] | None = None,
) -> Subject:
    """`name`: where the path has none."""
    resource, route = call.resource, call.route
    name = route.name or name
    kind = _OPTIONS.get(operation)
    told: Json | None = None
    if kind is not None:
        told = {"kind": kind, "apiVersion": "meta.k8s.io/v1", **(options or {})}
        if dry_run:
            told["dryRun"] = ["All"]
        for field in ("fieldManager", "fieldValidation"):
            if operation != DELETE and (value := call.request.parameter(field)):
                told[field] = value
    namespace = name if resource is NAMESPACES else call.namespace or ""
    return Subject(resource, route.subresource, operation, namespace, name, user_info(call.user), told, dry_run, about)


async def asked(call: "Call", operation: str, new: Json, about: tuple[str, str, str], old: Json | None = None) -> Json:
    """Webhooks' say in a subresource that is an object of its own; what they make of it. Raises ApiError."""
    asking = call.api.webhooks.of(call.resource, call.route.subresource, operation)
    if asking is None:
        return new
    subject = subject_of(call, operation, dry_run=call.dry_run, about=about)
    new = await asking.mutate(call, subject, new, old) or new
    await asking.validate(call, subject, new, old)
    return new


def _covering(hooks: Iterable[Hook], resource: Resource, subresource: str, operation: str) -> tuple[Asked, ...]:
    found = ((hook, hook.asked_as(resource, subresource, operation)) for hook in hooks)
    return tuple(Asked(hook, version) for hook, version in found if version is not None)


def _served(subject: Subject, version: Resource, obj: Json | None) -> Json | None:
    if obj is None or subject.about is not None:
        return obj
    return KINDS[version].served(copy.deepcopy(obj))


def _patched(subject: Subject, version: Resource, obj: Json, patch: list[Any]) -> Json:
    """In the stored form again. Raises PatchError, ApiError."""
    shown = _served(subject, version, obj)
    assert shown is not None
    new = json_patch.apply(shown, patch)
    if subject.about is not None:
        return new
    try:
        negotiation.check_kind(new, version.kind, version.group_version)
        new = negotiation.checked(new, version.kind, version.group_version, "Ignore", [], [])
    except ApiError as error:
        raise internal(error.message) from error
    return KINDS[version].stored(new)
