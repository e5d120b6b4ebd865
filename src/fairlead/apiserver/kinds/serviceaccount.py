"""ServiceAccounts."""

from fairlead.api.resources import SERVICE_ACCOUNTS
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.serviceaccount import COLUMNS

SERVICE_ACCOUNT = Kind(SERVICE_ACCOUNTS, COLUMNS)
