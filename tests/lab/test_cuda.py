"""The same on a GPU, where there is one: events, cleared caches, allocator counters, and a forgotten synchronize."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from archwright.arch.config import ArchitectureConfig
from archwright.errors import InvalidValue, NotSupported
from archwright.lab import bench, calibrate
from archwright.lab.calibration import ceilings
from archwright.lab.devices import Cuda, open_device
from archwright.lab.timing import NOT_NEEDED, measure

BASE = ArchitectureConfig(d_model=256, n_layers=2, n_heads=8, n_kv_heads=8, d_ff=512, vocab_size=1000, max_seq_len=4096)


@pytest.fixture(autouse=True)
def gpu() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here: run these tests on a machine with one")
    yield
    torch.cuda.empty_cache()


@pytest.mark.parametrize("target", ["attention", "layer", "prefill", "decode"])
def test_every_target_on_a_gpu(target: str) -> None:
    arms = {"mha": BASE, "decision": BASE.change(n_kv_heads=2)}
    made = bench(target, arms, context=1024, batch=2, dtype="bf16", device="cuda", time_limit=5, most=40, until=0.1)
    assert {*made.measures} == {"time", "peak_memory"} and made.conditions["rounds"] >= 20
    assert "calls_a_sample" not in made.conditions, "each sample is one call behind a cleared cache"
    assert made.environment["device"]["cuda"] == torch.version.cuda
    assert "threads" not in made.settings


def test_peak_memory_is_of_one_arm_alone() -> None:
    device = open_device("cuda")
    assert isinstance(device, Cuda)
    beside = torch.empty(100 * 2**20, dtype=torch.int8, device="cuda")

    def run(x: torch.Tensor) -> None:
        del x
        torch.empty(2 * 2**20, dtype=torch.int8, device="cuda")

    held, peak = device.peak_of(lambda: torch.empty(4 * 2**20, dtype=torch.int8, device="cuda"), run)
    assert peak == 6 * 2**20 and held.numel() == 4 * 2**20
    del beside


def test_work_that_is_not_waited_for_is_found_out() -> None:
    a = torch.randn(8192, 8192, device="cuda")
    out = torch.empty_like(a)
    with pytest.raises(InvalidValue, match="device worked for"):
        measure({"product": lambda: torch.mm(a, a, out=out)}, synchronize=NOT_NEEDED, time_limit=1, most=20)


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(NotSupported, match="not here: there are"):
        open_device("cuda:99")


def test_out_of_memory_on_a_gpu_says_what_would_fit() -> None:
    wide = BASE.change(max_seq_len=2**20)
    with pytest.raises(NotSupported, match=r"arm mha does not fit: .* are free.*Try batch \d+"):
        bench("decode", {"mha": wide}, context=2**20, batch=256, dtype="bf16", device="cuda")


def test_the_ceilings_of_a_gpu_are_above_a_tenth_of_any_of_the_last_ten_years() -> None:
    found = ceilings(calibrate(device="cuda", dtype="bf16", sizes=(4096,), copied=2**29, time_limit=5))
    assert found["flops"] > 1e12 and found["bytes"] > 5e10
