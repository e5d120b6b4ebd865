"""Quantities, exact, in all of their forms."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.quantity import canonical, millis, parse, whole


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0), ("100m", Fraction(1, 10)), ("1.5", Fraction(3, 2)), (".5", Fraction(1, 2)), ("5.", 5), ("+3", 3),
        ("-2k", -2000), ("1Ki", 1024), ("1Gi", 2**30), ("1e3", 1000), ("1E3", 1000), ("1E", 10**18),
        ("1e-3", Fraction(1, 1000)),
        ("1n", Fraction(1, 10**9)), ("0.1n", Fraction(1, 10**9)), ("1e999999999", 2**63 - 1), ("9Ei", 2**63 - 1),
    ],
)  # fmt: skip
def test_parse(text: str, amount: Fraction | int) -> None:
    assert parse(text) == amount


@pytest.mark.parametrize("text", ["", "m", "1.2.3", "1 Gi", "1gi", "1KI", "0x10", "1e", "--1", "1" * 100, "١"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0.5", "500m"), ("1000m", "1"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("1000e3", "1e6"), ("0Gi", "0"),
        ("1500", "1500"), ("2000", "2k"), ("0.5Ki", "512"), ("100m", "100m"), ("-1000k", "-1M"), ("1e2", "100"),
        ("0.1Mi", "104857600m"),
    ],
)  # fmt: skip
def test_canonical(text: str, same: str) -> None:
    assert canonical(text) == same


@given(
    st.integers(-(10**6), 10**6),
    st.integers(0, 9),
    st.sampled_from(["", "m", "u", "n", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]),
)
def test_the_canonical_form_is_the_same_amount_and_its_own_canonical_form(number: int, tenth: int, suffix: str) -> None:
    text = f"{number}.{tenth}{suffix}"
    assert parse(canonical(text)) == parse(text)
    assert canonical(canonical(text)) == canonical(text)


def test_processors_count_in_thousandths_and_bytes_in_units_both_rounded_up() -> None:
    assert (millis("0.1"), millis("1n"), millis("2")) == (100, 1, 2000)
    assert (whole("1Ki"), whole("100m")) == (1024, 1)
