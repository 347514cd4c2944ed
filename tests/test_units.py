"""Quantity: exact, shown in three significant digits, convertible within its kind."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.units import Quantity, factor, scales, significant, to_fixed


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (4294967296, "B", "4.00 GiB"),
        (131072, "B", "128 KiB"),
        (1023 * 1024 + 1020, "B", "1.00 MiB"),
        (0, "B", "0 B"),
        (1000, "B", "1,000 B"),
        (8030261248, "params", "8.03 B"),
        (266240, "params", "266 K"),
        (999_999, "params", "1.00 M"),
        (15_009_316_864, "FLOP", "15.0 GFLOP"),
        (Fraction(576, 100000), "s", "5.76 ms"),
        (Fraction(3, 10**10), "s", "0.300 ns"),
        (4096, "tokens", "4,096 tokens"),
        (1, "heads", "1 head"),
        (Fraction(8), "", "8"),
        (Fraction(5, 2), "", "2.50"),
        (Fraction(1, 3), "%", "0.333 %"),
        (-4096, "B", "-4.00 KiB"),
        (3350000000000, "B/s", "3.35 TB/s"),
    ],
)
def test_printing(value, unit, expected):
    assert str(Quantity(value, unit)) == expected


def test_conversion_and_arithmetic_stay_exact():
    cache = Quantity(17179869184, "B")
    assert str(cache.to("GB")) == "17.2 GB"
    assert f"{cache.to('GB'):.3f}" == "17.180 GB"
    assert int(cache.to("GiB")) == 17179869184
    assert cache.amount("GiB") == 16
    assert cache / Quantity(4294967296, "B") == Quantity(Fraction(4))
    assert (cache - cache / 2) + cache / 2 == cache
    assert cache > cache / 2 >= cache / 2
    with pytest.raises(ValueError, match="does not measure"):
        cache.to("s")
    with pytest.raises(ValueError, match="different units"):
        _ = cache + Quantity(1, "s")
    with pytest.raises(ValueError, match="whole number"):
        int(Quantity(Fraction(1, 2), "B"))


def test_prefixes_are_kept_apart():
    assert factor("GB", "B") == 10**9
    assert factor("GiB", "B") == 2**30
    assert factor("KB", "B") == factor("kB", "B") == 1000
    assert factor("days", "s") == 86400
    assert factor("GB", "s") is None
    assert factor("B", "params") == 10**9


@given(st.integers(0, 10**18), st.sampled_from(["B", "FLOP", "params", "s", "tokens"]))
def test_what_is_printed_is_within_half_a_step(value, unit):
    quantity = Quantity(value, unit)
    number, _, shown = str(quantity).partition(" ")
    amount = Fraction(number.replace(",", ""))
    decimals = len(number.partition(".")[2])
    size = scales(unit)[shown if shown in scales(unit) else ""] if unit != "tokens" else 1
    assert abs(amount * size - value) <= Fraction(size, 2 * 10**decimals)


@given(st.fractions(min_value=-(10**9), max_value=10**9), st.integers(0, 6))
def test_fixed_decimals_round_half_away(value, decimals):
    written = Fraction(to_fixed(value, decimals).replace(",", ""))
    assert abs(written - value) <= Fraction(1, 2 * 10**decimals)


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**12))
def test_three_digits_are_kept(value):
    written = Fraction(significant(value).replace(",", ""))
    assert abs(written - value) <= value / 200


def test_order_with_numbers_and_units():
    q = Quantity(5, "B")
    assert q > 4 and q >= 5 and q < Fraction(11, 2) and q <= 5.0
    assert Quantity(4, "B") < q <= Quantity(5, "B")
    with pytest.raises(ValueError, match="different units"):
        _ = q < Quantity(6, "s")


def test_energy():
    q = Quantity(3_600_000, "J")
    assert str(q) == "1.00 kWh"
    assert str(q.to("J")) == "3,600,000 J"
    assert factor("MWh", "J") == 3_600_000_000
    assert factor("kJ", "J") == 1000
    assert factor("kWh", "s") is None
