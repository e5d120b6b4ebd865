"""LimitRanges."""

from fairlead.apiserver.tables.column import NAME, Column

COLUMNS = (NAME, Column("Created At", lambda obj, _: obj["metadata"].get("creationTimestamp", "")))
