"""What is found in the record of grouped-query attention: imported, bound, checked. Golden."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import archwright as aw
from archwright.decisions.binding import bind
from archwright.decisions.importing import import_file

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

RECORD = {
    # text: (label, verdict, right figure where it fails)
    "70B parameters": ("parameters", "fails", "5.93"),
    "32K tokens": ("max_seq_len", "holds", ""),
    "4x": ("kv_cache.mha->decision", "holds", ""),
    "8.0 GB": ("kv_cache.mha", "fails", "16.0 GiB"),
    "2.0 GB": ("kv_cache", "fails", "4.00 GiB"),
    "~0.5%": ("mmlu.mha->decision", "unproven", ""),
    "~2.5x": ("throughput.mha->decision", "unproven", ""),
    "8x": ("kv_cache.decision->mqa", "holds", ""),
    "~2%": ("mmlu.mha->mqa", "unproven", ""),
}
DOCSTRING = {
    "4x fewer": ("n_kv_heads.mha->decision", "holds", ""),
    "4KB": ("kv_cache(context=1, per=layer)", "holds", ""),
    "16KB": ("kv_cache(context=1, per=layer).mha", "holds", ""),
    "128MB": ("kv_cache(per=layer)", "holds", ""),
    "512MB": ("kv_cache(per=layer).mha", "holds", ""),
    "-0.3%": ("quality.mha->decision", "unproven", ""),
    "40 layers": ("n_layers", "fails", "32 layers"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES / "gqa", tmp_path / "gqa")
    monkeypatch.chdir(tmp_path / "gqa")
    return tmp_path / "gqa"


def bound(file: str, folder: Path) -> tuple[str, aw.decisions.Record]:
    (made,) = import_file(file, "architecture.yaml", folder / "docs" / "decisions")
    bind(made.path, apply=True)
    return made.path, aw.decisions.read(made.path)


def found(report) -> dict[str, tuple[str, str, str]]:
    return {c.text: (c.label, c.verdict, c.right if c.verdict == "fails" else "") for c in report.claims}


def agrees(report, expected) -> None:
    seen = found(report)
    assert set(seen) == set(expected), "nothing more and nothing less is bound"
    for text, (label, verdict, right) in expected.items():
        assert seen[text][:2] == (label, verdict), text
        assert right in seen[text][2], text


def test_the_record(project):
    path, record = bound("grouped_query_attention.txt", project)
    assert (record.title, record.status, record.date, record.authors) == (
        "Grouped Query Attention",
        "accepted",
        "2025-11-15",
        ("Architecture Team",),
    )
    assert record.decision == {"n_kv_heads": 8}
    assert record.alternatives == {"mha": {"n_kv_heads": 32}, "mqa": {"n_kv_heads": 1}}
    report = aw.check(path)
    agrees(report, RECORD)
    codes = sorted(f.code for f in report.findings)
    assert codes == ["ambiguous-percent"] * 2 + ["claim-fails"] * 3 + ["claim-unproven"] * 3 + ["not-pinned"]
    assert not report.ok
    slips = {c.text: c.slip for c in report.claims if c.slip}
    assert slips == {
        "8.0 GB": "kv_dtype=fp8 or keys without values would give 8.00 GiB",
        "2.0 GB": "kv_dtype=fp8 or keys without values would give 2.00 GiB",
    }


def test_the_prose_is_unchanged(project):
    source = (project / "grouped_query_attention.txt").read_text(encoding="utf-8")
    (made,) = import_file("grouped_query_attention.txt", "architecture.yaml", project / "docs" / "decisions")
    body = Path(made.path).read_text(encoding="utf-8")
    for line in source.splitlines()[6:]:
        if line.strip() and not line.rstrip().endswith(":"):
            assert line.rstrip() in body.splitlines(), line


def test_the_docstring(project):
    path, record = bound("attention.py", project)
    assert (record.title, record.status) == ("GroupedQueryAttention", "unknown")
    assert [h for h in ("## Configuration", "## Memory Analysis", "## Quality Impact") if h in record.text] == [
        "## Configuration",
        "## Memory Analysis",
        "## Quality Impact",
    ]
    report = aw.check(path)
    agrees(report, DOCSTRING)
    units = [f.message for f in report.findings if f.code == "binary-unit"]
    assert len(units) == 2 and "128MiB" in units[0] and "512MiB" in units[1]
    assert [f.code for f in report.findings if f.severity == "error"] == ["unknown-status"]


def test_mqa_holds_only_against_the_decision(project):
    path, _ = bound("grouped_query_attention.txt", project)
    text = Path(path).read_text(encoding="utf-8").replace("[8x][kv_cache.decision->mqa]", "[8x][kv_cache.mha->mqa]")
    Path(path).write_text(text, encoding="utf-8")
    (claim,) = [c for c in aw.check(path).claims if c.text == "8x"]
    assert claim.verdict == "fails"
    assert "32.0x smaller" in claim.message
    assert "decision->mqa would give" in claim.slip


def test_binding_twice_changes_nothing(project):
    path, _ = bound("grouped_query_attention.txt", project)
    before = Path(path).read_bytes()
    bind(path, apply=True)
    assert Path(path).read_bytes() == before
    assert Path(path).read_bytes() == before


def test_the_users_own_text(shared, project):
    """The document that the example restates: the same figures, the same verdicts."""
    path, record = bound(str(shared / "seed" / "architecture-documentation.txt"), project)
    assert record.title == "Grouped Query Attention"
    agrees(aw.check(path), RECORD)


def test_the_demo_tells_its_story(capsys, monkeypatch):
    import runpy

    story = runpy.run_path(str(EXAMPLES / "demo.py"))["story"]
    monkeypatch.setenv("COLUMNS", "80")
    assert story() == 0
    told = capsys.readouterr().out
    for text in ("write: 16.0 GiB", "write: 4.00 GiB", "8.03 B", "24 claims hold"):
        assert text in told
