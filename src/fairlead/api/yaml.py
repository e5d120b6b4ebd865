"""YAML as Kubernetes reads it (sigs.k8s.io/yaml: 1.1, no duplicate keys, no dates) and writes it."""

from typing import Any


class YamlError(ValueError):
    """Text that is no YAML, or a key given twice. The message is what kubectl's users know."""


def parse(text: str | bytes) -> Any:
    """One document as JSON values. An empty document is None."""
    raise NotImplementedError


def parse_all(text: str | bytes) -> list[Any]:
    """Every document of a stream; empty ones are left out."""
    raise NotImplementedError


def render(value: Any) -> str:
    """Block style, keys sorted, two spaces."""
    raise NotImplementedError
