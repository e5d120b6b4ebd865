"""Tables as `kubectl get` prints them (pkg/printers/internalversion). One file a kind: its columns."""

from fairlead.apiserver.tables.table import table

__all__ = ["table"]
