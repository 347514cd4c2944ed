"""Traffic and roofline: bytes by hand, the larger of two times for every part, ridge points, published figures."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw
from archwright.arch.weights import PARTS

from .strategies import architectures

m = aw.metrics
H100_PEAK, H100_BANDWIDTH = Fraction(9894 * 10**11), Fraction(335 * 10**10)


def llama() -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(d_ff=14336, vocab_size=128256, max_seq_len=131072, feed_forward={"type": "swiglu"})


def weight_elements(a: aw.ArchitectureConfig, tokens: int) -> int:
    """Scalars read: everything but the embedding once, of it a row a token; a tied head reads the table."""
    everything = int(m.parameters(a.change(tie_embeddings=False)))
    return everything - a.vocab_size * a.d_model + min(tokens, a.vocab_size) * a.d_model


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 30), st.integers(1, 3), st.sampled_from(["prefill", "decode"]))
def test_traffic_by_hand(a, context, batch, phase):
    tokens = batch * (context if phase == "prefill" else 1)
    given = {"context": context, "batch": batch, "phase": phase}
    weights = 2 * weight_elements(a, tokens)
    assert m.weight_bytes_read(a, **given) == weights
    assert sum(m.weight_bytes_read(a, **given, part=p).value for p in PARTS) == weights
    read = written = 0
    for layer in a.layers:
        at = layer.attention
        token = 2 * at.n_kv_heads * at.head_dim
        if phase == "decode":
            read += token * sum(bool(at.visible(context - 1, k)) for k in range(context))
            written += token
        else:
            read += token * context
    assert m.kv_bytes_read(a, **given) == 2 * batch * read
    assert m.bytes_read(a, **given) == weights + 2 * batch * read
    if phase == "prefill":
        assert m.bytes_written(a, **given) == m.kv_cache(a, context=context, batch=batch)
    else:
        assert m.bytes_written(a, **given) == 2 * batch * written
    flops = m.prefill_flops if phase == "prefill" else m.decode_flops
    moved = m.bytes_read(a, **given).value + m.bytes_written(a, **given).value
    assert m.arithmetic_intensity(a, **given).value * moved == flops(a, context=context, batch=batch).value


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 30), st.integers(1, 64), st.sampled_from(["prefill", "decode"]))
def test_a_time_is_the_larger_of_two_for_every_part(a, context, batch, phase):
    """Part by part and layer by layer, from the other metrics."""
    given = {"context": context, "batch": batch}
    flops = m.prefill_flops if phase == "prefill" else m.decode_flops
    total = Fraction(0)
    for part in PARTS:
        for where in (*range(a.n_layers), None):
            if where is None and part not in ("embedding", "norms", "head"):
                continue
            each = {"where": where} if where is not None else {}
            work = flops(a, **given, part=part, **each).value
            size = m.weight_bytes_read(a, **given, part=part, phase=phase, **each).value
            if where is None:  # outside the layers alone
                work -= sum(flops(a, **given, part=part, where=i).value for i in range(a.n_layers))
                inside = (m.weight_bytes_read(a, **given, part=part, phase=phase, where=i) for i in range(a.n_layers))
                size -= sum(q.value for q in inside)
            if part == "attention.scores":
                size += m.kv_bytes_read(a, **given, phase=phase, **each).value
                size += m.bytes_written(a, **given, phase=phase, **each).value
            total += max(work / H100_PEAK, size / H100_BANDWIDTH)
    time = m.prefill_time if phase == "prefill" else m.decode_time
    assert time(a, device="h100-sxm", **given).value == total
    assert time(a, device="h100-sxm", efficiency="50 %", **given).value == 2 * total
    rate = m.prefill_throughput if phase == "prefill" else m.decode_throughput
    tokens = batch * (context if phase == "prefill" else 1)
    assert rate(a, device="h100-sxm", **given).value * total == tokens


def test_decoding_llama_3_1_8b_on_an_h100():
    found = m.decode_time(llama(), device="h100-sxm", context=32768)
    assert str(found) == "5.76 ms"
    assert found.notes == ("memory-bound, 3.35 TB/s",)
    elements = 8_030_261_248 - 128256 * 4096 + 4096
    cache = 32768 * 2 * 8 * 128 * 32 + 2 * 8 * 128 * 32
    assert found.value == 2 * (elements + cache) / H100_BANDWIDTH
    assert m.time_per_output_token(llama(), device="h100-sxm", context=32768) == found
    assert str(m.decode_throughput(llama(), device="h100-sxm", context=32768)) == "174 tokens/s"


def test_a_prompt_is_bound_by_arithmetic_and_its_first_token_needs_the_head_once():
    a = llama()
    prefill = m.prefill_time(a, device="h100-sxm", context=8192)
    assert prefill.notes == ("compute-bound",)
    assert prefill.value >= m.prefill_flops(a, context=8192).value / H100_PEAK
    first = m.time_to_first_token(a, device="h100-sxm", context=8192)
    head = m.prefill_flops(a, context=8192, part="head").value / H100_PEAK
    assert prefill.value - first.value == head - Fraction(2 * 128256 * 4096) / H100_BANDWIDTH


def test_what_does_not_fit_is_said():
    found = m.decode_time(aw.load("llama-3.1-405b"), device="h100-sxm", context=1)
    assert "do not fit one H100 SXM" in found.notes[1]


def test_ridge_points():
    a = aw.ArchitectureConfig()
    assert float(m.ridge_point(a, device="h100-sxm")) == pytest.approx(989.4 / 3.35)
    assert f"{m.ridge_point(a, device='h100-sxm'):.1f}" == "295.3 FLOP/B"
    assert m.ridge_point(a, device="h100-sxm", dtype="fp8").value == Fraction(19789 * 10**11) / H100_BANDWIDTH


def test_a_type_that_the_device_does_not_compute_in_is_refused():
    a = aw.ArchitectureConfig()
    with pytest.raises(aw.ArchwrightError, match=r"activation_dtype is 'fp8'.*A100 80 GB.*one of .*bf16"):
        m.decode_time(a, device="a100-80gb", dtype="fp8")
    stored = m.decode_time(a, device="a100-80gb", dtype="fp8", activation_dtype="bf16")
    assert stored.value < m.decode_time(a, device="a100-80gb").value
    with pytest.raises(aw.ArchwrightError, match="phase is 'train'"):
        m.bytes_read(a, phase="train")


def test_windows_read_their_window():
    a = aw.ArchitectureConfig(layers=[{"layers": "0-15", "attention": {"type": "sliding", "window_size": 511}}])
    token = 2 * 8 * 128 * 2
    assert m.kv_bytes_read(a, context=32768, phase="decode") == 16 * token * (512 + 32768)
    assert m.kv_bytes_read(a, context=32768, phase="decode", where="layers[type=sliding]") == 16 * token * 512
