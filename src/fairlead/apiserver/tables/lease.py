"""Leases."""

from fairlead.apiserver.tables.column import AGE, NAME, Column

COLUMNS = (NAME, Column("Holder", lambda obj, _: (obj.get("spec") or {}).get("holderIdentity", "")), AGE)
