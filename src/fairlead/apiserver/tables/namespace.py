"""Namespaces."""

from fairlead.apiserver.tables.column import AGE, NAME, Column

COLUMNS = (NAME, Column("Status", lambda obj, _: obj.get("status", {}).get("phase", "")), AGE)
