"""Reports from the field about calculators, configs and records, each on its own input and on a small one of ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archwright.arch.loading import load
from archwright.cli import main
from archwright.costs.metric import evaluate
from archwright.decisions.check import check
from archwright.decisions.record import read
from archwright.errors import ArchwrightError, InvalidValue

Json = Callable[..., Any]


@pytest.fixture
def cases(shared: Path) -> Path:
    """The folder of field cases in the external data set."""
    return shared / "data" / "field-cases"


@pytest.fixture
def run_json(capsys: pytest.CaptureFixture[str]) -> Json:
    """A command with --json, as data."""

    def run(*words: str | Path) -> Any:
        capsys.readouterr()
        assert main([*map(str, words), "--json"]) in (0, 1)
        return json.loads(capsys.readouterr().out)

    return run


def value(config: Any, name: str, **settings: Any) -> int:
    """A metric's exact value."""
    found = evaluate(name, config, settings).value
    assert found == int(found)
    return int(found)


def small(tmp_path: Path, **keys: Any) -> Path:
    """A small llama config of ours with some keys changed (None removes one)."""
    config = {
        "model_type": "llama",
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "vocab_size": 500,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        **keys,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({k: v for k, v in config.items() if v != "absent"}))
    return path


# Calculators ----------------------------------------------------------------------------------------------------


def test_fc01_the_stated_head_dim_counts(cases: Path, run_json: Json) -> None:
    config = cases / "fc-01-kv-head-dim" / "config.json"
    results = run_json("estimate", config, "kv_cache", "parameters", "--set", "context=4096")["results"]
    assert [r["value"] for r in results] == [12_582_912, 2_617_856]
    assert run_json("estimate", config, "kv_cache", "--set", "per=token")["results"][0]["value"] == 3072


def test_fc01_on_our_own(tmp_path: Path) -> None:
    stated = load(small(tmp_path, head_dim=64))
    assert value(stated, "kv_cache", per="token") == 2 * 2 * 2 * 64 * 2
    derived = load(small(tmp_path))
    assert value(derived, "kv_cache", per="token") == 2 * 2 * 2 * 32 * 2


def test_fc03_tying_shares_storage_not_work(cases: Path) -> None:
    folder = cases / "fc-03-flops-tying"
    tied, untied = load(folder / "tied.json"), load(folder / "untied.json")
    for config in (tied, untied):
        assert value(config, "forward_flops", context=16) == 46_219_264
        assert value(config, "forward_flops", context=16, flops_convention="dense") == 46_465_024
        assert value(config, "attention_flops", context=16) == 278_528
    assert (value(tied, "parameters"), value(untied, "parameters")) == (1_436_928, 1_692_928)


def test_fc03_on_our_own(tmp_path: Path) -> None:
    untied = load(small(tmp_path))
    tied = load(small(tmp_path, tie_word_embeddings=True))
    assert value(tied, "forward_flops", context=64) == value(untied, "forward_flops", context=64)
    assert value(untied, "parameters") - value(tied, "parameters") == 500 * 128


# Configs --------------------------------------------------------------------------------------------------------


def test_fc05_null_and_missing_heads(cases: Path) -> None:
    folder = cases / "fc-05-null-and-missing-heads"
    null, missing = load(folder / "head-dim-null.json"), load(folder / "no-kv-heads.json")
    assert (value(null, "parameters"), value(null, "kv_cache", per="token")) == (3_988_736, 512)
    assert (value(missing, "parameters"), value(missing, "kv_cache", per="token")) == (1_824_000, 2048)


@pytest.mark.parametrize("keys", [{"head_dim": None}, {"num_key_value_heads": "absent"}, {"num_key_value_heads": None}])
def test_fc05_on_our_own(keys: dict[str, Any], tmp_path: Path) -> None:
    config = load(small(tmp_path, **keys))
    assert config.head_dim == 32
    assert config.n_kv_heads == (2 if "head_dim" in keys else 4)


