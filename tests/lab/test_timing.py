"""The harness: fair turns, honest waiting, stopping; nothing here asserts how fast this machine is."""

from __future__ import annotations

import gc
import importlib.util
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archwright.errors import InvalidValue
from archwright.evidence.statistics import compare_pairs
from archwright.lab.timing import NOT_NEEDED, measure


class Queue:
    """A device in miniature: work is queued, and done by another thread."""

    def __init__(self) -> None:
        self.jobs: queue.Queue[float] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            time.sleep(self.jobs.get())
            self.jobs.task_done()

    def submit(self, seconds: float) -> None:
        self.jobs.put(seconds)

    def wait(self) -> None:
        self.jobs.join()


def slept(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def test_how_to_wait_must_be_said() -> None:
    with pytest.raises(InvalidValue, match=r"synchronize is missing.*torch.cuda.synchronize.*not needed"):
        measure({"a": slept(0)})
    with pytest.raises(InvalidValue, match="must be a function"):
        measure({"a": slept(0)}, synchronize="later")  # type: ignore[arg-type]


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        measure({"a": 3}, until=2, time_limit=0)  # type: ignore[dict-item]
    assert [p.field for p in caught.value.problems] == ["arms.a", "synchronize", "until", "time_limit"]
    with pytest.raises(InvalidValue, match="arms is empty"):
        measure({}, synchronize=NOT_NEEDED)


def test_queued_work_is_waited_for() -> None:
    device = Queue()
    arms = {"old": lambda: (device.submit(0.008), device.wait()), "new": lambda: device.submit(0.02)}
    made = measure(arms, synchronize=device.wait, time_limit=2, until=0.1)
    ratio = compare_pairs(made.arms["old"], made.arms["new"], "ratio", "median")
    assert 2.0 < ratio.value < 2.7, "the new operator is 2.5 times slower"


def test_queued_work_that_is_not_waited_for_is_found_out() -> None:
    device = Queue()
    arms = {"old": lambda: (device.submit(0.008), device.wait()), "new": lambda: device.submit(0.02)}
    with pytest.raises(InvalidValue, match=r"old takes .* right after new .*new leaves work behind"):
        measure(arms, synchronize=NOT_NEEDED, time_limit=2)
    device.wait()


def test_the_device_of_the_field_case(shared: Path) -> None:
    file = shared / "data" / "field-cases" / "fc-22-missing-synchronize" / "device.py"
    spec = importlib.util.spec_from_file_location("fc22_device", file)
    assert spec and spec.loader
    device: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(device)
    arms = {"old": device.old_operator, "new": device.new_operator}
    made = measure(arms, synchronize=device.synchronize, time_limit=2, until=0.1)
    assert made.median("new") == pytest.approx(0.020, rel=0.1) and made.median("old") == pytest.approx(0.008, rel=0.1)
    with pytest.raises(InvalidValue, match="synchronize is missing"):
        measure(arms, time_limit=2)
    with pytest.raises(InvalidValue, match="new leaves work behind"):
        measure(arms, synchronize=NOT_NEEDED, time_limit=2)
    device.synchronize()


def test_arms_take_turns_and_only_then() -> None:
    order: list[str] = []
    arms = {name: (lambda n=name: (order.append(n), time.sleep(0.001))) for name in "abc"}
    made = measure(arms, synchronize=NOT_NEEDED, until=0.0001, most=20, time_limit=30)
    assert made.rounds == 20 and made.stopped_by == "samples"
    turns = [order[-60:][i : i + 3] for i in range(0, 60, 3)]
    assert all(sorted(each) == list("abc") for each in turns), "a turn runs each arm once"
    assert len({tuple(each) for each in turns}) > 3, "no arm always follows the same other"


def test_short_calls_are_repeated_within_a_sample() -> None:
    made = measure({"a": lambda: None}, synchronize=NOT_NEEDED, until=0.5, time_limit=5)
    assert made.calls_a_sample["a"] > 100 and made.stopped_by == "interval"
    assert made.to_conditions()["calls_a_sample"] == dict(made.calls_a_sample)


def test_preparation_runs_before_every_sample_and_is_not_timed() -> None:
    calls: list[str] = []
    made = measure(
        {"a": lambda: calls.append("run")},
        prepare={"a": lambda: (calls.append("prepare"), time.sleep(0.003))},
        synchronize=NOT_NEEDED,
        most=20,
        until=0.0001,
    )
    assert calls == ["prepare", "run"] * (len(calls) // 2)
    assert made.median("a") < 0.003


def test_the_time_limit_is_kept_and_said() -> None:
    made = measure({"a": slept(0.02), "b": slept(0.02)}, synchronize=NOT_NEEDED, until=1e-6, time_limit=0.5)
    assert made.stopped_by == "time" and made.seconds < 30
    assert any("time limit" in note for note in made.notes)


def test_a_call_longer_than_the_limit_still_gives_a_sample() -> None:
    made = measure({"a": slept(0.05)}, synchronize=NOT_NEEDED, time_limit=0.01)
    assert made.rounds == 1


def test_drift_is_reported() -> None:
    clock = iter(range(1_000_000))
    made = measure(
        {"a": slept(0)}, synchronize=NOT_NEEDED, clock=lambda run, times: 1.01 ** next(clock), most=40, until=1e-6
    )
    assert made.drift["a"] > 0.05 and any("slower on the way" in note for note in made.notes)


def test_the_collector_is_put_back_even_after_a_failure() -> None:
    calls = iter(range(100))

    def fails() -> None:
        if next(calls) > 10:
            raise KeyboardInterrupt
        time.sleep(0.002)

    assert gc.isenabled()
    with pytest.raises(KeyboardInterrupt):
        measure({"a": fails}, synchronize=NOT_NEEDED)
    assert gc.isenabled()


def test_progress_is_told() -> None:
    told: list[tuple[float, str]] = []
    arms = {"a": slept(0.001)}
    measure(arms, synchronize=NOT_NEEDED, time_limit=9, most=40, until=1e-6, progress=lambda *x: told.append(x))
    assert told[0][1] == "warming up a" and all(0 <= share <= 1 for share, _ in told)
    assert any("rounds" in text for _, text in told)
