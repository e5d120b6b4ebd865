"""The types of the API, from one generated table, and what is checked with them. Pure.

`tools/generate_schema.py` writes the table from Kubernetes' published OpenAPI and .proto files.
"""

from fairlead.api.schema.conform import Conformed, SchemaError, conform
from fairlead.api.schema.duplicates import duplicate_fields
from fairlead.api.schema.table import FieldDef, TypeDef, kinds_of, reachable, type_named, type_of

__all__ = [
    "Conformed",
    "FieldDef",
    "SchemaError",
    "TypeDef",
    "conform",
    "duplicate_fields",
    "kinds_of",
    "reachable",
    "type_named",
    "type_of",
]
