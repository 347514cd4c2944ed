"""Importers: lm-eval results with and without logs, curves, and what is asked rather than guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archwright.errors import UnknownName, Unreadable, UsageError
from archwright.evidence.importers import import_file, importers
from archwright.evidence.observation import observe
from archwright.evidence.store import Store
from archwright.evidence.verdict import judge

from .helpers import BASE, DECISION, asked

STAMP = "2026-11-20T12-00-00.000000"


def results(folder: Path, scores: dict[str, list[float]], *, logs: bool = True, **extra: Any) -> Path:
    """A results file as the harness writes it: two tasks in a group, and one of generated answers."""
    folder.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = {}
    for task, values in scores.items():
        mean = sum(values) / len(values)
        table[task] = {"alias": task, "acc,none": mean, "acc_stderr,none": (mean * (1 - mean) / len(values)) ** 0.5}
    everything = [x for values in scores.values() for x in values]
    table["mmlu"] = {"alias": "mmlu", "acc,none": sum(everything) / len(everything), "acc_stderr,none": 0.02}
    table["gsm8k"] = {"exact_match,strict-match": 0.25, "exact_match_stderr,strict-match": "N/A"}
    data = {
        "results": table,
        "group_subtasks": {"mmlu": list(scores), "gsm8k": []},
        "n-shot": dict.fromkeys(scores, 5),
        "n-samples": {task: {"original": len(v), "effective": len(v)} for task, v in scores.items()}
        | {"gsm8k": {"original": 100, "effective": 100}},
        "higher_is_better": {task: {"acc": True} for task in scores},
        "versions": dict.fromkeys(scores, 1),
        "config": {"model": "hf", "model_args": "pretrained=me/mine", "limit": None},
        "git_hash": "abc123",
        "date": 1763640000.0,
        "lm_eval_version": "0.4.9",
    } | extra
    path = folder / f"results_{STAMP}.json"
    path.write_text(json.dumps(data))
    if logs:
        for task, values in scores.items():
            lines = [
                {
                    "doc_id": i,
                    "doc_hash": f"{task}{i:012d}",
                    "filter": "none",
                    "filtered_resps": [[-1.0, False], [-2.0, False], [-3.0, True], [-4.0, False]],
                    "metrics": ["acc"],
                    "acc": value,
                }
                for i, value in enumerate(values)
            ]
            log = folder / f"samples_{task}_{STAMP}.jsonl"
            log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def right(count: int, of: int = 100) -> list[float]:
    return [float(i < count) for i in range(of)]


SCORES = {"mmlu_law": right(60), "mmlu_logic": right(50, 80)}


def imported(path: Path, alternative: str = "mha", **more: Any) -> Any:
    given = {"alternative": alternative, "architecture": BASE, "command": ("archwright", "evidence", "import")}
    return import_file(path, **(given | more))


def test_results_with_logs_keep_every_item(tmp_path: Path) -> None:
    made = imported(results(tmp_path, SCORES))
    arm = made.arms[0]
    assert (made.kind, made.target, arm.name) == ("eval", "lm-eval", "mha")
    assert len(arm.samples["mmlu/acc"]) == 180 and len(set(arm.keys["mmlu/acc"])) == 180
    assert made.measures["mmlu/acc"].to_dict() == {
        "unit": "%",
        "better": "higher",
        "summary": "mean",
        "chance": 0.25,
        "scale": 100,
    }
    assert made.summary["arms"]["mha"]["mmlu_law/acc"]["value"] == pytest.approx(60)
    assert made.settings == {"n_shot": 5}
    assert made.environment["source"]["model"] == "pretrained=me/mine"
    assert arm.stated["gsm8k/exact_match"].stderr is None and arm.stated["gsm8k/exact_match"].n == 100
    assert made.notes == ("gsm8k/exact_match,strict-match has no standard error: it cannot be compared",)


def test_results_without_logs_keep_the_stated_errors(tmp_path: Path) -> None:
    made = imported(results(tmp_path, SCORES, logs=False))
    arm = made.arms[0]
    assert not arm.samples and arm.stated["mmlu/acc"].stderr == 0.02 and arm.stated["mmlu/acc"].n == 180
    assert made.measures["mmlu/acc"].chance is None
    assert imported(results(tmp_path, SCORES, logs=False), options={"chance": 0.25}).measures["mmlu/acc"].chance == 0.25


def test_logs_that_do_not_explain_the_value_are_not_used(tmp_path: Path) -> None:
    path = results(tmp_path, SCORES)
    data = json.loads(path.read_text())
    data["results"]["mmlu"]["acc,none"] = 0.9
    path.write_text(json.dumps(data))
    arm = imported(path).arms[0]
    assert "mmlu/acc" in arm.stated and "mmlu_law/acc" in arm.samples


def test_two_models_are_compared_item_by_item(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    store.add(imported(results(tmp_path / "a", SCORES)))
    other = {"mmlu_law": right(59), "mmlu_logic": right(50, 80)}
    store.add(imported(results(tmp_path / "b", other), "decision", architecture=DECISION))
    made = judge(observe(asked(), store), [(-2, 2)], "difference")
    assert made.name == "holds" and made.estimate is not None and made.estimate.n == 180
    assert made.estimate.value == pytest.approx(-100 / 180)


def test_which_alternative_is_asked_never_guessed(tmp_path: Path) -> None:
    path = results(tmp_path, SCORES)
    with pytest.raises(UsageError, match=r"--for is missing.*Add --for with one of mha, mqa"):
        import_file(path, alternative=None, architecture=None, alternatives=("mha", "mqa"))


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"results": {"mmlu": {"acc,none": 0.5', "not JSON"),
        ('{"results": [], "x": {"results": {}}}', "not a map of tasks"),
        ('{"results": {"mmlu": {"alias": "mmlu"}}}', "no metric of any task"),
        ('{"results": {"mmlu": 3}}', "not a map of tasks"),
    ],
)
def test_a_broken_results_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "results_x.json"
    path.write_text(text)
    with pytest.raises(Unreadable, match=message) as caught:
        imported(path, importer="lm-eval")
    assert all(p.where is not None for p in caught.value.problems)


def test_a_log_that_was_cut_off_is_refused_with_its_line(tmp_path: Path) -> None:
    path = results(tmp_path, SCORES)
    log = tmp_path / f"samples_mmlu_law_{STAMP}.jsonl"
    log.write_text(log.read_text()[:-40])
    with pytest.raises(Unreadable, match=r"samples_mmlu_law_.*:100.*log was cut off"):
        imported(path)


def test_a_format_is_recognised_or_asked_for(tmp_path: Path) -> None:
    other = tmp_path / "numbers.json"
    other.write_text("{}")
    with pytest.raises(UsageError, match=r"no known format. Name one with --as: csv .*; jsonl .*; lm-eval"):
        imported(other)
    with pytest.raises(UnknownName, match="Did you mean lm-eval"):
        imported(other, importer="lm_eval")
    with pytest.raises(Unreadable, match="does not exist"):
        imported(tmp_path / "none.csv")
    assert importers.names() == ["csv", "jsonl", "lm-eval"]


CSV = "step,val_loss,seed\n100,3.5,0\n200,3.0,0\n100,3.6,1\n200,3.1,1\n"


def test_csv_curves_by_seed(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(CSV)
    made = imported(path)
    arm = made.arms[0]
    assert made.kind == "ablation" and arm.architecture.scope == "training"
    assert arm.samples == {"val_loss": [3.0, 3.1]} and arm.keys == {"val_loss": ["0", "1"]}
    assert arm.curves[0].x == (100, 200) and arm.curves[0].y == (3.5, 3.0)
    assert made.measures["val_loss"].to_dict() == {"unit": "nats", "better": "lower", "summary": "mean"}


def test_jsonl_curves_with_columns_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [{"_step": s, "eval/loss": 4 - s / 10, "lr": 1e-3} for s in range(5)] + [{"_step": 9, "lr": 0.0}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    with pytest.raises(UsageError, match="Name one: --metric val_loss=COLUMN"):
        imported(path)
    with pytest.raises(UsageError, match="Did you mean eval/loss"):
        imported(path, options={"metric": "val_loss=eval_loss"})
    made = imported(path, options={"metric": "val_loss=eval/loss"})
    assert made.arms[0].samples == {"val_loss": [3.6]}
    assert "train with more seeds" in made.notes[0]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no row"),
        ("step,val_loss\n", "holds no row"),
        ("step,val_loss\n1,2\n2\n", "curve.csv:3 .*has 1 cells where the header has 2"),
        ("step,val_loss\n1,nan\n", "curve.csv:2 .*val_loss is 'nan': not a finite number"),
        ("step,val_loss\n1,abc\n", "not a finite number"),
        ("step,val_loss\n2,1\n1,1\n", "does not rise"),
        ("step,step\n1,1\n", "names a column twice"),
        ("val_loss\n1\n", "no column that counts progress"),
    ],
)
def test_a_broken_curve_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises((Unreadable, UsageError), match=message):
        imported(path)


def test_a_line_that_is_no_object(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "val_loss": 2}\n{"step": 2, "val_l')
    with pytest.raises(Unreadable, match=r"log.jsonl:2 .*not a JSON object"):
        imported(path)
