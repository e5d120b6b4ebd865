"""ConfigMaps."""

from fairlead.apiserver.tables.column import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Data", lambda obj, _: len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), "string"),
    AGE,
)
