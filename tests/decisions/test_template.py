"""The text of a new record: read back it says what was given, whatever the values."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.arch.files import parse_yaml
from archwright.decisions.record import parse
from archwright.decisions.template import SECTIONS, flow, render, scalar


def test_a_full_record_reads_back():
    text = render(
        "Fewer KV heads",
        date="2025-11-15",
        authors=["Architecture Team", "B, C"],
        base="architecture.yaml",
        decision={"n_kv_heads": 8, "layers[0-15].attention": {"type": "sliding", "window_size": 512}},
        alternatives={"mha": {"n_kv_heads": 32}, "flash": {"settings": {"backend": "flash"}}},
        settings={"context": 32768, "dtype": "bf16"},
        claims={"speed": {"bench": "decode_throughput", "batch": 8}, "w": "weights"},
        proxy="architectures/small.yaml",
        sections={"Context": "Why.\n", "Notes": "More."},
    )
    record = parse(text, "docs/decisions/0001-fewer-kv-heads.md")
    assert record.problems == ()
    assert (record.title, record.status, record.date) == ("Fewer KV heads", "proposed", "2025-11-15")
    assert record.authors == ("Architecture Team", "B, C")
    assert record.decision == {"n_kv_heads": 8, "layers[0-15].attention": {"type": "sliding", "window_size": 512}}
    assert record.alternatives == {"mha": {"n_kv_heads": 32}, "flash": {"settings": {"backend": "flash"}}}
    assert record.settings == {"context": 32768, "dtype": "bf16"}
    assert record.claims_entries == {"speed": {"bench": "decode_throughput", "batch": 8}, "w": "weights"}
    assert (record.base, record.proxy) == ("architecture.yaml", "architectures/small.yaml")
    headings = [line[3:] for line in text.split("\n") if line.startswith("## ")]
    assert headings == [*SECTIONS, "Notes"]
    assert "\n## Context\n\nWhy.\n\n## Decision\n\n<!-- " in text
    assert text.endswith("More.\n")
    assert "  mha:   {n_kv_heads: 32}\n  flash: {" in text


def test_the_least_record():
    text = render("T")
    record = parse(text, "0001-t.md")
    assert (record.title, record.status, record.date, record.authors) == ("T", "proposed", None, ())
    assert text.startswith("---\nstatus: proposed\n---\n# T\n\n## Context\n\n<!-- ")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(-1e9, 1e9),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
NESTED = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc[]-. :", min_size=1), inner, max_size=4),
    max_leaves=10,
)


@given(NESTED)
def test_every_value_reads_back_as_itself(value):
    assert parse_yaml(f"key: {flow(value)}\n").data == {"key": value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bf16", "bf16"),
        ("architecture.yaml", "architecture.yaml"),
        ("Architecture Team", "Architecture Team"),
        ("yes", '"yes"'),
        ("null", '"null"'),
        ("40%", '"40%"'),
        ("1e3", '"1e3"'),
        ("preset:llama-3.1-8b", '"preset:llama-3.1-8b"'),
        ('a "b"\n', '"a \\"b\\"\\x0a"'),
        (Fraction(1, 2), "0.5"),
        (Fraction(4, 2), "2"),
        (True, "true"),
    ],
)
def test_scalars(value, text):
    assert scalar(value) == text


@pytest.mark.parametrize(
    "title", ["Use C#", "8 KV heads", "Tabs\tand\nlines", "用 GQA 代替 MHA", "`x` & *y*", "<!-- hidden", "a: b", "#"]
)
def test_titles_stay_on_one_line_and_read_back(title):
    record = parse(render(title), "0009-x.md")
    assert record.title.replace("\\", "") == " ".join(title.split())
    assert record.status == "proposed"
