"""Results of lm-evaluation-harness: a `results_*.json`, with the `samples_*.jsonl` beside it where they were logged.

With samples every item's score is kept under its document, so that two models are compared item by item; without
them the stated standard errors are kept. A group (mmlu) has no samples of its own: its items are those of its tasks.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...errors import NOTHING, Location, Problem, Unreadable
from ...textio import read_text, shown
from ..record import Key, Measure, Stated
from .base import LARGEST, Imported, Importer

# fmt: off
SHARES = frozenset((
    "acc", "acc_norm", "acc_norm_nosp", "acc_mutual_info", "acc_all", "exact_match", "exact", "em", "f1", "f1_macro",
    "f1_abstractive", "contains", "pass@1", "pass_at_1", "mc1", "mc2", "mrr", "r@2", "likelihood_diff_acc",
    "prompt_level_strict_acc", "prompt_level_loose_acc", "inst_level_strict_acc", "inst_level_loose_acc",
    "exact_match_original", "pct_stereotype",
))
# fmt: on
"""Metrics between 0 and 1, which are shown as percentages."""

LOWER = ("perplexity", "bits_per_byte", "loss", "brier", "wer", "ter", "calibration_error")
"""Parts of names of metrics of which less is better, where the file does not say."""


class LmEval(Importer):
    """lm-evaluation-harness 0.4 and later."""

    name = "lm-eval"
    about = "results_*.json of lm-evaluation-harness, with samples_*.jsonl beside it"

    def recognises(self, path: Path, head: str) -> bool:
        return path.suffix == ".json" and bool(re.search(r'"results"\s*:\s*\{', head))

    def read(self, path: Path, options: Mapping[str, Any]) -> Imported:
        where = Location(shown(path))
        data = _json(path, where)
        results = data.get("results")
        if not isinstance(results, dict) or not all(isinstance(r, dict) for r in results.values()):
            raise Unreadable(Problem("results", NOTHING, "is not a map of tasks to metrics", where=where))
        logs = _Logs(path)
        measures: dict[str, Measure] = {}
        stated: dict[str, Stated] = {}
        samples: dict[str, list[float]] = {}
        keys: dict[str, list[Key]] = {}
        bare: list[str] = []
        for task, entry in results.items():
            for metric, filtered, value in _metrics(entry):
                name = f"{task}/{metric}" if filtered == "none" else f"{task}/{metric},{filtered}"
                items = logs.items(task, metric, filtered, _members(data, task))
                items = items if _explains(items, value) else {}
                chance = logs.chance(_members(data, task)) if items else None
                measures[name] = _measure(metric, data, task, chance, options)
                if items:
                    samples[name], keys[name] = list(items.values()), list(items)
                    continue
                stderr = _number(entry.get(f"{metric}_stderr,{filtered}"))
                stated[name] = Stated(value, stderr, _count(data, task))
                bare += [name] if stderr is None else []
        if not measures:
            raise Unreadable(Problem("results", NOTHING, "holds no metric of any task", where=where))
        short = {name: name.partition(",")[0] for name in _unfiltered(measures)}
        notes = tuple(f"{name} has no standard error: it cannot be compared" for name in bare)
        return Imported(
            kind="eval",
            target="lm-eval",
            measures=_renamed(measures, short),
            samples=_renamed(samples, short),
            keys=_renamed(keys, short),
            stated=_renamed(stated, short),
            settings=_settings(data),
            source=_source(data),
            notes=notes,
        )


def _json(path: Path, where: Location) -> dict[str, Any]:
    text = read_text(path, LARGEST).text
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        rule = f"is not JSON: {getattr(error, 'msg', 'nested too deep')}"
        remedy = "Export it again: it may have been cut off"
        raise Unreadable(
            Problem("", NOTHING, rule, remedy, Location(where.path, line, getattr(error, "colno", 0)))
        ) from None
    if not isinstance(data, dict):
        raise Unreadable(Problem("", NOTHING, "is not a map with results", where=where))
    return data


def _metrics(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Metric, filter and value of every number of a task that is no standard error."""
    for key, value in entry.items():
        metric, _, filtered = key.partition(",")
        number = _number(value)
        if "," in key and not metric.endswith("_stderr") and number is not None:
            yield metric, filtered, number


def _unfiltered(measures: Mapping[str, Measure]) -> list[str]:
    """Measures whose filter is the only one of their task and metric, and so need not be named."""
    plain: dict[str, list[str]] = {}
    for name in measures:
        plain.setdefault(name.partition(",")[0], []).append(name)
    return [names[0] for head, names in plain.items() if len(names) == 1 and names[0] != head]


T = TypeVar("T")


def _renamed(table: Mapping[str, T], names: Mapping[str, str]) -> dict[str, T]:
    return {names.get(name, name): value for name, value in table.items()}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None  # the harness writes "N/A" where it has no standard error
    return value


