"""File names, references, status words and dates, each by its own small table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.decisions.dates import iso_date
from archwright.decisions.names import date_of, is_record_name, number_of, stem_of
from archwright.decisions.references import chain, from_value
from archwright.decisions.statuses import WORDS, read_status


@pytest.mark.parametrize(
    ("stem", "number"),
    [
        ("0001-x", "1"),
        ("adr-005-x", "5"),
        ("ADR-5", "5"),
        ("adr0007-x", "7"),
        ("ADR_0007_x", "7"),
        ("007.foo", "7"),
        ("0000-x", "0"),
        ("12", "12"),
        ("40a-x", "40a"),
        ("0040B-x", "40b"),
        ("2024-foo", "2024"),
        ("32k-context", None),
        ("70b-model", None),
        ("3d-plot", None),
        ("20201016-foo", None),
        ("2020-10-16-foo", None),
        ("2020-10-foo", None),
        ("20200926123000-foo", None),
        ("gqa_implementation", None),
        ("", None),
    ],
)
def test_the_number_in_a_file_name(stem, number):
    assert number_of(stem) == number


def test_a_doubtful_letter_counts_where_the_heading_repeats_it():
    assert number_of("40b-runtime", "40b. Runtime") == "40b"
    assert number_of("70b-model", "70B parameters or fewer") is None or number_of("70b-model", "The 70B model") is None


@pytest.mark.parametrize(
    ("stem", "is_record"),
    [
        ("template", False),
        ("adr-template", False),
        ("0000-template", False),
        ("NNNN-template", False),
        ("adr-template-bare-minimal", False),
        ("README", False),
        ("index", False),
        ("0000-index", False),
        ("adr-014-project-templates", True),
        ("email-template", True),
        ("0001-use-templates", True),
        ("0004-readme-driven", True),
        ("gqa_implementation", True),
    ],
)
def test_which_names_can_be_records(stem, is_record):
    assert is_record_name(stem) is is_record


def test_stems_and_dates_of_names():
    assert stem_of("a/b/0001-x.md") == "0001-x"
    assert stem_of("b\\0001-x.MD") == "0001-x"
    assert stem_of("0001-v1.2") == "0001-v1.2"
    assert date_of("20201016-foo") == "2020-10-16"
    assert date_of("2020-10-foo") is None


@pytest.mark.parametrize(
    ("text", "refs"),
    [
        ("3", ["3"]),
        ("0010", ["10"]),
        ("ADR-0010", ["10"]),
        ("adr 40A", ["40a"]),
        ("ADR #0033", ["33"]),
        ("[ADR-3](0003-x.md)", ["3"]),
        ("[DNS](0015-dns.md)", ["15"]),
        ("[x](../other/20201016-x.md#why)", ["20201016-x"]),
        ("[ADR-0009](https://h.org/adr/9.html)", ["9"]),
        ("[#12](https://h.org/issues/12)", []),
        ("[9. Help scripts](0009-help.md)", ["9"]),
        ("9. Help scripts", ["9"]),
        ("**[ADR-3](0003-x.md)** and `0004-y.md`", ["3", "4"]),
        ("[[0005-note]], <0006-x.md>", ["5", "6"]),
        ("ADR-1 (the first), ADR-2; ADR-3 / 4", ["1", "2", "3", "4"]),
        ("[ADR-0005](<0005-a b.md>)", ["5"]),
        ("[x](0007-a%20b.md)", ["7"]),
        ("the team", []),
        ("v1.2", []),
        ("3.5 of them", []),
    ],
)
def test_references_in_a_row(text, refs):
    found, end = chain(text)
    assert [r.ref for r in found] == refs
    assert end <= len(text)


def test_a_value_that_is_a_bare_file_name_and_values_that_are_nothing():
    assert from_value("gqa_implementation")[0].ref == "gqa_implementation"
    assert [from_value(v) for v in ("None", "N/A", "-", "--", "", "~")] == [[]] * 6


@pytest.mark.parametrize("word", WORDS)
def test_every_status_word_is_read_in_any_dress(word):
    for dressed in (word, word.upper(), word.title(), f"**{word}**", f'"{word}."', f"[{word}]", f"{word} (2020, #4)"):
        assert read_status(dressed).status == WORDS[word], dressed


@pytest.mark.parametrize("word", ["on hold", "experimental", "in progress", "acceptance", "not accepted", "", "?"])
def test_other_words_are_unknown(word):
    assert read_status(word).status == "unknown"


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2018-08-30; Last update date: 2019-04-09", "2018-08-30"),
        ("21.07.2017", "2017-07-21"),
        ("10 Apr 2022", "2022-04-10"),
        ("10th of April, 2022", "2022-04-10"),
        ("September 20, 2024", "2024-09-20"),
        ("2023-11-8", "2023-11-08"),
        ("2023/1/2", "2023-01-02"),
        ("13/04/2020", "2020-04-13"),
        ("04/13/2020", "2020-04-13"),
        ("2020-01-02T10:11:12Z", "2020-01-02"),
        ("20230405", "2023-04-05"),
        ("03/04/2020", None),
        ("2024-12", None),
        ("YYYY-MM-DD", None),
        ("2020-13-01", None),
        ("2021-02-29", None),
        ("2020-02-29", "2020-02-29"),
        ("", None),
    ],
)
def test_dates(text, iso):
    assert iso_date(text) == iso


@given(st.dates(min_value=__import__("datetime").date(1000, 1, 1)))
def test_every_iso_date_is_itself(day):
    assert iso_date(f"on {day.isoformat()}, at last") == day.isoformat()
    assert iso_date(day.strftime("%d.%m.") + f"{day.year:04}") == day.isoformat()
