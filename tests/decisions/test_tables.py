"""table: metrics by alternatives, every cell a bound figure that holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from archwright.decisions.check import check
from archwright.decisions.frame import Frame, Frames
from archwright.decisions.tables import table
from archwright.errors import InvalidValue, UnknownName

RECORD = (
    "---\nstatus: proposed\nbase: architecture.yaml\ndecision: {n_kv_heads: 8}\nalternatives:\n"
    "  mha: {n_kv_heads: 32}\n  mqa: {n_kv_heads: 1}\nsettings: {context: 32768, dtype: bf16}\n---\n# Cache\n\n"
)
PATH = "docs/decisions/0001-cache.md"


def frame(project: Path, text: str = RECORD) -> Frame:
    """The frame of a record in the project."""
    return Frames().of(text, str(project / PATH))


def test_one_row_a_metric_one_column_a_side(project: Path) -> None:
    assert table(frame(project), ["kv_cache", "n_kv_heads"]) == (
        "| | decision | mha | mqa |\n|---|--:|--:|--:|\n"
        "| KV cache | [4.00 GiB][kv_cache] | [16.00 GiB][kv_cache.mha] | [0.50 GiB][kv_cache.mqa] |\n"
        "| n_kv_heads | [8 heads][n_kv_heads] | [32 heads][n_kv_heads.mha] | [1 head][n_kv_heads.mqa] |"
    )


def test_every_cell_holds(project: Path) -> None:
    metrics = ["kv_cache", "weights", "parameters", "prefill_flops", "max_context", "d_ff", "attention_flops_share"]
    made = table(frame(project), metrics, settings={"device": "h100-sxm", "context": 4096})
    (project / PATH).write_text(RECORD + made + "\n")
    report = check(fix=True)
    assert report.findings == []
    assert [c.verdict for c in report.claims] == ["holds"] * 3 * len(metrics)


def test_a_setting_stands_only_where_a_metric_has_it(project: Path) -> None:
    made = table(frame(project), ["kv_cache", "weights"], ["decision"], {"context": 4096})
    assert "[kv_cache(context=4096)]" in made and "[weights]" in made


def test_without_a_decision_the_base_is_a_column(project: Path) -> None:
    text = "---\nstatus: proposed\nbase: architecture.yaml\nalternatives:\n  mha: {n_kv_heads: 32}\n---\n# X\n"
    assert table(frame(project, text), ["n_kv_heads"]).startswith("| | base | mha |")


def test_settings_of_an_alternative_hold_in_its_column(project: Path) -> None:
    text = RECORD.replace("mqa: {n_kv_heads: 1}", "short: {settings: {context: 4096}}")
    made = table(frame(project, text), ["kv_cache"])
    assert "[0.50 GiB][kv_cache.short]" in made
    (project / PATH).write_text(text + made + "\n")
    assert check(fix=True).findings == []


def test_everything_unknown_is_named_at_once(project: Path) -> None:
    with pytest.raises(UnknownName) as names:
        table(frame(project), ["kv_cash", "weights", "n_kv_hedas"])
    assert [p.found for p in names.value.problems] == ["kv_cash", "n_kv_hedas"]
    assert "kv_cache" in str(names.value) and "n_kv_heads" in str(names.value)
    with pytest.raises(InvalidValue) as settings:
        table(frame(project), ["kv_cache"], settings={"contxt": 1, "device": "h200"})
    assert [p.field for p in settings.value.problems] == ["contxt", "device"]
    with pytest.raises(InvalidValue, match="no side of this record"):
        table(frame(project), ["kv_cache"], ["mah"])


def test_sides_and_values_that_cannot_be_computed(project: Path) -> None:
    with pytest.raises(InvalidValue, match="mha cannot be computed: n_kv_heads is 6"):
        table(frame(project, RECORD.replace("n_kv_heads: 32", "n_kv_heads: 6")), ["kv_cache"])
    with pytest.raises(InvalidValue, match="not a number"):
        table(frame(project), ["tie_embeddings"])
    with pytest.raises(InvalidValue, match="device is required"):
        table(frame(project), ["decode_time"])
    with pytest.raises(InvalidValue, match="names no base"):
        table(frame(project, "---\nstatus: proposed\n---\n# X\n"), ["kv_cache"])
