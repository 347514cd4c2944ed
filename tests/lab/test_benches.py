"""Benches end to end on small models: what is recorded, what is refused; no assertion on how fast anything is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from archwright.arch.config import ArchitectureConfig
from archwright.errors import InvalidValue, NotSupported
from archwright.evidence.observation import observe
from archwright.evidence.record import Evidence
from archwright.evidence.request import Side, bench_request
from archwright.evidence.store import Store
from archwright.evidence.verdict import judge
from archwright.lab import bench, calibrate, run
from archwright.lab import devices as devices_module
from archwright.lab import fit as fit_module
from archwright.lab.calibration import ceilings
from archwright.lab.code import code_of
from archwright.lab.devices import REPORTED, Cpu, cpu_slug, dtype_of, is_out_of_memory, open_device, slug_of
from archwright.lab.targets import Workload, build, traced
from archwright.lab.watch import Readings, notes, of_cpu

BASE = ArchitectureConfig(d_model=64, n_layers=2, n_heads=4, n_kv_heads=4, d_ff=128, vocab_size=100, max_seq_len=256)
DECISION = BASE.change(n_kv_heads=1)
ARMS = {"mha": BASE, "decision": DECISION}
QUICK: dict[str, Any] = {"context": 32, "dtype": "fp32", "most": 20, "until": 0.5, "time_limit": 5.0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models gain nothing from threads, and tests share the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("target", ["attention", "layer", "prefill", "decode"])
def test_every_target_ends_in_a_valid_record(target: str, tmp_path: Path) -> None:
    made = bench(target, ARMS, **QUICK, command=("archwright", "bench", target), root=tmp_path)
    assert (made.kind, made.target, made.paired) == ("bench", target, True)
    assert made.device == cpu_slug() and made.settings["threads"] == torch.get_num_threads()
    assert made.settings["context"] == 32 and ("passes" in made.settings) == (target in ("attention", "layer"))
    assert {*made.measures} == {"time", "peak_memory"}
    assert [arm.name for arm in made.arms] == ["mha", "decision"]
    for arm in made.arms:
        assert arm.work["tokens"] == (1 if target == "decode" else 32)
        assert any(name.startswith("archwright.nn.backends.") for name in arm.code)
        assert all(value.startswith("revision ") for value in arm.code.values())
    assert made.environment["versions"]["torch"] == torch.__version__
    assert made.conditions["rounds"] >= 1 and set(made.conditions["backends"]) == set(ARMS)
    store = Store.of(tmp_path)
    store.add(made)
    assert store.verify()[1] == []


def test_a_record_answers_the_request_it_was_made_for(tmp_path: Path) -> None:
    sides = (Side("mha", BASE), Side("decision", DECISION))
    request = bench_request("decode_throughput", sides, {"batch": 2, "context": 32, "dtype": "fp32"}, cpu_slug())
    made = run(request, device="cpu", most=20, until=0.5, root=tmp_path)
    store = Store.of(tmp_path)
    store.add(made)
    verdict = judge(observe(request, store, tmp_path), [(0, 1e9)], "ratio")
    assert verdict.name == "holds" and verdict.evidence == (made.file_name,)
    changed = (sides[0], Side("decision", DECISION.change(d_ff=256)))
    stale = judge(
        observe(bench_request("decode_time", changed, dict(request.settings), cpu_slug()), store), [(0, 9)], "ratio"
    )
    assert stale.name == "stale" and "d_ff was 128, is 256" in stale.message
    elsewhere = bench_request("decode_time", sides, dict(request.settings), "h100-sxm")
    with pytest.raises(InvalidValue, match=r"h100-sxm.*not here: cpu is cpu-.*Run it on a machine with h100-sxm"):
        run(elsewhere, device="cpu")


def test_fewer_heads_hold_less_memory() -> None:
    made = bench("decode", ARMS, **QUICK | {"context": 256, "batch": 4})
    (memory,) = [c for c in made.summary["compared"] if c["measure"] == "peak_memory"]
    # At least the caches: K and V, 2 layers, 4 rows, 256 tokens, 16 wide, 4 bytes, 4 heads against 1.
    held = [arm.samples["peak_memory"][0] for arm in made.arms]
    assert held[0] - held[1] >= 2 * 2 * 4 * 256 * 16 * 4 * (4 - 1)
    assert memory["low"] == memory["value"] == memory["high"] < 1


def test_peak_memory_of_a_cpu_counts_every_tensor() -> None:
    def build_it() -> torch.Tensor:
        return torch.zeros(1000, 250)  # 1 MB

    def run_it(x: torch.Tensor) -> None:
        del x
        torch.zeros(500, 1000)  # 2 MB beside it

    _, peak = Cpu(torch.device("cpu")).peak_of(build_it, run_it)
    assert peak is not None and 3_000_000 <= peak < 3_100_000


def test_training_passes_and_windows() -> None:
    arms = {"full": BASE, "sliding": BASE.change(attention={"type": "sliding", "window_size": 8})}
    made = bench("attention", arms, **QUICK, passes="both")
    assert made.settings["passes"] == "both"
    assert made.arms[0].architecture != made.arms[1].architecture


def test_a_backend_by_name_is_the_one_that_ran() -> None:
    arms = [Side("auto", BASE), Side("reference", BASE, (("backend", "reference"),))]
    made = bench("attention", arms, **QUICK)
    assert made.conditions["backends"]["reference"] == ["reference"]
    assert "archwright.nn.backends.reference" in made.arms[1].code
    assert made.arms[1].settings == {"backend": "reference"}


def test_shares_of_the_roofline_and_results_above_it() -> None:
    def cost(config: ArchitectureConfig, settings: Any) -> dict[str, float]:
        assert settings["target"] == "attention" and settings["context"] == 32
        return {"flops": 1e6, "bytes": 1e6}

    peaks = {"flops": 1e15, "bytes": 1e15, "source": "a test"}
    made = bench("attention", {"mha": BASE}, **QUICK, cost=cost, peaks=peaks)
    shares = made.values(made.arms[0], "flops_share")
    assert shares and all(0 < share < 100 for share in shares)
    low = {"flops": 1.0, "bytes": 1e15, "source": "a test"}
    with pytest.raises(
        InvalidValue, match=r"above what the device can do: .*FLOP/s measured, 1.00 FLOP/s at most \(a test"
    ):
        bench("attention", {"mha": BASE}, **QUICK, cost=cost, peaks=low)
    assert bench("attention", {"mha": BASE}, **QUICK, cost=cost, peaks=low | {"measured": True})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"target": "decoding"}, "Did you mean decode"),
    ({"arms": {}}, "arms is empty"),
    ({"dtype": "bfloat"}, "not a type that a bench computes in"),
    ({"device": "gpu"}, "not a kind of device"),
    ({"context": 0, "batch": 0}, r"batch is 0: must be positive\.\ncontext is 0: must be positive"),
    ({"passes": "both"}, "has no meaning for decode"),
    ({"context": 512}, r"longer than max_seq_len of the architecture \(256\)"),
    ({"threads": 0}, "threads is 0: must be positive"),
    ({"arms": [Side("a", BASE, (("batch", 3),))]}, "are not settings of an arm|not settings of an arm"),
]


@pytest.mark.parametrize("change, message", REFUSED)
def test_what_makes_no_sense_is_refused_before_anything_runs(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"target": "decode", "arms": ARMS, **QUICK, **change}
    with pytest.raises(InvalidValue, match=message):
        bench(given.pop("target"), given.pop("arms"), **given)


def test_a_missing_gpu_says_where_to_run() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU, so none is missing")
    with pytest.raises(
        NotSupported, match=r"device is 'cuda': not here.*Run the same command on a machine that has one"
    ):
        bench("decode", ARMS, **QUICK, device="cuda")


def test_out_of_memory_says_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(Cpu, "peak_of", fail)
    monkeypatch.setattr(Cpu, "free", lambda self: 2_000_000)
    with pytest.raises(NotSupported, match=r"arm mha does not fit: weights and cache alone take .*Try batch \d+"):
        bench("decode", ARMS, **QUICK | {"context": 256, "batch": 64})
    monkeypatch.setattr(Cpu, "free", lambda self: 1000)
    with pytest.raises(NotSupported, match="Use a device with more memory"):
        bench("decode", ARMS, **QUICK)


def test_what_would_fit_really_fits() -> None:
    work = Workload("decode", 64, 256, torch.float32, torch.device("cpu"))
    free = 2_000_000
    text = str(fit_module.out_of_memory("a", BASE, work, free))
    batch = int(text.partition("Try batch ")[2].partition(",")[0])
    assert fit_module.held(BASE, work, batch, 256) <= 0.9 * free < fit_module.held(BASE, work, batch + 1, 256)
    runner = build(BASE, Workload("decode", batch, 256, torch.float32, torch.device("cpu")), {})
    weights = sum(p.nbytes for p in runner.module.parameters())
    assert fit_module.held(BASE, work, batch, 256) == weights + sum(c.nbytes for c in runner.caches)


def test_other_runtime_errors_are_not_taken_for_memory() -> None:
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied")) and not is_out_of_memory(ValueError())


def test_decoding_steps_do_not_lengthen_the_cache() -> None:
    for attention in ({"type": "full"}, {"type": "sliding", "window_size": 8}):
        config = BASE.change(attention=attention)
        runner = build(config, Workload("decode", 2, 32, torch.float32, torch.device("cpu")), {})
        for _ in range(3):
            assert runner.prepare is not None
            runner.prepare()
            assert {c.host_lengths for c in runner.caches} == {(31, 31)}
            runner.run()
            assert {c.host_lengths for c in runner.caches} == {(32, 32)}


def test_the_trace_leaves_no_trace() -> None:
    from archwright.nn.backends.base import backends

    with traced() as used:
        assert used == set()
    assert all("run" not in vars(backend) for _, backend in backends.items())


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def stop(share: float, text: str) -> None:
        if "warming" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench("attention", ARMS, **QUICK, progress=stop, root=tmp_path)
    assert not list(tmp_path.iterdir())


# Devices and code ---------------------------------------------------------------------------------------------


def test_known_devices_are_those_whose_facts_are_known() -> None:
    folder = Path(devices_module.__file__).parents[1] / "costs" / "hardware"
    assert {*REPORTED.values()} <= {path.stem for path in folder.glob("*.yaml")}
    assert slug_of("NVIDIA H100 80GB HBM3", "cuda") == "h100-sxm"
    assert slug_of("NVIDIA GeForce RTX 5090", "cuda") == "cuda-nvidia-geforce-rtx-5090"
    assert dtype_of("bf16") is torch.bfloat16
    assert isinstance(open_device("cpu"), Cpu)


MODULE = """
import torch
from archwright.nn import AttentionModule

