"""Texts against two values: the text decides what is compared, and says which way."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.claims.judge import Judgement, judge_comparison
from archwright.claims.sets import Better
from archwright.claims.texts import parse_text
from archwright.units import Quantity

GIB = 2**30


def quantity(value: str) -> Quantity:
    number, _, unit = value.partition(" ")
    if unit == "GiB":
        return Quantity(Fraction(number) * GIB, "B")
    return Quantity(Fraction(number), unit)


def verdict(text: str, a: str, b: str, better: Better | None = None) -> Judgement:
    return judge_comparison(parse_text(text), quantity(a), quantity(b), better=better, names=("mha", "decision"))


@pytest.mark.parametrize(
    ("text", "a", "b"),
    [
        ("4x smaller", "16 GiB", "4 GiB"),
        ("4x", "16 GiB", "4 GiB"),
        ("4x", "4 GiB", "16 GiB"),
        ("0.25x", "16 GiB", "4 GiB"),
        ("4x larger", "4 GiB", "16 GiB"),
        ("4x less memory", "16 GiB", "4 GiB"),
        ("75 % less", "16 GiB", "4 GiB"),
        ("-75 %", "16 GiB", "4 GiB"),
        ("−75 %", "16 GiB", "4 GiB"),
        ("75 %", "16 GiB", "4 GiB"),
        ("+3 %", "100 GiB", "103 GiB"),
        ("300 % more", "4 GiB", "16 GiB"),
        ("12 GiB less", "16 GiB", "4 GiB"),
        ("12 GiB", "16 GiB", "4 GiB"),
        ("10 to 13 GiB less", "16 GiB", "4 GiB"),
        ("16.0 GiB to 4.00 GiB", "16 GiB", "4 GiB"),
        ("unchanged", "4 GiB", "4 GiB"),
        ("1.0x", "4 GiB", "4 GiB"),
        ("about 4x smaller", "16 GiB", "4.2 GiB"),
        ("at least 3x smaller", "16 GiB", "4 GiB"),
        ("over 3.9x smaller", "16 GiB", "4 GiB"),
        ("at most 2x larger", "4 GiB", "8 GiB"),
        ("at most 2x larger", "4 GiB", "3 GiB"),
        ("exactly 4x smaller", "16 GiB", "4 GiB"),
        ("93.3 % smaller", "100000 B", "6660 B"),
        ("2.5x faster", "100 tokens/s", "250 tokens/s"),
        ("2.5x faster", "10 s", "4 s"),
        ("2x slower", "5 s", "10 s"),
        ("25 % faster", "100 s", "80 s"),
        ("20 % slower", "100 s", "120 s"),
        ("20 % slower", "100 tokens/s", "80 tokens/s"),
        ("20 ms faster", "0.1 s", "0.08 s"),
        ("5 tokens/s more", "10 tokens/s", "15 tokens/s"),
        ("2-3x faster", "10 s", "4 s"),
        ("0.5 pp", "71.2 %", "70.7 %"),
        ("-0.5 pp", "71.2 %", "70.7 %"),
        ("0.5 pp lower", "71.2 %", "70.7 %"),
        ("at most 1 pp", "71.2 %", "70.7 %"),
        ("within 1 pp", "71.2 %", "72.2 %"),
        ("at most 1 pp lower", "71.2 %", "75 %"),
        ("0.7 % relative", "71.2 %", "70.7 %"),
        ("8 of 32", "32 heads", "8 heads"),
        ("8 of 32 heads", "32 heads", "8 heads"),
        ("24 heads fewer", "32 heads", "8 heads"),
        ("4x fewer", "32 heads", "8 heads"),
    ],
)
def test_holds(text: str, a: str, b: str) -> None:
    judged = verdict(text, a, b)
    assert (judged.verdict, judged.notes) == ("holds", ()), judged


@pytest.mark.parametrize(
    ("text", "a", "b", "message", "right"),
    [
        ("8x smaller", "16 GiB", "4 GiB", "is 16.0 GiB to 4.00 GiB, 4.00x smaller, not 8x smaller", "4x smaller"),
        ("8x", "16 GiB", "4 GiB", "is 16.0 GiB to 4.00 GiB, 4.00x smaller, not 8x", "4x"),
        ("3x smaller", "16 GiB", "3.4 GiB", "is 16.0 GiB to 3.40 GiB, 4.71x smaller, not 3x smaller", "4.71x smaller"),
        ("50 % less", "16 GiB", "4 GiB", "is 16.0 GiB to 4.00 GiB, 75.0 % less, not 50 % less", "75 % less"),
        ("25 %", "16 GiB", "4 GiB", "is 16.0 GiB to 4.00 GiB, 75.0 % less, not 25 %", "75 %"),
        ("10 GiB less", "16 GiB", "4 GiB", "is 16.0 GiB to 4.00 GiB, 12.0 GiB less, not 10 GiB less", "12 GiB less"),
        ("unchanged", "16 GiB", "4 GiB", "is 16.0 GiB to 4.00 GiB, 4.00x smaller, not unchanged", "4.00x smaller"),
        ("4x smaller", "4 GiB", "4 GiB", "is 4.00 GiB on both sides, unchanged, not 4x smaller", "unchanged"),
        ("at most 1 pp", "71.2 %", "69 %", "is 71.2 % to 69.0 %, 2.2 pp lower, not at most 1 pp", "2.20 pp"),
        (
            "over 4x smaller",
            "16 GiB",
            "4 GiB",
            "is 16.0 GiB to 4.00 GiB, 4.00x smaller, not over 4x smaller",
            "4x smaller",
        ),
        (
            "exactly 4x smaller",
            "16 GiB",
            "3.99 GiB",
            "is 16.0 GiB to 3.99 GiB, 4.01x smaller, not exactly 4x smaller",
            "4.01x smaller",
        ),
        (
            "3.0x faster",
            "100 tokens/s",
            "250 tokens/s",
            "is 100 tokens/s to 250 tokens/s, 2.50x faster, not 3.0x faster",
            "2.5x faster",
        ),
        ("8 of 16", "32 heads", "8 heads", "is 32 heads to 8 heads, 4.00x fewer, not 8 of 16", "8 of 32 heads"),
        (
            "3 to 5x larger",
            "4 GiB",
            "24 GiB",
            "is 4.00 GiB to 24.0 GiB, 6.00x larger, not 3 to 5x larger",
            "6.00x larger",
        ),
    ],
)
def test_fails_with_both_operands_and_the_right_figure(text: str, a: str, b: str, message: str, right: str) -> None:
    judged = verdict(text, a, b)
    assert (judged.verdict, judged.message, judged.right) == ("fails", message, right)


@pytest.mark.parametrize(
    ("text", "a", "b", "sentence", "right"),
    [
        ("4x larger", "16 GiB", "4 GiB", "it is smaller, not larger", "4x smaller"),
        ("4x smaller", "4 GiB", "16 GiB", "it is larger, not smaller", "4x larger"),
        ("75 % more", "16 GiB", "4 GiB", "it is less, not more", "75 % less"),
        ("+75 %", "16 GiB", "4 GiB", "it is smaller, not larger", "-75 %"),
        ("12 GiB more", "16 GiB", "4 GiB", "it is less, not more", "12 GiB less"),
        ("0.5 pp higher", "71.2 %", "70.7 %", "it is lower, not higher", "0.5 pp lower"),
        ("2.5x faster", "4 s", "10 s", "it is slower, not faster", "2.5x slower"),
        ("2.5x faster", "10 tokens/s", "4 tokens/s", "it is slower, not faster", "2.5x slower"),
        ("2.5x slower", "4 tokens/s", "10 tokens/s", "it is faster, not slower", "2.5x faster"),
    ],
)
def test_a_direction_that_is_wrong_fails_with_that_sentence(
    text: str, a: str, b: str, sentence: str, right: str
) -> None:
    judged = verdict(text, a, b)
    assert judged.verdict == "fails"
    assert judged.message.endswith(sentence)
    assert judged.right == right


@pytest.mark.parametrize(
    ("text", "a", "b", "rule", "remedy"),
    [
        ("4x faster", "16 GiB", "4 GiB", "neither a time nor a rate", "smaller or larger"),
        ("-4x", "16 GiB", "4 GiB", "a factor with a sign", "4x smaller"),
        ("4x smaller", "0 GiB", "4 GiB", "a ratio, which these values do not have", "4.00 GiB more"),
        ("10 tokens", "16 GiB", "4 GiB", "not a number of bytes", "4.00x smaller"),
        ("0.5 pp", "16 GiB", "4 GiB", "in points", "4.00x smaller"),
        ("fits", "16 GiB", "4 GiB", "holds no figure", "4.00x smaller"),
        ("4", "16 GiB", "4 GiB", "has no unit", "4.00x smaller"),
        ("4,5x", "16 GiB", "4 GiB", "decimal comma", "4.5"),
        ("4x smaller", "16 GiB", "4 s", "of different kinds", "one metric"),
    ],
)
def test_a_text_of_another_kind_is_an_error(text: str, a: str, b: str, rule: str, remedy: str) -> None:
    judged = verdict(text, a, b)
    assert judged.verdict == "error"
    assert rule in judged.message
    assert remedy in judged.remedy


def test_without_a_direction_the_verdict_says_which_is_which() -> None:
    assert verdict("4x", "16 GiB", "4 GiB").message == "is 16.0 GiB (mha), 4.00x 4.00 GiB (decision)"
    assert verdict("4x", "4 GiB", "16 GiB").message == "is 16.0 GiB (decision), 4.00x 4.00 GiB (mha)"


def test_faster_of_a_plain_number_follows_the_metric() -> None:
    assert verdict("2x faster", "1 ", "2 ", "higher").verdict == "holds"
    assert verdict("2x faster", "2 ", "1 ", "lower").verdict == "holds"
    assert verdict("2x faster", "1 ", "2 ", "lower").verdict == "fails"
    assert verdict("2x faster", "1 ", "2 ").verdict == "error"


@pytest.mark.parametrize(
    ("text", "replacement"),
    [("0.5 %", "0.5 pp"), ("**~0.5 %**", "**~0.5 pp**"), ("0.5 % lower", "0.5 pp lower"), ("0.5 percent", "0.5 pp")],
)
def test_per_cent_of_a_percentage_is_read_as_points_with_a_warning(text: str, replacement: str) -> None:
    judged = verdict(text, "71.2 %", "70.7 %")
    assert judged.verdict == "holds"
    (note,) = judged.notes
    assert (note.code, note.replacement) == ("ambiguous-percent", replacement)
    assert "0.5 pp" in note.message and "0.7 % relative" in note.message


def test_per_cent_faster_of_a_time_may_mean_less_time_with_a_warning() -> None:
    judged = verdict("20 % faster", "100 s", "80 s")
    assert judged.verdict == "holds"
    assert [(n.code, n.replacement) for n in judged.notes] == [("ambiguous-percent", "25 % faster")]


def test_binary_units_of_a_difference() -> None:
    judged = verdict("12 GB less", "16 GiB", "4 GiB")
    assert judged.verdict == "holds"
    assert [(n.code, n.replacement) for n in judged.notes] == [("binary-unit", "12 GiB less")]


def test_a_truncated_factor_holds_with_a_note() -> None:
    judged = verdict("4x smaller", "16 GiB", "3.4 GiB")
    assert judged.verdict == "holds"
    assert [n.code for n in judged.notes] == ["rounds-to"]


@pytest.mark.parametrize(
    ("a", "b", "right"),
    [
        ("16 GiB", "4 GiB", "4.00x smaller"),
        ("4 GiB", "16 GiB", "4.00x larger"),
        ("100 GiB", "98 GiB", "2.0 % less"),
        ("4 GiB", "4 GiB", "unchanged"),
        ("71.2 %", "70.7 %", "0.5 pp lower"),
        ("32 heads", "8 heads", "4.00x fewer"),
        ("0 GiB", "4 GiB", "4.00 GiB more"),
    ],
)
def test_an_open_comparison_says_what_fill_writes(a: str, b: str, right: str) -> None:
    judged = verdict("?", a, b)
    assert (judged.verdict, judged.right) == ("open", right)
    assert verdict(right, a, b).verdict == "holds"


TEXTS = [
    "4x smaller",
    "4.0x larger",
    "3x",
    "75 % less",
    "+3 %",
    "-3.0 %",
    "50 %",
    "12 GiB less",
    "1.0 GiB more",
    "3 GiB",
    "?",
    "about 2x smaller",
    "at most 2x larger",
    "over 3x smaller",
    "unchanged",
    "8 of 32 GiB",
    "1 to 2x smaller",
]


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(TEXTS))
def test_the_right_text_holds(a: int, b: int, text: str) -> None:
    one, two = Quantity(a * 10**6, "B"), Quantity(b * 10**6, "B")
    judged = judge_comparison(parse_text(text), one, two)
    again = judge_comparison(parse_text(judged.right), one, two)
    assert again.verdict == "holds", (text, judged, again)


@given(st.integers(1, 10**4), st.integers(1, 10**4), st.integers(0, 2), st.booleans())
def test_a_factor_or_share_that_rounds_holds_and_its_opposite_fails(a: int, b: int, decimals: int, share: bool) -> None:
    one, two = Quantity(a, "B"), Quantity(b, "B")
    if a == b:
        return
    less = b < a
    size = abs(Fraction(b, a) - 1) * 100 if share else Fraction(max(a, b), min(a, b))
    scaled = int(size * 10**decimals + Fraction(1, 2))
    number = f"{scaled // 10**decimals}.{scaled % 10**decimals:0{decimals}d}" if decimals else str(scaled)
    unit = " %" if share else "x"
    words = ("less", "more") if share else ("smaller", "larger")
    right, wrong = words if less else words[::-1]
    assert judge_comparison(parse_text(f"{number}{unit} {right}"), one, two).verdict == "holds"
    assert judge_comparison(parse_text(f"{number}{unit} {wrong}"), one, two).verdict == "fails"
