"""Annotations of an Ingress, one subject a file: text in, typed options and problems out."""

from fairlead.ingress.plan.annotations.reading import Parsed, parse

__all__ = ["Parsed", "parse"]
