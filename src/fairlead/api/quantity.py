"""Quantities: `100m`, `1Gi`, `1.5`, `1e3` (apimachinery `api/resource`). Exact."""

import re
from fractions import Fraction

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([a-zA-Z]*|[eE][+-]?[0-9]+)")
_SUFFIXES: dict[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Fraction(1024**power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def parse(text: str) -> Fraction:
    """The amount. Raises ValueError."""
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number, suffix = found.groups()
    if suffix in _SUFFIXES:
        return Fraction(number) * _SUFFIXES[suffix]
    if suffix[0] in "eE" and suffix[1:].lstrip("+-").isdigit():
        return Fraction(number) * Fraction(10) ** int(suffix[1:])
    raise ValueError(f"{text!r} is no quantity: unknown suffix {suffix!r}")


def millis(text: str) -> int:
    """In thousandths, rounded up: how processors are counted."""
    return -int(-parse(text) * 1000 // 1)


def whole(text: str) -> int:
    """In units, rounded up: how bytes are counted."""
    return -int(-parse(text) // 1)
