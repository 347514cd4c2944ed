"""Texts: every line of the grammar, read exactly; what is outside is refused with a remedy."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.claims.texts import Refused, Written, has_figure, parse_text


def read(text: str) -> Written:
    written = parse_text(text)
    assert isinstance(written, Written), written
    return written


@pytest.mark.parametrize(
    ("text", "number", "place", "unit"),
    [
        ("4.00 GiB", "4", "1/100", "GiB"),
        ("16GiB", "16", "1", "GiB"),
        ("128 MB", "128", "1", "MB"),
        ("4KB", "4", "1", "kB"),
        ("512 bytes", "512", "1", "B"),
        ("3.35 TB/s", "67/20", "1/100", "TB/s"),
        ("15.0 GFLOP", "15", "1/10", "GFLOP"),
        ("989 TFLOPS", "989", "1", "TFLOP/s"),
        ("989 TFLOP/s", "989", "1", "TFLOP/s"),
        ("312 TFLOPs", "312", "1", "TFLOP"),
        ("295.3 FLOP/B", "2953/10", "1/10", "FLOP/B"),
        ("3.8e25 FLOP", "38000000000000000000000000", "1000000000000000000000000", "FLOP"),
        ("3.8 × 10^25 FLOP", "38000000000000000000000000", "1000000000000000000000000", "FLOP"),
        ("131,072 tokens", "131072", "1", "tokens"),
        ("131_072 tokens", "131072", "1", "tokens"),
        ("131\u2009072 tokens", "131072", "1", "tokens"),
        ("131\u00a0072\u00a0tokens", "131072", "1", "tokens"),
        ("380 tokens/s", "380", "1", "tokens/s"),
        ("380 tokens per second", "380", "1", "tokens/s"),
        ("5.76 ms", "144/25", "1/100", "ms"),
        ("5 µs", "5", "1", "us"),
        ("20.8 days", "104/5", "1/10", "days"),
        ("3 h", "3", "1", "h"),
        ("12.3 %", "123/10", "1/10", "%"),
        ("0.5 pp", "1/2", "1/10", "pp"),
        ("0.5 percentage points", "1/2", "1/10", "pp"),
        ("0.8 % relative", "4/5", "1/10", "% relative"),
        ("2.5×", "5/2", "1/10", "x"),
        ("4 times", "4", "1", "x"),
        ("8 KV heads", "8", "1", "heads"),
        ("2 GPUs", "2", "1", "devices"),
        (".5 GiB", "1/2", "1/10", "GiB"),
        ("$2.00", "2", "1/100", "$"),
    ],
)
def test_amounts_and_units(text: str, number: str, place: str, unit: str) -> None:
    written = read(text)
    assert written.kind == "amount" and written.figure is not None and written.unit is not None
    assert (written.figure.number, written.figure.place) == (Fraction(number), Fraction(place))
    assert written.unit.name == unit


@pytest.mark.parametrize(
    ("text", "suffix", "unit"),
    [
        ("8.03 B", "B", None),
        ("8.03B", "B", None),
        ("70B parameters", "B", "params"),
        ("405 billion parameters", "billion", "params"),
        ("32K tokens", "K", "tokens"),
        ("32k", "k", None),
        ("32Ki tokens", "Ki", "tokens"),
        ("15.6 T tokens", "T", "tokens"),
        ("$5.576 M", "M", "$"),
        ("2.788 M H800 hours", "M", "h"),
    ],
)
def test_suffixes_of_counts(text: str, suffix: str, unit: str | None) -> None:
    written = read(text)
    assert written.figure is not None and written.figure.suffix == suffix
    assert (written.unit.name if written.unit else None) == unit


@pytest.mark.parametrize(
    ("text", "hedge"),
    [
        ("about 4 GiB", "about"),
        ("~4 GiB", "about"),
        ("≈ 4 GiB", "about"),
        ("\\~4 GiB", "about"),
        ("roughly 4 GiB", "about"),
        ("exactly 8 heads", "exactly"),
        ("at least 4 GiB", "at least"),
        (">= 4 GiB", "at least"),
        ("≥4 GiB", "at least"),
        ("over 4 GiB", "over"),
        ("> 4 GiB", "over"),
        ("&gt; 4 GiB", "over"),
        ("more than 4 GiB", "over"),
        ("at most 4 GiB", "at most"),
        ("<= 4 GiB", "at most"),
        ("≤ 4 GiB", "at most"),
        ("up to 4 GiB", "at most"),
        ("within 1 pp", "at most"),
        ("under 4 GiB", "under"),
        ("&lt; 4 GiB", "under"),
        ("less than 4 GiB", "under"),
        ("At most 4 GiB", "at most"),
        ("4 GiB", ""),
    ],
)
def test_hedges(text: str, hedge: str) -> None:
    assert read(text).hedge == hedge


@pytest.mark.parametrize(
    ("text", "direction", "sign", "unit"),
    [
        ("4x smaller", "less", 0, "x"),
        ("75 % less", "less", 0, "%"),
        ("25 % fewer parameters", "less", 0, "%"),
        ("3 pp lower", "less", 0, "pp"),
        ("20 % shorter", "less", 0, "%"),
        ("2x cheaper", "less", 0, "x"),
        ("12 GiB less", "less", 0, "GiB"),
        ("2 fewer layers", "less", 0, "layers"),
        ("4x larger", "more", 0, "x"),
        ("3 % more", "more", 0, "%"),
        ("1 pp higher", "more", 0, "pp"),
        ("2x longer", "more", 0, "x"),
        ("2.5x faster", "faster", 0, "x"),
        ("2x slower", "slower", 0, "x"),
        ("-75 %", "", -1, "%"),
        ("−75 %", "", -1, "%"),
        ("–75 %", "", -1, "%"),
        ("+3 %", "", 1, "%"),
        ("4x less memory", "less", 0, "x"),
    ],
)
def test_directions_and_signs(text: str, direction: str, sign: int, unit: str) -> None:
    written = read(text)
    assert (written.direction, written.sign) == (direction, sign)
    assert written.unit is not None and written.unit.name == unit


@pytest.mark.parametrize(
    ("text", "kind", "low", "high", "unit"),
    [
        ("2 to 3 GiB", "range", 2, 3, "GiB"),
        ("2.0 GiB - 3.0 GiB", "range", 2, 3, "GiB"),
        ("2–3x faster", "range", 2, 3, "x"),
        ("10-12 GiB less", "range", 10, 12, "GiB"),
        ("16.0 GiB to 4.00 GiB", "range", 16, 4, "GiB"),
        ("about 1 – 2 %", "range", 1, 2, "%"),
        ("8 of 32", "of", 8, 32, None),
        ("16 of 32 layers", "of", 16, 32, "layers"),
        ("57.1 of 72.0 GB", "of", Fraction("57.1"), 72, "GB"),
        ("8 out of 32 heads", "of", 8, 32, "heads"),
    ],
)
def test_two_figures_that_are_one_statement(
    text: str, kind: str, low: Fraction, high: Fraction, unit: str | None
) -> None:
    written = read(text)
    assert written.figure is not None and written.second is not None
    assert (written.kind, written.figure.number, written.second.number) == (kind, low, high)
    assert (written.unit.name if written.unit else None) == unit


def test_a_range_in_two_units_of_one_kind_is_put_into_the_second() -> None:
    written = read("512 MiB to 2 GiB")
    assert written.figure is not None and written.figure.number == Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("fits", "word", "fits"),
        ("does not fit", "word", "does not fit"),
        ("unchanged", "word", "unchanged"),
        ("**unchanged**", "word", "unchanged"),
        ("?", "open", ""),
        ("**?**", "open", ""),
        ("kaiming", "text", "kaiming"),
    ],
)
def test_words(text: str, kind: str, word: str) -> None:
    written = read(text)
    assert (written.kind, written.word) == (kind, word)


@pytest.mark.parametrize(
    "text",
    [
        "**4.00 GiB**",
        "*4.00* GiB",
        "_4.00 GiB_",
        "`4.00 GiB`",
        "~~4.00 GiB~~",
        "4.00&nbsp;GiB",
        "4.00\u202fGiB",
        "4.00\nGiB",
    ],
)
def test_markdown_and_spaces_around_do_not_matter(text: str) -> None:
    written = read(text)
    assert written.figure is not None and written.figure.number == 4 and written.source == "4.00 GiB"
    assert written.raw == text


@pytest.mark.parametrize(
    ("text", "per"),
    [
        ("3 KiB/token", "token"),
        ("32.2 GFLOP a token", "token"),
        ("128 MiB per layer", "layer"),
        ("380 tokens/s/GPU", "device"),
        ("$2 per million tokens", "million tokens"),
        ("$0.12/1M tokens", "million tokens"),
        ("4 GiB per replica", "model"),
    ],
)
def test_what_an_amount_is_per(text: str, per: str) -> None:
    unit = read(text).unit
    assert unit is not None and unit.per == per


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        ("4,5 GiB", "decimal comma", "4.5"),
        ("0,500 GiB", "decimal comma", "0.500"),
        ("12,34,567", "groups its digits", "131,072"),
        ("4 096 tokens", "two numbers", "Bind each"),
        ("8.0 GB -> 2.0 GB", "two numbers", "Bind each"),
        ("8.0 GB → 2.0 GB", "two numbers", "Bind each"),
        ("16.0 GiB becomes 4.00 GiB", "two numbers", "Bind each"),
        ("8.0 and 2.0 GB", "two numbers", "Bind each"),
        ("4.00 GiB (4.29 GB)", "two numbers", "Bind each"),
        ("1.2.3 GiB", "two numbers", "Bind each"),
        ("8 * 128 * 2", "arithmetic", "result alone"),
        ("8 × 128", "arithmetic", "result alone"),
        ("p = 0.07", "equation", "figure alone"),
        ("4.0 ± 0.1 GiB", "tolerance", "about"),
        ("the cache is 4 GiB", "does not begin with a figure", "[4 GiB]"),
        ("8.03 B parameters in all", "says more than a figure", "[8.03 B parameters]"),
        ("16 gb", "not certain", "GB or GiB"),
        ("4 Gb", "not certain", "GB or GiB"),
        ("4 kilobananas", "no unit", "GiB"),
        ("64-bit", "no unit", ""),
        ("-4x larger", "contradict", "no sign"),
        ("2 GiB to 3 s", "units of different kinds", "Bind each"),
        ("1e999 B", "beyond reason", ""),
    ],
)
def test_refusals_have_a_remedy(text: str, rule: str, remedy: str) -> None:
    refused = parse_text(text)
    assert isinstance(refused, Refused)
    assert rule in refused.rule
    assert remedy in refused.remedy


def test_what_holds_a_figure() -> None:
    assert all(has_figure(t) for t in ("4 GiB", "?", "**?**", "p = 0.07"))
    assert not any(has_figure(t) for t in ("the paper", "fits", "why?", ""))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    said = parse_text(text)
    assert isinstance(said, Written | Refused)
    if isinstance(said, Refused):
        assert said.rule and said.remedy


@given(st.from_regex(r"[~≈<>+−-]?\$? ?[0-9][0-9,_.eE]{0,6} ?[A-Za-z%/×]{0,8}( [a-z]{2,8}){0,2}", fullmatch=True))
def test_whatever_looks_like_a_figure_is_read_or_refused(text: str) -> None:
    assert isinstance(parse_text(text), Written | Refused)
