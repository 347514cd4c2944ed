"""Texts against one value: precision is tolerance, units are exact, and a miss says what to write."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archwright.claims.judge import Judgement, judge
from archwright.claims.texts import Written, parse_text
from archwright.units import Quantity, to_fixed

GIB = 2**30
MIB = 2**20


def verdict(text: str, value: int | Fraction | str, unit: str) -> Judgement:
    return judge(parse_text(text), Quantity(Fraction(value) if isinstance(value, str) else value, unit))


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("4.00 GiB", 4 * GIB, "B"),
        ("4 GiB", 4 * GIB, "B"),
        ("4096 MiB", 4 * GIB, "B"),
        ("4.29 GB", 4 * GIB, "B"),
        ("4,294,967,296 B", 4 * GIB, "B"),
        ("512 B", 512, "B"),
        ("about 2 GiB", "2254857830", "B"),
        ("about 8 GB", 8 * GIB, "B"),
        ("at least 4 GiB", 4 * GIB, "B"),
        ("at most 4 GiB", 4 * GIB, "B"),
        ("over 3.9 GiB", 4 * GIB, "B"),
        ("up to 80 GB", 79 * 10**9, "B"),
        ("under 5 GiB", 4 * GIB, "B"),
        ("within 4 GiB", 4 * GIB, "B"),
        ("exactly 4 GiB", 4 * GIB, "B"),
        ("2 to 5 GiB", 4 * GIB, "B"),
        ("0 B", 0, "B"),
        ("8.03 B", 8030261248, "params"),
        ("8.03B parameters", 8030261248, "params"),
        ("8,030,261,248", 8030261248, "params"),
        ("68.98 B", 68976648192, "params"),
        ("131,040", 131040, "tokens"),
        ("131K", 131040, "tokens"),
        ("32K tokens", 32768, "tokens"),
        ("32.8K", 32768, "tokens"),
        ("32Ki tokens", 32768, "tokens"),
        ("33K", 32768, "tokens"),
        ("4,096 keys", 4096, "tokens"),
        ("8 heads", 8, "heads"),
        ("8 KV heads", 8, "heads"),
        ("8", 8, "heads"),
        ("8 heads", 8, ""),
        ("3.8e25 FLOP", 38 * 10**24, "FLOP"),
        ("15.0 GFLOP", 15013404672, "FLOP"),
        ("989 TFLOPS", 989 * 10**12, "FLOP/s"),
        ("295 FLOP/B", "2953/10", "FLOP/B"),
        ("12.3 %", "1229/100", "%"),
        ("12.3 %", "123/1000", ""),
        ("2.69x", "43/16", ""),
        ("5.76 ms", "576/100000", "s"),
        ("20.8 days", 1797120, "s"),
        ("499.2 h", 1797120, "s"),
        ("380 tokens/s", 380, "tokens/s"),
        ("2.25", "9/4", ""),
        ("$5.576 M", 5576000, "$"),
    ],
)
def test_holds(text: str, value: int | str, unit: str) -> None:
    judged = verdict(text, value, unit)
    assert judged.verdict == "holds", judged
    assert judged.notes == ()


@pytest.mark.parametrize(
    ("text", "value", "unit", "message", "right"),
    [
        ("8.00 GiB", 4 * GIB, "B", "is 4.00 GiB, not 8.00 GiB", "4.00 GiB"),
        ("8.0 GB", 16 * GIB, "B", "is 16.0 GiB (17.2 GB), not 8.0 GB", "16.0 GiB"),
        ("2.0 GB", 4 * GIB, "B", "is 4.00 GiB (4.29 GB), not 2.0 GB", "4.00 GiB"),
        ("10.4 GB", 10737418240, "B", "is 10.0 GiB (10.7 GB), not 10.4 GB", "10.0 GiB"),
        ("32 GB", 85899345920, "B", "is 80.0 GiB (85.9 GB), not 32 GB", "80.0 GiB"),
        ("17.2 GiB", 16 * GIB, "B", "is 16.0 GiB, not 17.2 GiB", "16.0 GiB"),
        ("70 GB", 80 * 10**9, "B", "is 74.5 GiB (80.0 GB), not 70 GB", "80 GB"),
        ("70B", 5933109248, "params", "is 5.93 B, not 70B", "5.93B"),
        ("6.1 B parameters", 7064213504, "params", "is 7.06 B, not 6.1 B parameters", "7.1 B parameters"),
        ("5.76e23 FLOP", 588 * 10**21, "FLOP", "is 5.88e23 FLOP, not 5.76e23 FLOP", "5.88e23 FLOP"),
        ("at most 80 GB", 82 * 10**9, "B", "is 76.4 GiB (82.0 GB), not at most 80 GB", "82 GB"),
        ("at least 2.0 GiB", "2136746229", "B", "is 1.99 GiB, not at least 2.0 GiB", "1.99 GiB"),
        ("over 4 GiB", 4 * GIB, "B", "is 4.00 GiB, not over 4 GiB", "4 GiB"),
        ("about 2 GiB", 3 * GIB, "B", "is 3.00 GiB, not about 2 GiB", "about 3 GiB"),
        ("exactly 4 GiB", 4 * GIB + 1, "B", "is 4,294,967,297 B, not exactly 4 GiB", "4,294,967,297 B"),
        ("2 to 3 GiB", 4 * GIB, "B", "is 4.00 GiB, not 2 to 3 GiB", "4.00 GiB"),
        ("2", "9/4", "heads", "is 2.25 heads, not 2", "2.25 heads"),
        ("4 heads", 8, "heads", "is 8 heads, not 4 heads", "8 heads"),
        ("131,072", 131040, "tokens", "is 131,040 tokens, not 131,072", "131,040"),
        ("30K tokens", 32768, "tokens", "is 32,768 tokens, not 30K tokens", "32K tokens"),
        ("57 ms", "576/100000", "s", "is 5.76 ms, not 57 ms", "5.76 ms"),
        ("4.000 GiB", "4296400000", "B", "is 4.001 GiB, not 4.000 GiB", "4.001 GiB"),
    ],
)
def test_fails_with_the_right_figure(text: str, value: int | str, unit: str, message: str, right: str) -> None:
    judged = verdict(text, value, unit)
    assert (judged.verdict, judged.message, judged.right) == ("fails", message, right)


@pytest.mark.parametrize(
    ("text", "value", "unit", "rule", "remedy"),
    [
        ("16.0", 16 * GIB, "B", "has no unit", "Write 16.0 GiB"),
        ("16 K", 16384, "B", "'K', which is no unit of bytes", "Write 16.0 KiB"),
        ("4x", 4 * GIB, "B", "compares", "kv_cache.mha->decision"),
        ("4 GiB less", 4 * GIB, "B", "compares", "kv_cache.mha->decision"),
        ("0.5 pp", "70", "%", "compares", "kv_cache.mha->decision"),
        ("75 %", 4 * GIB, "B", "is a share", "Write 4.00 GiB"),
        ("8 tokens", 8, "layers", "not a number of layers", "Write 8 layers"),
        ("5 ms", 8, "layers", "not a number of layers", "Write 8 layers"),
        ("989 TFLOPs", 989 * 10**12, "FLOP/s", "a count of operations, not a rate", "Write 989 TFLOP/s"),
        ("15 GFLOP/s", 15 * 10**9, "FLOP", "a rate, not a count of operations", "Write 15.0 GFLOP"),
        ("fits", 8, "B", "holds no figure", "Write 8 B"),
        ("unchanged", 8, "B", "holds no figure", "Write 8 B"),
        ("4,5 GiB", 4 * GIB, "B", "decimal comma", "Write 4.5 with a decimal point"),
        ("12 %", "3/100", "s", "is a share", ""),
    ],
)
def test_a_text_of_another_kind_is_an_error_with_a_remedy(
    text: str, value: int | str, unit: str, rule: str, remedy: str
) -> None:
    judged = verdict(text, value, unit)
    assert judged.verdict == "error"
    assert rule in judged.message
    assert remedy in judged.remedy


@pytest.mark.parametrize(
    ("text", "value", "replacement"),
    [
        ("128 MB", 128 * MIB, "128 MiB"),
        ("512MB", 512 * MIB, "512MiB"),
        ("**1.0 GB**", GIB, "**1.0 GiB**"),
        ("61 GB", 65176128716, "61 GiB"),
        ("exactly 128 MB", 128 * MIB, "exactly 128 MiB"),
    ],
)
def test_right_only_in_binary_units(text: str, value: int, replacement: str) -> None:
    judged = verdict(text, value, "B")
    assert judged.verdict == "holds"
    assert [(n.code, n.replacement) for n in judged.notes] == [("binary-unit", replacement)]
    assert "write " + replacement.strip("*") in judged.notes[0].message
    assert verdict(replacement, value, "B").notes == ()


def test_a_decimal_figure_that_rounds_needs_no_binary_unit() -> None:
    assert verdict("4KB", 4096, "B").notes == ()


def test_a_broken_bound_is_not_mended_by_another_reading_of_its_unit() -> None:
    assert verdict("at most 16 GB", 16 * GIB, "B").verdict == "fails"


@pytest.mark.parametrize(
    ("text", "value", "unit", "note"),
    [
        ("405B", 405849000000, "params", "rounds to 406B"),
        ("405 B", 405849000000, "params", "rounds to 406 B"),
        ("405.8 B", 405853388800, "params", "rounds to 405.9 B"),
        ("3 GiB", "3972844748", "B", "rounds to 3.70 GiB"),
    ],
)
def test_truncated_holds_with_a_note(text: str, value: int | str, unit: str, note: str) -> None:
    judged = verdict(text, value, unit)
    assert judged.verdict == "holds"
    assert [n.message for n in judged.notes if n.code == "rounds-to"] == [note]


def test_the_place_behind_the_last_digit_is_too_far() -> None:
    assert verdict("405B", 406000000000, "params").verdict == "fails"
    assert verdict("405B", 404499999999, "params").verdict == "fails"
    assert verdict("405B", 404500000000, "params").verdict == "holds"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("fits", True, "holds"),
        ("fits", False, "fails"),
        ("does not fit", False, "holds"),
        ("does not fit", True, "fails"),
        ("yes", True, "holds"),
        ("false", True, "fails"),
        ("4 GiB", True, "error"),
        ("4,5", True, "error"),
        ("?", False, "open"),
    ],
)
def test_flags(text: str, value: bool, expected: str) -> None:
    judged = judge(parse_text(text), value)
    assert judged.verdict == expected
    assert judge(parse_text(judged.right), value).verdict == "holds"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("kaiming", "kaiming", "holds"),
        ("Kaiming", "kaiming", "holds"),
        ("xavier", "kaiming", "fails"),
        ("6bit", "6bit", "holds"),
        ("?", "kaiming", "open"),
    ],
)
def test_names(text: str, value: str, expected: str) -> None:
    judged = judge(parse_text(text), value)
    assert (judged.verdict, judged.right) == (expected, value)


def test_open_says_what_fill_writes() -> None:
    judged = verdict("?", 4 * GIB, "B")
    assert (judged.verdict, judged.right, judged.shown) == ("open", "4.00 GiB", "4.00 GiB")


def test_n_of_m() -> None:
    judged = verdict("16 of 32 layers", 16, "layers")
    assert judged.verdict == "holds" and [n.code for n in judged.notes] == ["one-of-two"]
    assert verdict("8 of 32 layers", 16, "layers").verdict == "fails"
    assert verdict("8 of 32", "1/4", "").verdict == "holds"
    assert verdict("8 of 32", "25", "%").verdict == "holds"
    assert verdict("8 of 32", "1/3", "").verdict == "fails"
    assert verdict("8 of 0", "1/3", "").verdict == "error"


def test_what_a_value_is_per_where_it_is_known() -> None:
    text = parse_text("128 MiB per layer")
    assert judge(text, Quantity(128 * MIB, "B")).verdict == "holds"
    assert judge(text, Quantity(128 * MIB, "B"), per="layer").verdict == "holds"
    judged = judge(text, Quantity(128 * MIB, "B"), per="model")
    assert judged.verdict == "error" and "per=layer" in judged.remedy


UNITS = st.sampled_from(
    [
        ("GiB", GIB, "B"),
        ("MB", 10**6, "B"),
        ("B", 10**9, "params"),
        ("ms", Fraction(1, 1000), "s"),
        ("TFLOP", 10**12, "FLOP"),
        ("%", 1, "%"),
        ("tokens", 1, "tokens"),
    ]
)


@given(st.integers(1, 10**7), st.integers(0, 4), UNITS, st.data())
def test_a_value_that_rounds_holds_and_one_beyond_fails(
    digits: int, decimals: int, unit: tuple[str, int | Fraction, str], data: st.DataObject
) -> None:
    name, factor, base = unit
    number = Fraction(digits, 10**decimals)
    text = f"{to_fixed(number, decimals)} {name}"
    place = Fraction(1, 10**decimals)
    inside = data.draw(st.fractions(Fraction(-1, 2), Fraction(1, 2)).filter(lambda f: f < Fraction(1, 2)))
    assert judge(parse_text(text), Quantity((number + inside * place) * factor, base)).verdict == "holds"
    away = data.draw(st.fractions(Fraction(101, 200), 3))
    below = number - away * place
    assume(below > 0)
    near = judge(parse_text(text), Quantity(below * factor, base))
    far = judge(parse_text(text), Quantity((number + (away + Fraction(1, 2)) * place) * factor, base))
    for judged in (near, far):
        if not any(n.code == "binary-unit" for n in judged.notes):
            assert judged.verdict == "fails", (text, judged)


@given(
    st.integers(1, 10**14),
    st.sampled_from(["B", "params", "FLOP", "tokens", "heads", "s", "%", ""]),
    st.sampled_from(
        [
            "?",
            "8.0 GB",
            "8 GiB",
            "7 B",
            "70B",
            "32K tokens",
            "about 3 GiB",
            "9.99 ms",
            "12 %",
            "1.0",
            "at most 2 GiB",
            "3.8e25 FLOP",
        ]
    ),
)
def test_the_right_figure_holds(value: int, unit: str, text: str) -> None:
    judged = judge(parse_text(text), Quantity(value, unit))
    again = judge(parse_text(judged.right), Quantity(value, unit))
    assert again.verdict == "holds", (text, judged.right, again)
    assert isinstance(parse_text(judged.right), Written)