@pytest.mark.parametrize("name", ["not-enabled.json", "enabled-small.json"])
def test_fc06_a_window_that_no_layer_has(name: str, cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cases / "fc-06-qwen3-window-gates" / name
    config = load(path)
    assert value(config, "kv_cache", context=8192) == 16_777_216
    assert value(config, "layer_count", where="layers[type=sliding]") == 0
    assert value(config, "parameters") == 2_874_112
    assert main(["estimate", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("note: sliding_window (2048) has no effect") == 1


def test_fc09_one_scaling_in_three_spellings(cases: Path) -> None:
    folder = cases / "fc-09-rope-spellings"
    found = [load(folder / f"{name}.json") for name in ("v1-type", "v2-rope-type", "v3-rope-parameters")]
    assert len({config.fingerprint for config in found}) == 1
    for config in found:
        assert float(evaluate("rope_wavelength_max", config).value) == pytest.approx(188_468.97, abs=0.01)
    with pytest.raises(ArchwrightError) as raised:
        load(folder / "contradiction.json")
    said = str(raised.value)
    assert all(word in said for word in ("rope_type", "type", "linear", "dynamic"))


def test_fc09_on_our_own(tmp_path: Path) -> None:
    scaling = {"factor": 4.0}
    first = load(small(tmp_path, rope_theta=10000.0, rope_scaling={"type": "linear", **scaling}))
    second = load(small(tmp_path, rope_theta=10000.0, rope_scaling={"rope_type": "linear", **scaling}))
    third = load(small(tmp_path, rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, **scaling}))
    assert first.fingerprint == second.fingerprint == third.fingerprint
    assert first.fingerprint != load(small(tmp_path, rope_theta=10000.0)).fingerprint


def test_fc20_the_name_is_not_the_size(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(cases / "fc-20-name-6b-is-7b" / "config.json", tmp_path / "config.json")
    monkeypatch.chdir(tmp_path)
    assert value(load("config.json"), "parameters") == 7_064_213_504
    Path("0001-x.md").write_text(
        "---\nstatus: accepted\nbase: config.json\n---\n# X\n\nIt has [6.1 B parameters][parameters].\n"
    )
    (claim,) = check("0001-x.md").claims
    assert claim.verdict == "fails" and "7.06 B" in claim.message and claim.right == "7.1 B parameters"


def test_fc21_groups_have_two_readings(cases: Path) -> None:
    with pytest.raises(InvalidValue) as raised:
        load(cases / "fc-21-kv-groups-two-readings" / "arch.yaml")
    said = str(raised.value)
    for words in (":5:3", "n_kv_groups", "n_kv_heads", "number of KV heads (4)", "6 KV heads"):
        assert words in said


def test_fc21_on_our_own(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("architecture:\n  n_heads: 16\n  d_model: 1024\n  n_kv_groups: 2\n")
    with pytest.raises(InvalidValue, match=r"a\.yaml:4:3 .*n_kv_groups.*\(2\).*8 KV heads"):
        load(path)


# Records --------------------------------------------------------------------------------------------------------


def listed(run_json: Json, folder: Path) -> dict[str, dict[str, Any]]:
    """What `adr list` says of each file."""
    return {Path(r["path"]).name[:4]: r for r in run_json("adr", "list", "--dir", folder)["records"]}


def test_fc15_a_status_with_prose(cases: Path, run_json: Json) -> None:
    found = listed(run_json, cases / "fc-15-status-with-prose")
    assert [found[n]["status"] for n in ("0001", "0002")] == ["accepted", "accepted"]
    assert all(not r["superseded_by"] and not r["supersedes"] for r in found.values())


def test_fc16_superseding_in_every_dialect(cases: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adr"
    shutil.copytree(cases / "fc-16-supersede-every-dialect", folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    before = {p.name: p.read_text().split("\n") for p in folder.iterdir()}
    for number in ("1", "2", "3"):
        assert main(["adr", "supersede", number, "--by", "4", "--dir", str(folder)]) == 0
    for name, lines in before.items():
        record = read(folder / name)
        after = (folder / name).read_text().split("\n")
        if name.startswith("0004"):
            assert set(record.supersedes) == {"1", "2", "3"} and record.status == "accepted"
            assert [line for line in after if not line.startswith("supersedes")] == lines
            continue
        assert (record.status, record.superseded_by) == ("superseded", ("4",))
        changed = [(a, b) for a, b in zip(lines, after, strict=True) if a != b]
        assert len(changed) == 1 and "ccepted" in changed[0][0] and "uperseded by" in changed[0][1]
    report = check(folder)
    assert [f.code for f in report.findings] == []


def test_fc17_spellings_of_a_status(cases: Path, run_json: Json) -> None:
    folder = cases / "fc-17-status-spellings"
    found = listed(run_json, folder)
    assert {n: r["status"] for n, r in found.items()} == {
        "0001": "superseded",
        "0002": "accepted",
        "0003": "accepted",
        "0004": "accepted",
        "0005": "rejected",
        "0006": "unknown",
    }
    assert found["0001"]["superseded_by"] == ["3"]
    (odd,) = [f for f in check(folder).findings if f.path.endswith("0006-odd.md")]
    assert (odd.code, odd.line) == ("unknown-status", 7) and "Parked" in odd.message


def test_fc18_numbers_shared_and_suffixed(cases: Path, tmp_path: Path, run_json: Json) -> None:
    folder = tmp_path / "adr"
    shutil.copytree(cases / "fc-18-numbers-shared-and-suffixed", folder)
    folder.chmod(0o755)
    report = check(folder)
    twice = [f for f in report.findings if f.code == "duplicate-number"]
    assert {Path(f.path).name for f in twice} == {"0027-licence-gate.md", "0027-trace-colours.md"}
    assert all("0027-" in f.message for f in twice)
    (unclear,) = [f for f in report.findings if f.code == "ambiguous-link"]
    assert unclear.path.endswith("0041-later.md") and unclear.line == 9
    assert "0027-licence-gate.md" in unclear.message and "0027-trace-colours.md" in unclear.message
    assert len(report.findings) == 3 and report.exit_code() == 1
    numbers = [r["number"] for r in run_json("adr", "list", "--dir", folder)["records"]]
    assert sorted(numbers) == ["27", "27", "40", "40a", "40b", "41"]
    assert Path(run_json("adr", "new", "Next", "--dir", folder)["path"]).name == "0042-next.md"


# Documents ------------------------------------------------------------------------------------------------------

LESSON = """\
---
status: {status}
base: base.yaml
decision: {{n_kv_heads: 8}}
alternatives:
  mha: {{n_kv_heads: 64}}
settings: {{context: 32768, dtype: bf16}}
---
# Eight KV heads

It takes [10.4 GB][kv_cache], [32 GB][kv_cache.mha] before: [8x smaller][kv_cache.mha->decision].
"""
BASE = (
    "architecture:\n  d_model: 8192\n  n_layers: 80\n  n_heads: 64\n  n_kv_heads: 8\n  d_ff: 28672\n"
    "  vocab_size: 128256\n  max_seq_len: 131072\n"
)


def test_fc19_a_figure_that_no_reading_gives(cases: Path) -> None:
    report = check(cases / "fc-19-lesson-70b-cache" / "record.md")
    first, second, third = report.claims
    assert [c.verdict for c in report.claims] == ["fails", "fails", "holds"]
    assert [int(c.value) for c in (first, second)] == [10_737_418_240, 85_899_345_920]
    assert "10.0 GiB (10.7 GB)" in first.message and "80.0 GiB (85.9 GB)" in second.message
    assert "8.00x" in third.message
    assert "context" not in first.slip  # 32,000 tokens would give 10.49 GB, which is not 10.4 either


@pytest.mark.parametrize(("status", "severity"), [("accepted", "error"), ("proposed", "warning")])
def test_fc19_on_our_own(status: str, severity: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    path = tmp_path / "0001-x.md"
    path.write_text(LESSON.format(status=status))
    report = check(path)
    fails = [f for f in report.findings if f.code == "claim-fails"]
    assert [(f.line, f.column, f.severity) for f in fails] == [(11, 10, severity), (11, 31, severity)]
    assert [c.right for c in report.claims[:2]] == ["10.0 GiB", "80.0 GiB"]
    assert report.claims[0].slip == ""


def test_records_of_seven_projects_have_no_claims_and_cause_no_errors_about_claims(shared: Path) -> None:
    folders = [p for p in sorted((shared / "data" / "records").iterdir()) if p.is_dir()]
    assert len(folders) == 7
    for folder in folders:
        report = check(folder)
        assert report.files and report.claims == []
        about_records = {"unknown-status", "one-sided-link", "broken-link", "duplicate-number", "ambiguous-link"}
        assert {f.code for f in report.findings} <= about_records | {"front-matter"}, folder
        assert report.exit_code() in (0, 1)
        assert all(f.severity == "warning" for f in report.findings if f.code == "unknown-status")
