"""ValidatingWebhookConfigurations and MutatingWebhookConfigurations. Their webhooks are called by
`admission.webhooks`."""

from typing import Any

from fairlead.api.resources import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.webhooks import COLUMNS
from fairlead.apiserver.validation.webhooks import validate_webhooks

Json = dict[str, Any]


def default(obj: Json) -> None:
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("failurePolicy", "Fail")
        webhook.setdefault("matchPolicy", "Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        webhook.setdefault("timeoutSeconds", 10)
        for rule in webhook.get("rules") or ():
            rule.setdefault("scope", "*")
        if service := (webhook.get("clientConfig") or {}).get("service"):
            service.setdefault("port", 443)


def default_mutating(obj: Json) -> None:
    default(obj)
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("reinvocationPolicy", "Never")


def prepare_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def prepare_update(new: Json, old: Json) -> None:
    generation = old["metadata"].get("generation", 1)
    new["metadata"]["generation"] = generation + (new.get("webhooks") != old.get("webhooks"))


VALIDATING_WEBHOOK_CONFIGURATION = Kind(
    VALIDATING_WEBHOOKS,
    COLUMNS,
    default,
    validate_webhooks,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
MUTATING_WEBHOOK_CONFIGURATION = Kind(
    MUTATING_WEBHOOKS,
    COLUMNS,
    default_mutating,
    validate_webhooks,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