class Mine(torch.nn.Module):
    def forward(self, x):
        return x
"""


def test_code_of_the_users_own_modules(tmp_path: Path) -> None:
    file = tmp_path / "mine_for_a_test.py"
    file.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("mine_for_a_test", file)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["mine_for_a_test"] = module
    try:
        spec.loader.exec_module(module)
        inside = code_of([module.Mine()], [], tmp_path)
        assert list(inside) == ["mine_for_a_test.py:Mine"] and inside["mine_for_a_test.py:Mine"].startswith("source-")
        assert code_of([module.Mine()], [], tmp_path / "elsewhere") == {"package mine_for_a_test": "unknown"}
    finally:
        del sys.modules["mine_for_a_test"]


def test_code_of_ours_leaves_other_backends_out() -> None:
    runner = build(BASE, Workload("attention", 1, 8, torch.float32, torch.device("cpu")), {"backend": "sdpa"})
    made = code_of([runner.module], ["sdpa"], None)
    assert "archwright.nn.backends.sdpa" in made and "archwright.nn.attention.module" in made
    assert "archwright.nn.rotary" in made
    assert not {f"archwright.nn.backends.{name}" for name in ("flex", "flash", "chunked")} & set(made)
    assert "archwright.nn.feed_forward" not in made


# Calibration and readings -------------------------------------------------------------------------------------


def test_calibration_gives_ceilings(tmp_path: Path) -> None:
    made = calibrate(dtype="fp32", sizes=(32, 64), copied=2**20, time_limit=1, root=tmp_path)
    assert isinstance(made, Evidence) and made.kind == "calibration"
    found = ceilings(made)
    assert found["flops"] > 0 and found["bytes"] > 0 and found["measured"] and made.file_name in found["source"]
    store = Store.of(tmp_path)
    store.add(made)
    assert store.verify()[1] == []


def test_readings_keep_extremes_and_say_what_fell() -> None:
    values = iter([1900.0, 1980.0, 1500.0, 1700.0])
    readings = Readings(lambda: {"clock_mhz": next(values)})
    readings.look()
    readings.look()
    made = readings.conditions()
    assert made == {"clock_mhz": {"first": 1900.0, "low": 1500.0, "high": 1980.0, "last": 1700.0}}
    assert notes(made) == ["the clock mhz went from 1980 to 1500"]
    assert notes(of_cpu().conditions()) is not None and notes({"rounds": 3}) == []
