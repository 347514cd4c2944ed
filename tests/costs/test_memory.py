"""Weights and inference memory: exact bytes of every type, and the fullest device of a split."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw
from archwright.arch.weights import PARTS
from archwright.costs.dtypes import DTYPES, bits

from .strategies import architectures

m = aw.metrics

BITS = {
    "fp32": Fraction(32), "bf16": Fraction(16), "fp16": Fraction(16), "fp8": Fraction(8), "int8": Fraction(8),
    "int4": Fraction(4), "int4-g128": Fraction("4.125"), "mxfp4": Fraction("4.25"), "nvfp4": Fraction("4.5"),
    "6bit": Fraction(6),
}  # fmt: skip


@pytest.mark.parametrize("dtype", BITS)
def test_a_type_is_its_bits(dtype):
    assert bits(dtype) == BITS[dtype]
    assert DTYPES[dtype].bytes * 8 == BITS[dtype]
    a = aw.ArchitectureConfig()
    assert m.weights(a, dtype=dtype).value == int(m.parameters(a)) * BITS[dtype] / 8
    assert m.weights(a, dtype="fp32", weights_dtype=dtype).value == int(m.parameters(a)) * BITS[dtype] / 8


def test_other_spellings_and_unknown_types():
    a = aw.ArchitectureConfig()
    assert m.weights(a, dtype="bfloat16") == m.weights(a, dtype="bf16") == m.weights(a)
    with pytest.raises(aw.ArchwrightError, match=r"dtype is 'bf61'.*Did you mean bf16\?"):
        m.weights(a, dtype="bf61")
    with pytest.raises(aw.ArchwrightError) as caught:
        m.kv_cache(a, dtype="bf61", kv_dtype="x", context=0)
    assert sorted(p.field for p in caught.value.problems) == ["context", "dtype", "kv_dtype"]


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 20), st.integers(1, 3))
def test_parts_layers_and_devices_of_weights(a, context, batch):
    whole = m.weights(a).value
    assert whole == 2 * int(m.parameters(a))
    assert sum(m.weights(a, part=p).value for p in PARTS) == whole
    layers = m.weights(a, where=f"0-{a.n_layers - 1}").value
    assert m.weights(a, per="layer").value * a.n_layers == layers
    assert m.weights(a, per="device") == whole
    memory = m.inference_memory(a, context=context, batch=batch)
    assert memory == m.weights(a) + m.kv_cache(a, context=context, batch=batch)
    assert m.inference_memory(a, context=context, batch=batch, per="device") == memory
    for tp, pp in ((2, 1), (1, a.n_layers), (3, min(2, a.n_layers))):
        share = m.inference_memory(a, context=context, batch=batch, per="device", tp=tp, pp=pp).value
        assert share <= memory.value + 2 * a.vocab_size * a.d_model
        assert share * tp * pp >= memory.value


def uneven() -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(
        d_model=64, n_layers=5, n_heads=8, n_kv_heads=2, d_ff=96, vocab_size=100, tie_embeddings=True,
        attention={"bias": ["q", "k", "o"]}, feed_forward={"type": "swiglu", "bias": True},
    )  # fmt: skip


def test_tensor_parallelism_by_hand():
    a = uneven()
    head_dim, d = 8, 64

    def device(tp: int) -> int:
        heads, kv, ff, vocab = -(-8 // tp), -(-2 // tp), -(-96 // tp), -(-100 // tp)
        layer = 2 * d  # two norms, whole
        layer += heads * head_dim * d * 2 + 2 * kv * head_dim * d  # q, o; k, v
        layer += heads * head_dim + kv * head_dim + d  # biases: q and k split, o whole
        layer += 3 * ff * d + 2 * ff + d  # gate, up, down; two split biases, one whole
        return 5 * layer + vocab * d + d

    for tp in (1, 2, 3, 4, 8, 16):
        assert m.weights(a, per="device", tp=tp, dtype="fp8") == device(tp)
    with pytest.raises(aw.ArchwrightError, match="cannot be combined with part or where"):
        m.weights(a, per="device", part="head")
    assert "per=device" in m.weights(a, tp=2).notes[0]


def test_pipeline_stages_by_hand():
    a = uneven()
    layer = m.weights(a, where=0, dtype="fp8").value
    table, norm = 100 * 64, 64
    assert m.weights(a, per="device", pp=2, dtype="fp8") == max(3 * layer + table, 2 * layer + table + norm)
    assert m.weights(a, per="device", pp=5, dtype="fp8") == layer + table + norm
    free = a.change(tie_embeddings=False)
    assert m.weights(free, per="device", pp=5, dtype="fp8") == layer + table + norm
    assert m.weights(free, per="device", pp=1, dtype="fp8") == 5 * layer + 2 * table + norm


def test_the_screen_of_llama_3_1_8b():
    a = aw.ArchitectureConfig(d_ff=14336, vocab_size=128256, max_seq_len=131072, feed_forward={"type": "swiglu"})
    assert int(m.parameters(a)) == 8_030_261_248
    shown = [str(m.inference_memory(a, context=c)) for c in (1, 4096, 32768, 131072)]
    assert shown == ["15.0 GiB", "15.5 GiB", "19.0 GiB", "31.0 GiB"]


def test_layers_of_different_size_are_noted():
    a = uneven().change({"layers[0].d_ff": 10})
    assert m.weights(a, per="layer").notes == ("mean of layers that differ",)
    with pytest.raises(aw.ArchwrightError, match="selects no layer"):
        m.weights(a, per="layer", where="layers[type=sliding]")
