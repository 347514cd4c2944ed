"""Accelerators: every figure with source and day, dense peaks, the driver's memory, and errors that list the known."""

from __future__ import annotations

import datetime
from fractions import Fraction

import pytest

import archwright as aw
from archwright.costs.hardware import all_devices, device, devices, names, read

LISTED = ["a100-40gb", "a100-80gb", "b200", "h100-pcie", "h100-sxm", "h200", "l40s", "mi300x", "rtx-4090", "tpu-v4"]

VENDOR = {
    "a100-40gb": (40960, 1555, 312), "a100-80gb": (81920, 2039, 312), "h100-sxm": (81559, 3350, Fraction("989.4")),
    "h100-pcie": (81559, 2000, Fraction("756.5")), "h200": (143771, 4800, Fraction("989.4")),
    "b200": (183359, 8000, 2250), "mi300x": (196592, 5300, Fraction("1307.4")),
    "l40s": (46068, 864, Fraction("362.05")), "rtx-4090": (24564, 1008, Fraction("165.2")),
    "tpu-v4": (32768, 1200, 275),
}  # fmt: skip
"""MiB, GB/s and dense bf16 TFLOP/s, typed from the sources a second time."""


def test_the_listed_ones_are_there():
    assert names() == LISTED


@pytest.mark.parametrize("name", LISTED)
def test_a_device_has_its_figures_with_source_and_day(name):
    d = device(name)
    assert (d.memory / 2**20, d.bandwidth / 10**9, d.peak("bf16") / 10**12) == VENDOR[name]
    assert d.name and d.vendor in ("NVIDIA", "AMD", "Google")
    for label, fact in d.facts:
        assert fact.value > 0, label
        assert len(fact.source) > 20, label
        assert "http" in fact.source or "smi" in fact.source, label
        assert datetime.date.fromisoformat(fact.read_on) <= datetime.date.today()
    peaks = d.peaks
    if d.vendor != "Google":
        assert peaks["fp32"] < peaks["bf16"] == peaks["fp16"]
    if "fp8" in peaks:
        assert Fraction(19, 10) < peaks["fp8"] / peaks["bf16"] < Fraction(21, 10)
    data = d.to_dict()
    assert data["facts"]["memory"]["unit"] == "B" and data["facts"]["peak.bf16"]["value"] == int(d.peak("bf16"))


def test_they_are_sorted_by_memory():
    sizes = [d.memory for d in all_devices()]
    assert sizes == sorted(sizes)
    assert all_devices()[0].slug == "rtx-4090"


def test_an_unknown_device_lists_the_known():
    with pytest.raises(
        aw.ArchwrightError, match=r"'h100'.*Did you mean h100-pcie or h100-sxm\?.*a100-40gb, .*rtx-4090"
    ):
        device("h100")
    with pytest.raises(aw.ArchwrightError, match="Known: a100-40gb"):
        device(None)
    with pytest.raises(aw.ArchwrightError, match=r"device is 'tpu-v9': not a known accelerator"):
        aw.metrics.decode_time(aw.ArchitectureConfig(), device="tpu-v9")


def fact(value, unit):
    return {"value": value, "unit": unit, "source": "a data sheet", "read_on": "2026-01-02"}


def test_a_package_may_bring_one():
    data = {
        "name": "Toy 1", "vendor": "Toys", "memory": fact(8, "GiB"), "bandwidth": fact(0.1, "TB/s"),
        "peaks": {"bf16": fact(1.5, "TFLOP/s")},
    }  # fmt: skip
    devices.register("toy-1", data)
    try:
        assert "toy-1" in names()
        a = aw.ArchitectureConfig()
        assert aw.metrics.ridge_point(a, device="toy-1") == 15
        assert aw.metrics.fits(a, device="toy-1").available.value * 10 == 9 * 8 * 2**30
    finally:
        devices._items.pop("toy-1")


def test_every_fault_of_a_file_is_named():
    data = {"memory": fact(-1, "GiB"), "bandwidth": {"value": 1, "unit": "TB/s"}, "peaks": {"bf16": 3}}
    with pytest.raises(aw.ArchwrightError) as caught:
        read("toy", data, "toy.yaml")
    found = [str(p) for p in caught.value.problems]
    assert len(found) == 3
    assert all(f.startswith("toy.yaml  toy.") for f in found)
    assert "lacks source and read_on" in found[1]
    with pytest.raises(aw.ArchwrightError, match="must be a map from data types to dense peaks"):
        read("toy", {"memory": fact(1, "GiB"), "bandwidth": fact(1, "TB/s")})


def test_power_is_there_where_a_source_was_found():
    watts = {d.slug: d.power for d in all_devices() if d.power is not None}
    assert watts == {"rtx-4090": 450, "tpu-v4": 192, "h100-pcie": 350, "h100-sxm": 700, "h200": 700, "mi300x": 750}
    assert device("h100-sxm").to_dict()["facts"]["power"]["unit"] == "W"


def test_a_chip_of_pods_is_not_asked_what_fits_on_it():
    assert [d.slug for d in all_devices() if not d.single] == ["tpu-v4"]
    asked = {dict(r.settings)["device"] for r in aw.estimate(aw.ArchitectureConfig()).results if r.metric == "fits"}
    assert asked == set(LISTED) - {"tpu-v4"}
