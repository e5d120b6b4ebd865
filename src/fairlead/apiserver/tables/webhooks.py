"""ValidatingWebhookConfigurations and MutatingWebhookConfigurations."""

from fairlead.apiserver.tables.column import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Webhooks", lambda obj, _: len(obj.get("webhooks") or ()), "integer"),
    AGE,
)
