"""Endpoints."""

from typing import Any

from fairlead.api.resources import ENDPOINTS as RESOURCE
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.endpoints import COLUMNS
from fairlead.apiserver.validation.endpoints import validate_endpoints

Json = dict[str, Any]


def default(endpoints: Json) -> None:
    for subset in endpoints.get("subsets", ()):
        for port in subset.get("ports", ()):
            port.setdefault("protocol", "TCP")


ENDPOINTS = Kind(RESOURCE, COLUMNS, default, validate_endpoints)
