"""Lists and screens of evidence, and what reading it may import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from archwright.evidence.listing import lines, results, rows, table, to_json
from archwright.evidence.store import Store

from .helpers import BASE, bench, evaluation, noisy


def test_rows_and_screen(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    store.add(bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)}, notes=("clock fell by 3 %",)))
    (row,) = rows(store.records)
    assert row["arms"] == ["mha", "decision"] and row["device"] == "h100-sxm"
    assert row["results"][0].startswith("time mha -> decision: 2.5") and "x faster" in row["results"][0]
    assert to_json(store.records)["schema"] == "archwright/evidence-list/1"
    text = "\n".join(lines(store.records[0]))
    assert "ran      archwright bench decode" in text and "note     clock fell by 3 %" in text
    head, body = table(store.records[0].evidence)
    assert head[-1] == "against mha" and [line[:2] for line in body] == [
        ["mha", "time"],
        ["mha", "throughput"],
        ["decision", "time"],
        ["decision", "throughput"],
    ]


def test_no_gain_is_said_to_be_noise() -> None:
    (said,) = results(bench({"mha": noisy(1.0), "decision": noisy(1.0, seed=2)}))
    assert said.endswith("within noise")


def test_a_single_arm_shows_its_values() -> None:
    (said,) = results(evaluation("mha", BASE, [1.0, 0.0, 1.0, 1.0]))
    assert said.startswith("mmlu/acc 75.0 %")


FRESH = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "scipy", "pydantic"):
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refused())
from archwright.evidence import Store, judge, observe
from tests.evidence.helpers import bench, noisy, request
from pathlib import Path

store = Store.of(Path(sys.argv[1]))
store.add(bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)}))
verdict = judge(observe(request(), store), [(2, 3)], "ratio")
print(verdict.name, len(store.verify()[1]))
"""


def test_a_check_imports_neither_torch_nor_scipy(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    command = [sys.executable, "-W", "error", "-c", FRESH, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["holds", "0"], done.stderr
