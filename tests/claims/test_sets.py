"""The set a text stands for: intervals in base units, and how an interval lies to it."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.claims.sets import Better, Interval, Mismatch, WrittenSet, written_set
from archwright.claims.texts import Written, parse_text


def merged(text: str, unit: str = "", compares: bool = False, better: Better | None = None) -> list[tuple[object, ...]]:
    written = parse_text(text)
    assert isinstance(written, Written)
    found = written_set(written, unit, compares=compares, better=better)
    assert isinstance(found, WrittenSet)
    return [(i.low, i.high, i.low_closed, i.high_closed) for i in found.merged()]


F = Fraction


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("4.0 s", "s", [(F("3.95"), F("4.1"), True, False)]),
        ("about 4 s", "s", [(F("3.5"), F("4.5"), True, True)]),
        ("about 40 s", "s", [(36, 44, True, True)]),
        ("exactly 4 s", "s", [(4, 4, True, True)]),
        ("at least 4 s", "s", [(4, math.inf, True, False)]),
        ("over 4 s", "s", [(4, math.inf, False, False)]),
        ("at most 4 s", "s", [(-math.inf, 4, False, True)]),
        ("under 4 s", "s", [(-math.inf, 4, False, False)]),
        ("2 to 3 s", "s", [(F("1.5"), F("3.5"), True, True)]),
        ("8 heads", "heads", [(8, 8, True, True)]),
        ("4 ms", "s", [(F("0.0035"), F("0.005"), True, False)]),
        ("32K", "tokens", [(31500, 33792, True, False)]),
    ],
)
def test_sets_of_a_value(text: str, unit: str, expected: list[tuple[object, ...]]) -> None:
    assert merged(text, unit) == expected


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("4x larger", "B", [(F("3.5"), 5, True, False)]),
        ("4x smaller", "B", [(F(1, 5), F(2, 7), False, True)]),
        ("4x", "B", [(F(1, 5), F(2, 7), False, True), (F("3.5"), 5, True, False)]),
        ("75 % less", "B", [(F("0.24"), F("0.255"), False, True)]),
        ("+3 %", "B", [(F("1.025"), F("1.04"), True, False)]),
        ("at most 2x larger", "B", [(-math.inf, 2, False, True)]),
        ("at most 2x", "B", [(F(1, 2), 2, True, True)]),
        ("at least 2x smaller", "B", [(0, F(1, 2), False, True)]),
        ("at most 1 pp", "%", [(-1, 1, True, True)]),
        ("at most 1 pp lower", "%", [(-1, math.inf, True, False)]),
        ("1 s less", "s", [(-2, F("-0.5"), False, True)]),
        ("unchanged", "B", [(1, 1, True, True)]),
        ("2x faster", "s", [(F(1, 3), F(2, 3), False, True)]),
        ("2x faster", "tokens/s", [(F("1.5"), 3, True, False)]),
    ],
)
def test_sets_of_a_comparison(text: str, unit: str, expected: list[tuple[object, ...]]) -> None:
    assert merged(text, unit, compares=True) == expected


def test_an_interval_inside_outside_and_across() -> None:
    written = parse_text("about 2.5x faster")
    assert isinstance(written, Written)
    found = written_set(written, "tokens/s", compares=True)
    assert isinstance(found, WrittenSet) and found.statistic == "ratio"
    assert found.covers(F("2.3"), F("2.7")) and not found.disjoint(F("2.3"), F("2.7"))
    assert found.disjoint(F("1.0"), F("1.2")) and not found.covers(F("1.0"), F("1.2"))
    assert not found.covers(F("2.0"), F("2.4")) and not found.disjoint(F("2.0"), F("2.4"))


def test_a_text_of_another_kind_says_why() -> None:
    for text, unit in (("4 GiB", "s"), ("4x", "s"), ("fits", "s"), ("4", "s")):
        written = parse_text(text)
        assert isinstance(written, Written)
        assert isinstance(written_set(written, unit), Mismatch)


RATIOS = st.fractions(F(1, 100), 100)


@given(RATIOS, st.booleans(), st.booleans())
def test_an_inverted_interval_holds_the_inverses(x: Fraction, low_closed: bool, high_closed: bool) -> None:
    interval = Interval(F(1, 2), F(7), low_closed, high_closed)
    assert (x in interval) == ((1 / x) in interval.inverted())
    for k, c in ((F(-2), F(1)), (F(3), F(0))):
        assert (x in interval) == ((k * x + c) in interval.scaled(k, c))


ENDS = st.integers(0, 8)


@given(st.lists(st.tuples(ENDS, ENDS, st.booleans(), st.booleans()), min_size=1, max_size=4), st.fractions(0, 8))
def test_merging_keeps_the_set(parts: list[tuple[int, int, bool, bool]], x: Fraction) -> None:
    intervals = tuple(Interval(F(min(a, b)), F(max(a, b)), c or a == b, d or a == b) for a, b, c, d in parts)
    whole = WrittenSet("value", intervals)
    assert (whole.find(x) is not None) == any(x in i for i in whole.merged())
    assert whole.covers(x, x) == (whole.find(x) is not None) == (not whole.disjoint(x, x))
