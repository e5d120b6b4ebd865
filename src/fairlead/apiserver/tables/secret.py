"""Secrets."""

from fairlead.apiserver.tables.column import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Type", lambda obj, _: obj.get("type", "")),
    Column("Data", lambda obj, _: len(obj.get("data") or {})),
    AGE,
)
