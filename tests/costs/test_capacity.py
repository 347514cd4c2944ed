"""What fits: largest batch and context are exact inverses, the number of devices is the smallest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw
from archwright.costs.hardware import Device, all_devices, read

from .strategies import architectures

m = aw.metrics
MIB = 2**20


def small_device(memory: int) -> Device:
    fact = {"value": 1, "unit": "TB/s", "source": "made up", "read_on": "2026-01-01"}
    return read(
        "toy",
        {
            "name": "Toy",
            "memory": {**fact, "value": memory, "unit": "B"},
            "bandwidth": fact,
            "peaks": {"bf16": {**fact, "unit": "TFLOP/s"}},
        },
    )


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 30), st.integers(1, 60_000))
def test_the_largest_batch_fits_and_one_more_does_not(a, context, memory):
    device = small_device(int(m.weights(a)) + memory)
    most = int(m.max_batch(a, device=device, context=context, usable=1))
    if most:
        assert m.fits(a, device=device, context=context, batch=most, usable=1)
    assert not m.fits(a, device=device, context=context, batch=most + 1, usable=1)
    one = m.kv_cache(a, context=context).value
    assert most == memory // one


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 3), st.integers(1, 60_000))
def test_the_longest_context_fits_and_one_more_does_not(a, batch, memory):
    device = small_device(int(m.weights(a)) + memory)
    if all(layer.attention.type != "full" for layer in a.layers):
        try:
            most = int(m.max_context(a, device=device, batch=batch, usable=1))
        except aw.ArchwrightError as error:
            assert "the cache stops growing" in str(error)
            assert m.fits(a, device=device, context=10**6, batch=batch, usable=1)
            return
    else:
        most = int(m.max_context(a, device=device, batch=batch, usable=1))
    if most:
        assert m.fits(a, device=device, context=most, batch=batch, usable=1)
    assert not m.fits(a, device=device, context=most + 1, batch=batch, usable=1)


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 30), st.integers(1, 60_000))
def test_tokens_in_the_cache_are_sequences_and_the_rest(a, context, memory):
    device = small_device(int(m.weights(a)) + memory)
    tokens = int(m.max_tokens_in_cache(a, device=device, context=context, usable=1))
    sequences, rest = divmod(tokens, context)

    def held(rest: int) -> int:
        more = m.kv_cache(a, context=rest).value if rest else 0
        return sequences * m.kv_cache(a, context=context).value + more

    assert held(rest) <= memory
    if rest + 1 < context:
        assert held(rest + 1) > memory
    assert (sequences + 1) * m.kv_cache(a, context=context).value > memory


def test_a_verdict_says_how_much_is_left():
    a = aw.ArchitectureConfig(d_ff=14336, vocab_size=128256, max_seq_len=131072, feed_forward={"type": "swiglu"})
    fit = m.fits(a, device="h100-sxm", context=32768)
    assert fit and fit.word == "fits"
    assert fit.available.value * 10 == 81559 * MIB * 9
    assert fit.needed == m.inference_memory(a, context=32768)
    assert fit.headroom == fit.available - fit.needed
    assert str(fit) == "yes: 19.0 of 71.7 GiB"
    assert fit.notes == ("90 % of 79.6 GiB on H100 SXM",)
    not_fit = m.fits(a, device="rtx-4090", context=131072)
    assert not not_fit and not_fit.word == "does not fit"
    assert not_fit.headroom.value < 0
    assert m.fits(a, device="rtx-4090", context=131072, n_devices=2)
    assert m.fits(a, device="rtx-4090", context=131072, tp=2)


def test_the_devices_that_hold_llama_3_1_8b_at_its_longest():
    a = aw.ArchitectureConfig(d_ff=14336, vocab_size=128256, max_seq_len=131072, feed_forward={"type": "swiglu"})
    holding = {d.slug for d in all_devices() if m.fits(a, device=d)}
    assert holding == {d.slug for d in all_devices()} - {"rtx-4090", "tpu-v4"}
    assert all(m.fits(a, device=d, context=32768) for d in all_devices())


def test_the_number_of_devices_is_the_smallest():
    a = aw.load("llama-3.1-405b")
    needed = int(m.devices_needed(a, device="h100-sxm", context=32768))
    assert m.fits(a, device="h100-sxm", context=32768, tp=needed)
    assert not m.fits(a, device="h100-sxm", context=32768, tp=needed - 1)
    ways = next(tp for tp in range(1, 20) if m.fits(a, device="h100-sxm", context=32768, tp=tp, pp=3))
    assert int(m.devices_needed(a, device="h100-sxm", context=32768, pp=3)) == 3 * ways
    assert int(m.devices_needed(aw.ArchitectureConfig(), device="h100-sxm", context=1)) == 1
    with pytest.raises(aw.ArchwrightError, match="however many there are"):
        m.devices_needed(a, device="h100-sxm", context=32768, batch=10**9)


def test_devices_in_all_agree_with_how_they_split():
    a = aw.ArchitectureConfig()
    by_tp = m.fits(a, device="h100-sxm", tp=4, pp=2)
    assert by_tp.needed == m.fits(a, device="h100-sxm", n_devices=8, pp=2).needed
    assert by_tp.needed == m.fits(a, device="h100-sxm", n_devices=8, tp=4, pp=2).needed
    with pytest.raises(aw.ArchwrightError, match=r"n_devices is 6: not tp x pp \(4 x 1\)|n_devices"):
        m.fits(a, device="h100-sxm", n_devices=6, tp=4)


def test_a_cache_that_stops_growing_has_no_longest_context():
    a = aw.ArchitectureConfig(attention={"type": "sliding", "window_size": 512})
    with pytest.raises(aw.ArchwrightError, match="the cache stops growing"):
        m.max_context(a, device="h100-sxm")
    assert int(m.max_batch(a.change(n_layers=1), device="h100-sxm", context=1)) > 10**6
    assert int(m.max_context(aw.load("llama-3.1-405b"), device="h100-sxm")) == 0
    assert int(m.max_tokens_in_cache(aw.load("llama-3.1-405b"), device="h100-sxm")) == 0


def test_experts_are_spread_over_devices():
    a = aw.load("gpt-oss-120b")
    experts = 36 * 128 * 3 * 2880 * 2880
    one = m.fits(a, device="h100-sxm", context=4096, dtype="bf16").needed.value
    four = m.fits(a, device="h100-sxm", context=4096, dtype="bf16", ep=4)
    biases = 36 * 128 * 3 * 2880
    assert one - four.needed.value == (experts + biases) * 2 * 3 // 4
    assert four.needed == m.fits(a, device="h100-sxm", context=4096, dtype="bf16", ep=4, n_devices=4).needed
    assert not m.fits(a, device="h100-sxm", context=4096, dtype="bf16")
    assert m.devices_needed(a, device="h100-sxm", context=4096, dtype="bf16", ep=4) == 4
    assert m.max_batch(a, device="h100-sxm", context=4096, dtype="bf16", ep=4) > 0
    with pytest.raises(aw.ArchwrightError, match=r"not tp x pp x ep \(4 x 1 x 2\)"):
        m.fits(a, device="h100-sxm", n_devices=6, tp=4, ep=2)
