"""Labels: every form of the grammar, and a remedy for what nearly is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.claims.labels import Label, fold, is_name, label_problem, parse_label, read_value


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("kv_cache", Label("kv_cache")),
        ("n_kv_heads", Label("n_kv_heads")),
        ("kv_cache.mha", Label("kv_cache", (), "mha")),
        ("kv_cache.mha->decision", Label("kv_cache", (), "mha", "decision")),
        ("kv_cache.mha -> decision", Label("kv_cache", (), "mha", "decision")),
        ("kv_cache.mqa-wide->base", Label("kv_cache", (), "mqa-wide", "base")),
        ("KV_cache.MHA->Decision", Label("kv_cache", (), "mha", "decision")),
        ("kv_cache(context=32768)", Label("kv_cache", (("context", 32768),))),
        (
            "kv_cache(context=32Ki, kv_dtype=fp8).mha->decision",
            Label("kv_cache", (("context", 32768), ("kv_dtype", "fp8")), "mha", "decision"),
        ),
        ("layer_count(where=layers[0-15])", Label("layer_count", (("where", "layers[0-15]"),))),
        (
            r"layer_count(where=layers\[0-3,8\], part=head)",
            Label("layer_count", (("where", "layers[0-3,8]"), ("part", "head"))),
        ),
        ("requirement(name=one-node)", Label("requirement", (("name", "one-node"),))),
        ("w", Label("w")),
        ("fits(device=H100-SXM, usable=0.9)", Label("fits", (("device", "H100-SXM"), ("usable", 0.9)))),
        ("mfu(efficiency=$mfu)", Label("mfu", (("efficiency", "$mfu"),))),
    ],
)
def test_a_label(label: str, expected: Label) -> None:
    parsed = parse_label(label)
    assert parsed is not None
    assert (parsed.name, parsed.settings, parsed.side, parsed.to_side) == (
        expected.name,
        expected.settings,
        expected.side,
        expected.to_side,
    )
    assert parsed.raw == label
    assert parsed.compares == bool(expected.to_side)


@pytest.mark.parametrize(
    ("label", "rule", "remedy"),
    [
        ("kv_cache(context=", "lacks a closing bracket", "context=32768"),
        ("kv_cache context)", "lacks an opening bracket", ""),
        ("kv_cache(context)", "has 'context', which is not setting=value", ""),
        ("kv_cache(context=)", "gives the setting 'context' no value", ""),
        ("kv_cache(context: 4)", "with a colon", "context=4"),
        ("kv_cache()", "has empty brackets", ""),
        ("kv_cache(a=1,)", "has a comma without a setting", ""),
        ("kv_cache(a=1, a=2)", "gives the setting 'a' twice", ""),
        ("kv_cache->decision", "names one side of a comparison", "kv_cache.mha->decision"),
        ("kv_cache.mha->", "names one side of a comparison", "kv_cache.mha->decision"),
        ("kv_cache.mha→decision", "has an arrow of another kind", "kv_cache.mha->decision"),
        ("kv_cache.mha=>decision", "has an arrow of another kind", "kv_cache.mha->decision"),
        ("kv_cache.mha to decision", "has an arrow of another kind", "kv_cache.mha->decision"),
        ("kv_cache.mha->kv_cache.decision", "repeats the metric after the arrow", "kv_cache.mha->decision"),
        ("kv_cache.a->b->c", "compares more than two sides", ""),
        ("kv_cache.a.b", "names more than one side", ""),
        ("kv_cache.mha(context=3)", "has its settings after the side", "kv_cache(context=3).mha"),
        ("base", "has the reserved word 'base'", "kv_cache.base"),
        ("settings", "has the reserved word 'settings'", ""),
        ("kv_cache-", "ends with a hyphen", "Write kv_cache"),
        ("kv cache", "has spaces in its name", "kv_cache"),
        ("kv_cache.layers[3]", "holds square brackets", "claims:"),
        ("1", "is not a label of a claim", ""),
        ("", "is not a label of a claim", ""),
        ("https://example.org", "is not a label of a claim", ""),
    ],
)
def test_what_nearly_is_a_label(label: str, rule: str, remedy: str) -> None:
    assert parse_label(label) is None
    problem = label_problem(label)
    assert rule in problem.rule
    assert remedy in problem.remedy
    assert problem.found == label


def test_values_have_types() -> None:
    assert [read_value(t) for t in ("32768", "100_000", "32Ki", "1Mi", "-3")] == [32768, 100_000, 32768, 1_048_576, -3]
    assert [read_value(t) for t in ("0.9", "1e6", ".5")] == [0.9, 1e6, 0.5]
    assert read_value("true") is True and read_value("False") is False
    assert [read_value(t) for t in ("32K", "fp8", "one-node", "40%", "2_")] == ["32K", "fp8", "one-node", "40%", "2_"]


def test_names() -> None:
    assert is_name("mha") and is_name("mqa-wide") and is_name("w2")
    assert not any(is_name(n) for n in ("base", "decision", "settings", "requirement", "MHA", "2w", "mha-", "", "a b"))


def test_labels_are_the_same_as_to_commonmark() -> None:
    assert fold("KV_cache. MHA\n->x") == fold("kv_cache. mha  ->x") != fold("kv_cache.mha->x")
    assert fold("ẞ") == fold("ß")


NAMES = st.from_regex(r"[a-z]([a-z0-9_-]{0,6}[a-z0-9_])?", fullmatch=True).filter(is_name)
VALUES = st.one_of(st.integers(0, 10**9), st.sampled_from(["fp8", "layers[0-3]", "$mfu", True, False, 0.5]))


@given(
    NAMES, st.dictionaries(st.sampled_from(["context", "batch", "kv_dtype"]), VALUES), NAMES, NAMES, st.integers(0, 2)
)
def test_what_a_label_prints_is_that_label(
    name: str, settings: dict[str, int | str | bool | float], side: str, to: str, sides: int
) -> None:
    label = Label(name, tuple(settings.items()), side if sides else "", to if sides == 2 else "")
    parsed = parse_label(str(label))
    assert parsed is not None
    assert (parsed.name, parsed.settings, parsed.side, parsed.to_side) == (
        label.name,
        label.settings,
        label.side,
        label.to_side,
    )
