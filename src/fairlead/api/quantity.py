"""Quantities: `100m`, `1Gi`, `1.5`, `1e3` (apimachinery `api/resource`). Exact."""

import re
from fractions import Fraction

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([a-zA-Z]*|[eE][+-]?[0-9]+)")
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}  # powers of 1000
_BINARY = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}  # powers of 1024
_SUFFIXES: dict[str, Fraction] = {
    **{suffix: Fraction(1000) ** power for suffix, power in _DECIMAL.items()},
    **{suffix: Fraction(1024) ** power for suffix, power in _BINARY.items()},
}
_MOST = 2**63 - 1  # larger amounts are cut to this
_FINEST = 10**9  # smaller parts are rounded up
_LONGEST, _STEEPEST = 64, 64  # digits and exponents beyond which an amount is only huge or tiny


def parse(text: str) -> Fraction:
    """The amount, in nanos at the finest and below 2^63. Raises ValueError."""
    number, exponent, suffix = _split(text)
    if exponent is not None:
        # 1e999999999 must not cost a gigabyte to find out that it is too large.
        amount = Fraction(number) * Fraction(10) ** max(-_STEEPEST, min(_STEEPEST, exponent))
    else:
        amount = Fraction(number) * _SUFFIXES[suffix]
    away = abs(amount)
    rounded = min(Fraction(-int(-away * _FINEST // 1), _FINEST), Fraction(_MOST))
    return -rounded if amount < 0 else rounded


def canonical(text: str) -> str:
    """As the API writes it: the same form (decimal, binary, exponent), no fraction, the largest suffix that allows it.

    `0.5` → `500m`, `1024Mi` → `1Gi`, `1.5Gi` → `1536Mi`, `1000e3` → `1e6`. Raises ValueError.
    """
    return _in_form_of(text, parse(text))


def add(first: str, second: str) -> str:
    """The sum, in the form of the first, as it is written. Raises ValueError."""
    return _in_form_of(first, parse(first) + parse(second))


def _in_form_of(text: str, amount: Fraction) -> str:
    _, exponent, suffix = _split(text)
    if not amount:
        return "0"
    # Binary suffixes cannot say less than one; Kubernetes then falls back to the decimal ones.
    if suffix in _BINARY and suffix and abs(amount) >= 1024 and amount.denominator == 1:
        return _render(amount, {name: Fraction(1024) ** power for name, power in _BINARY.items()})
    decimal = {name: Fraction(1000) ** power for name, power in _DECIMAL.items()}
    if exponent is not None:
        decimal = {f"e{3 * power}" if power else "": Fraction(1000) ** power for power in _DECIMAL.values()}
    return _render(amount, decimal)


def _render(amount: Fraction, units: dict[str, Fraction]) -> str:
    for suffix, unit in sorted(units.items(), key=lambda item: -item[1]):
        if (count := amount / unit).denominator == 1:
            return f"{count.numerator}{suffix}"
    raise AssertionError("parse leaves nothing finer than nanos")


def _split(text: str) -> tuple[str, int | None, str]:
    """The number, its exponent where it has one, its suffix otherwise. Raises ValueError."""
    found = _FORM.fullmatch(str(text))
    if found is None or len(found[1]) > _LONGEST:
        raise ValueError(f"{text!r} is no quantity")
    number, suffix = found.groups()
    if suffix in _SUFFIXES:
        return number, None, suffix
    digits = suffix[1:].lstrip("+-")
    if suffix[0] in "eE" and digits.isdigit() and len(digits) <= _LONGEST:
        return number, int(suffix[1:]), ""
    raise ValueError(f"{text!r} is no quantity: unknown suffix {suffix!r}")


def millis(text: str) -> int:
    """In thousandths, rounded up: how processors are counted."""
    return -int(-parse(text) * 1000 // 1)


def whole(text: str) -> int:
    """In units, rounded up: how bytes are counted."""
    return -int(-parse(text) // 1)
