"""Values with a form of their own: quantities, times, base64. Each is read and given back as Kubernetes would store it.

Source: apimachinery `api/resource` and `meta/v1`, Go's time.Parse and encoding/base64. Errors are ValueErrors with the
texts of those.
"""

import binascii
import re
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal

_QUANTITY = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$")
_QUANTITY_FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_LARGEST_BINARY = Decimal(2**63 - 1)

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
_TIME_PARTS = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"(?:0[1-9]|1[0-2])"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
    ("15", r"(?:[01]\d|2[0-3])"), (":", ":"), ("04", r"[0-5]\d"), (":", ":"), ("05", r"[0-5]\d(?:[.,]\d+)?"),
    ("Z07:00", r"(?:Z|[+-]\d\d:\d\d)"),
)  # fmt: skip
_BASE64_FOREIGN = re.compile(r"[^A-Za-z0-9+/=\r\n]|=(?!=?[\r\n]*$)")


def quantity(value: str | float) -> str:
    """The canonical form: "1000m" → "1", 0.5 → "500m", "1024Ki" → "1Mi"."""
    text = value.strip() if isinstance(value, str) else repr(value)
    match = _QUANTITY.match(text)
    if not match or not (match[2] or match[3]):
        raise ValueError(_QUANTITY_FORM)
    sign, whole, fraction, suffix = match.groups()
    number = Decimal(f"{sign}{whole or 0}.{fraction or 0}")
    if suffix in _BINARY:
        return _binary(min(_round(number * 1024 ** _BINARY[suffix]), _LARGEST_BINARY))
    if suffix in _DECIMAL:
        return _decimal(_round(number.scaleb(_DECIMAL[suffix])), exponent_form=False)
    if re.fullmatch(r"[eE][-+]?[0-9]+", suffix):
        return _decimal(_round(number.scaleb(int(suffix[1:]))), exponent_form=True)
    raise ValueError("unable to parse quantity's suffix")


def _round(number: Decimal) -> Decimal:
    """Nothing finer than nano, away from zero."""
    exponent = number.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent < -9
    return number.quantize(Decimal("1e-9"), rounding=ROUND_UP) if fine else number


def _binary(number: Decimal) -> str:
    if abs(number) < 1024 or number != int(number):
        return _decimal(number, exponent_form=False)
    count, power = int(number), 0
    while count % 1024 == 0 and power < 6:
        count, power = count // 1024, power + 1
    return f"{count}{_BINARY_SUFFIX.get(power, '')}"


def _decimal(number: Decimal, *, exponent_form: bool) -> str:
    if not number:
        return "0"
    sign, digits, exponent = number.normalize().as_tuple()
    assert isinstance(exponent, int)
    shift = exponent % 3
    mantissa = int("".join(map(str, digits))) * 10**shift
    exponent -= shift
    if exponent_form or exponent not in _DECIMAL_SUFFIX:
        suffix = f"e{exponent}" if exponent else ""
    else:
        suffix = _DECIMAL_SUFFIX[exponent]
    return f"{'-' if sign else ''}{mantissa}{suffix}"


def time(text: str) -> str:
    """metav1.Time: whole seconds in UTC."""
    moment = _moment(text)
    return text if _TIME.fullmatch(text) else f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def micro_time(text: str) -> str:
    """metav1.MicroTime: microseconds in UTC."""
    return f"{_moment(text).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or len(text) < len("2006-01-02T15:04:05Z"):
        raise ValueError(_time_problem(text))
    return moment.astimezone(UTC)


def _time_problem(text: str) -> str:
    """Go's words: the part of the layout at which the text stops following it, and what is left of the text there."""
    rest = text
    for part, pattern in _TIME_PARTS:
        found = re.match(pattern, rest, re.ASCII)
        if found is None:
            return f'parsing time "{text}" as "{_TIME_LAYOUT}": cannot parse "{rest}" as "{part}"'
        rest = rest[found.end() :]
    problem = f': extra text: "{rest}"' if rest else ": day out of range"
    return f'parsing time "{text}"{problem}'


def base64(text: str) -> str:
    """Standard base64 without line breaks."""
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        joined = text.replace("\n", "").replace("\r", "")
        foreign = _BASE64_FOREIGN.search(text)
        if foreign is not None or len(joined) % 4:
            at = foreign.start() if foreign is not None else len(text) - len(joined) % 4
            raise ValueError(f"illegal base64 data at input byte {at}") from None
        return joined
    return text