def _members(data: Mapping[str, Any], task: str) -> list[str]:
    """The tasks of a group, through groups in it; the task itself where it is none."""
    groups = data.get("group_subtasks")
    found: list[str] = []
    queue = [task]
    seen: set[str] = set()
    while queue:
        name = queue.pop(0)
        inner = groups.get(name) if isinstance(groups, dict) else None
        if inner and name not in seen:
            queue += [n for n in inner if isinstance(n, str)]
        elif name not in found:
            found.append(name)
        seen.add(name)
    return found


def _count(data: Mapping[str, Any], task: str) -> int:
    counts = data.get("n-samples", {})
    total = 0
    for name in _members(data, task):
        entry = counts.get(name, {}) if isinstance(counts, dict) else {}
        found = entry.get("effective", 0) if isinstance(entry, dict) else 0
        total += found if isinstance(found, int) else 0
    return total


def _measure(
    metric: str, data: Mapping[str, Any], task: str, choices: float | None, options: Mapping[str, Any]
) -> Measure:
    share = metric in SHARES
    chance = options.get("chance", choices if metric.startswith(("acc", "mc1")) and choices else None)
    return Measure(
        unit="%" if share else "",
        better=options.get("better") or _better(metric, data, task),
        summary="mean",
        chance=chance if share else None,
        scale=100 if share else 1,
    )


def _better(metric: str, data: Mapping[str, Any], task: str) -> Any:
    said = data.get("higher_is_better", {})
    found = said.get(task, {}).get(metric) if isinstance(said, dict) and isinstance(said.get(task, {}), dict) else None
    if isinstance(found, bool):
        return "higher" if found else "lower"
    return "lower" if any(part in metric for part in LOWER) else "higher"


def _explains(items: Mapping[Key, float], value: float) -> bool:
    """Whether the mean of the items is the stated value; it is not for corpus metrics, nor for means of tasks."""
    return bool(items) and math.isclose(math.fsum(items.values()) / len(items), value, rel_tol=1e-6, abs_tol=1e-9)


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """What every task of the file was run with, where it is one value."""
    made: dict[str, Any] = {}
    shots = {n for n in (data.get("n-shot") or {}).values() if isinstance(n, int)}
    if len(shots) == 1:
        made["n_shot"] = shots.pop()
    config = data.get("config") if isinstance(data.get("config"), dict) else {}
    if config and config.get("limit"):
        made["limit"] = config["limit"]
    return {name: value for name, value in made.items() if isinstance(value, str | int | float)}


def _source(data: Mapping[str, Any]) -> dict[str, Any]:
    config = data.get("config") if isinstance(data.get("config"), dict) else {}
    made = {
        "tool": "lm-evaluation-harness",
        "version": data.get("lm_eval_version"),
        "git": data.get("git_hash"),
        "date": data.get("date"),
        "model": data.get("model_name") or (config or {}).get("model_args"),
        "tasks": data.get("versions"),
    }
    return {name: value for name, value in made.items() if isinstance(value, str | int | float | dict)}


class _Logs:
    """The per-item logs beside a results file, read when a task asks for them."""

    def __init__(self, path: Path) -> None:
        stamp = path.stem.partition("_")[2]
        self._paths: dict[str, Path] = {}
        for found in sorted(path.parent.glob("samples_*.jsonl")):
            name, _, when = found.stem.removeprefix("samples_").rpartition("_")
            if when == stamp:
                self._paths[name] = found
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def _of(self, task: str) -> list[dict[str, Any]]:
        if task not in self._rows and task in self._paths:
            self._rows[task] = list(_rows(self._paths[task]))
        return self._rows.get(task, [])

    def items(self, task: str, metric: str, filtered: str, members: Iterable[str]) -> dict[Key, float]:
        """Each document's score, under its task and hash (or number); empty where one of the tasks has no log."""
        made: dict[Key, float] = {}
        for member in members:
            rows = [r for r in self._of(member) if r.get("filter", "none") == filtered and metric in r]
            if not rows:
                return {}
            for row in rows:
                number = _number(float(row[metric])) if isinstance(row[metric], bool | int | float) else None
                key = f"{member}:{str(row.get('doc_hash') or row.get('doc_id'))[:12]}"
                if key in made:
                    key = f"{key}:{row.get('doc_id')}"
                if number is None or key in made:
                    return {}
                made[key] = number
        return made

    def chance(self, members: Iterable[str]) -> float | None:
        """The accuracy of guessing: the mean of one over the number of choices; None where answers are free text."""
        shares: list[float] = []
        for member in members:
            for row in self._of(member):
                answers = row.get("filtered_resps")
                if not isinstance(answers, list) or len(answers) < 2 or not all(isinstance(a, list) for a in answers):
                    return None
                shares.append(1 / len(answers))
        return math.fsum(shares) / len(shares) if shares else None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text(path, LARGEST).text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            remedy = "Evaluate again with --log_samples, or move the file away to use the stated standard errors"
            where = Location(shown(path), number)
            raise Unreadable(Problem("", NOTHING, "is not a JSON object: the log was cut off", remedy, where)) from None
        yield row
