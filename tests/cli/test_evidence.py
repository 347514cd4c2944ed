"""evidence, bench and prove from the command line: what they print, keep, refuse and leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from archwright.cli import bench as bench_command
from archwright.cli import main
from archwright.cli.schemas import schema
from archwright.evidence.store import Store
from archwright.lab import benches
from archwright.lab.devices import cpu_slug

from .running import ARCHWRIGHT, environment

ARCHITECTURE = """\
architecture:
  d_model: 64
  n_layers: 2
  n_heads: 4
  n_kv_heads: 4
  d_ff: 128
  vocab_size: 100
  max_seq_len: 256
"""
RECORD = f"""\
---
status: accepted
base: architecture.yaml
decision: {{n_kv_heads: 1}}
alternatives:
  mha: {{n_kv_heads: 4}}
  two: {{n_kv_heads: 2}}
settings: {{context: 32, dtype: fp32}}
claims:
  speed: {{bench: decode_throughput, device: {cpu_slug()}}}
  memory: {{bench: decode_peak_memory, device: {cpu_slug()}}}
  gpu: {{bench: decode_throughput, batch: 8, device: h100-sxm}}
  other: {{bench: prefill_time, device: h100-sxm}}
  mmlu: {{eval: mmlu/acc}}
  loss: {{ablation: val_loss, on: proxy}}
proxy: small.yaml
---
# Fewer KV heads

## Consequences

