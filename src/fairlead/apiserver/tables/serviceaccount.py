"""ServiceAccounts."""

from fairlead.apiserver.tables.column import AGE, NAME, Column

COLUMNS = (NAME, Column("Secrets", lambda obj, _: len(obj.get("secrets") or ())), AGE)
