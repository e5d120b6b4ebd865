"""Ingresses."""

from fairlead.api.resources import INGRESSES
from fairlead.apiserver.kinds.kind import Kind, first_generation, keep_status_and_count
from fairlead.apiserver.tables.ingress import COLUMNS

INGRESS = Kind(INGRESSES, COLUMNS, prepare_create=first_generation, prepare_update=keep_status_and_count)