Memory is [at least 1.1x smaller][memory.mha->decision]; decoding is [within 900 % faster][speed.mha->two].
On a GPU it is [2x faster][gpu.mha->decision], and prompts are [2x faster][other.mha->decision].
MMLU falls by [at most 1 pp][mmlu.mha->decision], the loss rises by [at most 0.1][loss.mha->decision].
"""
QUICK = ("--time-limit", "0.5", "--until", "0.9")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a record whose claims all lack evidence; the current folder. One thread: the models are small."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    (tmp_path / "small.yaml").write_text(ARCHITECTURE.replace("n_layers: 2", "n_layers: 1"))
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    (tmp_path / "docs" / "decisions" / "0001-fewer-kv-heads.md").write_text(RECORD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def data(capsys: pytest.CaptureFixture[str], name: str) -> Any:
    """What was printed as JSON, which must keep its schema."""
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schema(name))
    return found


# prove ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_is_missing_what_runs_here_and_what_elsewhere(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    assert main(["prove", "--dry-run"]) == 1
    said = capsys.readouterr().out
    assert said.count("unproven") == 6
    # one bench serves the memory and the speed: the same workload, with all sides that they compare
    assert f"Here, on {cpu_slug()}: would run 1 bench, at most about 1 min 15 s" in said
    assert f"decode, batch 1, context 32, dtype fp32, on {cpu_slug()}: mha, decision, two" in said
    assert said.count("on a machine with h100-sxm: archwright prove --only h100-sxm") == 1
    for side in ("mha", "decision"):
        assert f"evaluate mmlu for {side}, then: archwright evidence import RESULTS --record 1 --for {side}\n" in said
        assert (
            f"train for {side} on the proxy, then: archwright evidence import RESULTS --record 1 --for {side} --on"
            in said
        )
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before


def test_prove_runs_what_it_can_and_writes_evidence_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    assert main(["prove", "1", *QUICK]) == 1
    said = capsys.readouterr().out
    after = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    (made,) = after.keys() - before.keys()
    assert made.parent == project / "evidence" and {p: after[p] for p in before} == before
    assert f"kept in evidence/{made.name}" in said and "Next: archwright check --fix" in said
    assert main(["prove", "1", "--only", cpu_slug()]) == 0
    assert "has evidence that counts" in capsys.readouterr().out
    assert main(["check", "--json"]) == 1
    found = {c["label"]: c["verdict"] for c in data(capsys, "check")["claims"]}
    assert found["memory.mha->decision"] == "holds" and found["speed.mha->two"] != "unproven"
    assert found["gpu.mha->decision"] == "unproven"


def test_stale_evidence_is_asked_for_again(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--only", "memory", *QUICK]) == 0
    (project / "architecture.yaml").write_text(ARCHITECTURE.replace("d_ff: 128", "d_ff: 256"))
    capsys.readouterr()
    assert main(["prove", "--only", "memory", "--dry-run", "--json"]) == 1
    (claim,) = data(capsys, "prove")["claims"]
    assert claim["verdict"] == "stale" and "d_ff was 128, is 256" in claim["message"]


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (["--only", "h100-sxm"], {"gpu", "other"}),
        (["--only", "decode"], {"gpu", "speed", "memory"}),
        (["--only", "eval"], {"mmlu"}),
        (["--only", "gpu", "--only", "loss"], {"gpu", "loss"}),
        (["--only", "nothing"], set()),
    ],
)
def test_only_chooses(words: list[str], labels: set[str], project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--dry-run", "--json", *words]) == (1 if labels else 0)
    found = data(capsys, "prove")
    assert {c["label"].partition(".")[0] for c in found["claims"]} == labels
    assert found["made"] == []


@pytest.mark.parametrize("status", ["rejected", "deprecated"])
def test_records_that_count_for_nothing_ask_for_nothing(
    status: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "docs" / "decisions" / "0001-fewer-kv-heads.md"
    path.write_text(RECORD.replace("accepted", status))
    assert main(["prove", "--dry-run"]) == 0
    assert "has evidence that counts" in capsys.readouterr().out


def test_an_interrupt_keeps_what_is_done_and_names_the_command_to_go_on(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "docs" / "decisions" / "0001-fewer-kv-heads.md"
    path.write_text(RECORD.replace("h100-sxm", cpu_slug()))
    real, calls = benches.run, list[str]()

    def once(request: Any, **options: Any) -> Any:
        calls.append(request.target)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(request, **options)

    monkeypatch.setattr(benches, "run", once)
    assert main(["prove", "1", *QUICK]) == 130
    said = capsys.readouterr().err
    assert "interrupted: 1 of 3 benches are done and kept. Go on: archwright prove 1" in said
    store = Store.of(project)
    assert len(store.records) == 1 and store.verify() == (1, [])
    monkeypatch.setattr(benches, "run", real)
    assert main(["prove", "1", "--dry-run", "--json"]) == 1
    assert len(data(capsys, "prove")["runs"]) == 2


def test_a_signal_while_a_bench_runs_leaves_a_valid_state(project: Path) -> None:
    process = subprocess.Popen(
        [*ARCHWRIGHT, "prove", "--only", "memory", "--time-limit", "60", "--until", "0.000001"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("1 of 1"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    # where the interrupt falls into code run from a text, Python itself ends by the signal: 130 to a shell as well
    assert process.returncode in (130, -signal.SIGINT), out + err
    assert "Traceback" not in err and "Go on: archwright prove --only memory" in err
    assert not [p for p in project.rglob("*") if p.suffix == ".json" or p.name.startswith(".tmp")]


def test_without_torch_everything_is_listed_and_a_bench_says_how_to_install_it(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    monkeypatch.setattr(bench_command, "find_spec", lambda name: None)
    assert main(["prove"]) == 1
    assert "torch is not installed (pip install 'archwright[torch]')" in capsys.readouterr().out
    assert main(["bench", "decode", "architecture.yaml", "--context", "32"]) == 3
    assert "torch is not installed, and a bench runs on it. Install it: pip install" in capsys.readouterr().err
    assert not (project / "evidence").exists()


# bench ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["attention", "decode"])
def test_a_bench_is_kept_and_shown(target: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", target, "architecture.yaml", "--change", "n_kv_heads=1", "--context", "32", "--dtype", "fp32"]
    assert main([*words, *QUICK, "--json"]) == 0
    (row,) = data(capsys, "evidence-list")["evidence"]
    assert row["arms"] == ["base", "n_kv_heads=1"] and row["device"] == cpu_slug()
    assert main(["evidence", "show", row["name"]]) == 0
    shown = capsys.readouterr().out
    assert "against base" in shown and "peak_memory" in shown and "smaller" in shown
    assert main(["evidence", "show", row["name"], "--json"]) == 0
    assert data(capsys, "evidence")["target"] == target


def test_a_calibration_becomes_the_ceiling_of_the_next_bench(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from archwright.lab import calibration

    monkeypatch.setitem(calibration.SIZES, "cpu", (64,))
    monkeypatch.setitem(calibration.COPIED, "cpu", 2**20)
    assert main(["bench", "calibrate", "--dtype", "fp32", "--time-limit", "0.2"]) == 0
    assert "calibration" in capsys.readouterr().out
    words = ["bench", "decode", "architecture.yaml", "--context", "32", "--dtype", "fp32", *QUICK]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "bandwidth_share" in shown and "flops_share" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["bench", "decode", "architecture.yaml", "--context", "32K"], 3, "32"),
        (["bench", "decode", "architecture.yaml", "--context", "512", "--dtype", "fp32"], 3, "longer than max_seq_len"),
        (["bench", "decode", "architecture.yaml", "--context", "32", "--dtype", "bf17"], 3, "Did you mean bf16"),
        (["bench", "decode", "architecture.yaml", "--context", "32", "--device", "gpu"], 3, "not a kind of device"),
        (["bench", "decode", "nowhere.yaml", "--context", "32"], 3, "nowhere.yaml"),
        (["evidence", "show", "bench-1"], 2, "not in evidence"),
        (["evidence", "import", "scores.csv", "--for", "mqa"], 2, "named by no record"),
        (["evidence", "import", "scores.csv", "--record", "1", "--for", "mqa"], 2, "Sides: base, decision, mha, two"),
        (["evidence", "import", "scores.csv", "--record", "1"], 2, "Add --for with one of base, decision, mha, two"),
        (["evidence", "import", "scores.csv"], 2, "--for is missing"),
        (["evidence", "import", "nothing.csv", "--record", "1", "--for", "mha"], 3, "nothing.csv"),
    ],
)
def test_what_is_refused(
    words: list[str], code: int, said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "scores.csv").write_text("step,val_loss\n1,2.5\n")
    assert main(words) == code
    assert said in capsys.readouterr().err
    assert not (project / "evidence").exists()


# evidence -------------------------------------------------------------------------------------------------------


def scores(project: Path, name: str, last: float) -> Path:
    """A training curve of two seeds."""
    path = project / name
    rows = [f"{seed},{step},{last + 0.01 * seed + 1 / step}" for seed in (1, 2, 3) for step in (10, 100)]
    path.write_text("seed,step,val_loss\n" + "\n".join(rows) + "\n")
    return path


def test_curves_are_imported_for_a_named_side_and_claims_hold_at_the_proxy(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side, last in (("mha", 2.5), ("decision", 2.51)):
        file = scores(project, f"{side}.csv", last)
        words = ["evidence", "import", str(file), "--record", "1", "--for", side, "--on-proxy", "--set", "tokens=6e8"]
        assert main([*words, "--json"]) == 0
        (row,) = data(capsys, "evidence-list")["evidence"]
        assert row["arms"] == [side]
    assert main(["check", "--json"]) == 1
    found = {c["label"]: c["verdict"] for c in data(capsys, "check")["claims"]}
    assert found["loss.mha->decision"] == "holds at proxy"
    assert main(["evidence", "list"]) == 0
    assert "2 records" in capsys.readouterr().out


def test_verify_finds_a_flipped_byte(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "list"]) == 0
    assert "No evidence in evidence" in capsys.readouterr().out
    file = scores(project, "mha.csv", 2.5)
    assert main(["evidence", "import", str(file), "--for", "mha"]) == 0
    capsys.readouterr()
    assert main(["evidence", "verify"]) == 0
    assert capsys.readouterr().out == "1 file: as written\n"
    (kept,) = (project / "evidence").iterdir()
    whole = bytearray(kept.read_bytes())
    place = whole.index(b"2.51")
    whole[place + 3] ^= 1
    kept.write_bytes(whole)
    assert main(["evidence", "verify"]) == 1
    assert "1 file: 1 not as written" in capsys.readouterr().out
    assert main(["evidence", "verify", "--json"]) == 1
    assert data(capsys, "evidence-verify")["problems"][0]["path"] == os.path.join("evidence", kept.name)
    assert main(["evidence", "list"]) == 1
    assert "was changed after it was written" in capsys.readouterr().err
