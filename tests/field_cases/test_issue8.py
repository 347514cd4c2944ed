"""Field cases of benchmarks, from the claim that somebody wrote to the answer that `check` gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archwright.arch.loading import load
from archwright.cli import main
from archwright.decisions.check import check
from archwright.evidence.store import Store

from ..evidence.helpers import bench, noisy

ARCHITECTURE = """\
architecture:
  d_model: 256
  n_layers: 4
  n_heads: 8
  n_kv_heads: 8
  d_ff: 512
  vocab_size: 1000
  max_seq_len: 4096
"""
RECORD = """\
---
status: accepted
base: architecture.yaml
alternatives:
  old: {n_kv_heads: 8}
  new: {n_kv_heads: 2}
settings: {context: 1024, dtype: bf16}
claims:
  speed: {bench: attention_time, batch: 8, device: h100-sxm}
---
# A new operator

The new operator is [3.5x faster][speed.old->new].
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose record claims the README's figure."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    (tmp_path / "docs" / "decisions" / "0001-a-new-operator.md").write_text(RECORD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def observed(project: Path, old: float, new: float) -> None:
    """A bench with those milliseconds."""
    base = load(project / "architecture.yaml")
    sides = {"old": base, "new": base.change(n_kv_heads=2)}
    times = {"old": noisy(old / 1e3, spread=0.002), "new": noisy(new / 1e3, spread=0.002, seed=2)}
    settings = {"passes": "forward"}
    Store.of(project).add(bench(times, sides, target="attention", settings=settings))


@pytest.mark.parametrize("source", ["own", "field case"])
def test_a_missing_synchronisation_does_not_survive_the_evidence(
    source: str, project: Path, request: pytest.FixtureRequest
) -> None:
    told = {"naive_ms": {"new": 1.5, "old": 6.0}, "synchronised_ms": {"new": 15.0, "old": 6.0}}
    if source != "own":
        shared: Path = request.getfixturevalue("shared")
        (path,) = (shared / "data" / "field-cases").glob("fc-22-*/claims.json")
        told = json.loads(path.read_text())
    times = told["synchronised_ms"]
    observed(project, times["old"], times["new"])
    (claim,) = check().claims
    assert claim.verdict == "fails" and claim.right == f"{times['new'] / times['old']:.1f}x slower"
    assert 1 / claim.value == pytest.approx(times["old"] / times["new"], rel=0.01)
    if source != "own":
        assert 1 / claim.value == pytest.approx(0.387, rel=0.01)


def test_utilisation_is_never_a_share_of_an_assumed_peak(
    shared: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (shared / "data" / "field-cases").glob("fc-23-*/run.json")
    run = json.loads(path.read_text())
    words = ["estimate", "architecture.yaml", "mfu", "--set", f"achieved={run['achieved_tflops'] * 1e12}"]
    assert main([*words, "--set", f"device={run['device']}", "--set", f"dtype={run['dtype']}", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["value"] == pytest.approx(40.4, abs=0.2)
    assert main([*words, "--set", "device=h1000"]) == 3
    said = capsys.readouterr()
    assert "Known: " in said.err and "h100-sxm" in said.err and "%" not in said.out
