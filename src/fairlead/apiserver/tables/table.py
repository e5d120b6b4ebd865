"""A meta.k8s.io Table from objects."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.apiserver.kinds import Kind

Json = dict[str, Any]


def table(kind: "Kind", items: Sequence[Json], now: float, include: str, metadata: Json, version: str) -> Json:
    """`include`: what each row carries of its object: None, Metadata or Object."""
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": [column.definition() for column in kind.columns],
        "rows": [_row(kind, item, now, include, version) for item in items],
    }


def _row(kind: "Kind", item: Json, now: float, include: str, version: str) -> Json:
    row: Json = {"cells": [column.cell(item, now) for column in kind.columns]}
    match include:
        case "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": f"meta.k8s.io/{version}",
                "metadata": item["metadata"],
            }
        case "Object":
            row["object"] = kind.served(item)
    return row
