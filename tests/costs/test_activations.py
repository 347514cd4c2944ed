"""Activations by Megatron's list and by device: the paper's formulas, written out anew. Autograd: tests/contracts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archwright as aw

from .strategies import architectures

m = aw.metrics


def gpt(layers: int = 96, width: int = 12288, heads: int = 96, vocab: int = 50257) -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(
        d_model=width, n_layers=layers, n_heads=heads, n_kv_heads=heads, d_ff=4 * width, vocab_size=vocab,
        max_seq_len=2048, use_rms_norm=False, use_gated_geglu=False, tie_embeddings=True,
    )  # fmt: skip


def test_the_figures_of_the_paper():
    """Korthikanti et al. 2022, equation 1: s b h (34 + 5 a s / h) bytes a layer; GPT-3 at 2,048 tokens."""
    a, given = gpt(), {"context": 2048, "per": "layer", "approximation": "megatron"}
    s, h, heads = 2048, 12288, 96
    assert m.activations(a, **given).value == s * h * 34 + 5 * heads * s * s
    assert str(m.activations(a, **given).to("GB")) == "2.87 GB"
    assert m.activations(a, **given, checkpointing="selective").value == s * h * 34
    assert str(m.activations(a, **given, checkpointing="selective").to("GB")) == "0.856 GB"
    assert m.activations(a, **given, checkpointing="full").value == 2 * s * h


def test_tensor_parallelism_of_the_paper():
    """Equation 2: s b h (10 + 24 / t + 5 a s / (h t)), for every layer, with the ends on the same device."""
    a = gpt(layers=4)
    s, b, h, heads, v = 512, 2, 12288, 96, 50257
    for t in (1, 2, 4, 8):
        layer = s * b * h * 10 + s * b * h * 24 // t + 5 * heads * s * s * b // t
        ends = s * b * h + 4 * s * b * h + 4 * s * b * -(-v // t)  # dropout's mask, two inputs, float32 logits
        found = m.activations(a, context=s, batch=b, tp=t, per="device", approximation="megatron")
        assert found.value == 4 * layer + ends


def test_stages_hold_micro_batches_in_flight():
    a = gpt(layers=6, width=64, heads=4, vocab=100)
    given = {"context": 32, "batch": 3}
    layer = m.activations(a, **given, per="layer").value
    first = 32 * 3 * 8
    last = 32 * 3 * (3 * 0 + 2 * 64 * 2 + 2 * 4 + 8 + 4 * 100)
    assert m.activations(a, **given).value == 6 * layer + first + last
    assert m.activations(a, **given, per="device").value == 6 * layer + first + last
    stages = [3 * (2 * layer + first), 2 * 2 * layer, 2 * layer + last]
    assert m.activations(a, **given, per="device", pp=3).value == max(stages)
    assert m.activations(a, **given, per="device", pp=3, loss="fused").value == max(stages[:2])


def test_a_gated_layer_by_hand():
    """Bytes of a token in bf16: RMSNorm twice, grouped queries, rotation, a gated part; every addend on its own."""
    a = aw.ArchitectureConfig(
        d_model=64, n_layers=1, n_heads=8, n_kv_heads=2, head_dim=16, d_ff=96, vocab_size=10, max_seq_len=64
    )
    stream = 64 * 2 + 64 * 2  # the input, and the sum in the middle
    norms = 2 * (64 * 2 + 4)  # what a norm gives, and its float32 statistic
    attention = (8 * 16 + 2 * 16 + 2 * 16) * 2 + 2 * 8 * 16 * 2 + 8 * 4  # q, k, v; the output twice; log-sum-exp
    gated = 4 * 96 * 2
    angles = 2 * 8 * 4  # cosine and sine of 8 pairs, once for all sequences
    for batch, context in ((1, 5), (3, 7)):
        expected = batch * context * (stream + norms + attention + gated) + context * angles
        assert m.activations(a, context=context, batch=batch, per="layer").value == expected
    scores = m.activations(a, context=7, backend="reference", per="layer").value
    wide = (8 * 16 + 2 * 16 + 2 * 16) * 4 + 8 * 16 * 2 + 8 * (7 * 8 + 5)
    assert scores == 7 * (stream + norms + wide + gated) + 7 * angles + 7 * 7


def test_a_context_over_devices_and_a_fused_loss_by_hand():
    a = gpt(layers=2, width=64, heads=4, vocab=100).change(position={"type": "none"})
    layer = 2 * 128 + 2 * (128 + 8) + 4 * 128 + 4 * 4 + 2 * 4 * 128  # stream, norms, q k v and output, softmax, hidden
    ends = 8 + (128 + 8) + 128 + 8
    for cp in (1, 2, 4):
        found = m.activations(a, context=32, batch=3, cp=cp, per="device")
        assert found.value == 32 // cp * 3 * (2 * layer + ends + 4 * 100)
    assert m.activations(a, context=32, batch=3, loss="fused").value == 32 * 3 * (2 * layer + ends + 4)
    scores = m.activations(a, context=32, cp=2, per="device", backend="reference").value
    wide = 3 * 64 * 4 + 128 + 4 * (32 * 8 + 5)  # float32 queries, keys, values; the output; all keys' scores
    assert scores == 16 * (2 * (2 * 128 + 2 * (128 + 8) + wide + 2 * 4 * 128 + 32) + ends + 4 * 100)


@given(architectures(), st.integers(1, 20), st.integers(1, 4))
def test_settings_act_as_they_should(a, context, batch):
    given = {"context": context, "batch": batch}
    whole = m.activations(a, **given)
    layers = m.activations(a, **given, where=f"0-{a.n_layers - 1}").value
    assert m.activations(a, **given, per="layer").value * a.n_layers == layers
    assert sum(m.activations(a, **given, where=i).value for i in range(a.n_layers)) == layers < whole.value
    assert m.activations(a, **given, per="device") == whole
    full = m.activations(a, **given, checkpointing="full")
    selective = m.activations(a, **given, checkpointing="selective")
    assert full <= selective
    assert full.value - (whole.value - layers) == 2 * a.n_layers * a.d_model * context * batch
    assert m.activations(a, **given, per="device", dp=batch).value <= whole.value
    one = m.activations(a, context=context, batch=1)
    assert (
        m.activations(a, **given, per="device", dp=batch) == m.activations(a, **given, per="device", fsdp=batch) == one
    )
    for more in ({"tp": 2}, {"cp": 2}):
        assert m.activations(a, **given, per="device", **more) <= whole
    assert m.activations(a, **given, activation_dtype="fp32").value > whole.value
    assert m.activations(a, **given, backend="sdpa") >= whole


def test_experts_and_latents_by_hand():
    moe = aw.ArchitectureConfig(
        d_model=16, n_layers=1, n_heads=2, n_kv_heads=2, head_dim=8, d_ff=12, vocab_size=10, max_seq_len=64,
        feed_forward={"type": "moe", "n_experts": 6, "top_k": 2, "shared_d_ff": 20},
    )  # fmt: skip
    dense = moe.change(feed_forward={"type": "swiglu"})
    row = 4 * 12 * 2 + 3 * 16 * 2 + 2 + 3 * 8 + 4  # hidden; gathered, made, weighted; weight, indices, score
    router = 6 * 4 + 2 * 4 + 16 * 4  # scores, their sum, the input in float32
    extra = 2 * row + router + 4 * 20 * 2 - 4 * 12 * 2
    difference = m.activations(moe, context=9, per="layer").value - m.activations(dense, context=9, per="layer").value
    assert difference == 9 * extra + 6 * 16 * 4  # the router's matrix in float32
    latent = aw.ArchitectureConfig(
        d_model=16, n_layers=1, n_heads=2, n_kv_heads=2, head_dim=6, d_ff=12, vocab_size=10, max_seq_len=64,
        attention={"type": "mla", "kv_lora_rank": 8, "q_lora_rank": 10, "qk_nope_head_dim": 4, "qk_rope_head_dim": 2,
                   "v_head_dim": 4},
    )  # fmt: skip
    token = 2 * 16 * 2 + 2 * (16 * 2 + 4) + 4 * 12 * 2  # stream, norms, gated part
    token += (2 * 6 + 2 * 6 + 2 * (4 + 4)) * 2 + 2 * 2 * 4 * 2 + 2 * 4  # values lie beside the keys they came with
    token += (8 + 2 + 8) * 2 + 4 + 2 * 10 * 2 + 4  # the latents before and after their norms
    assert m.activations(latent, context=9, per="layer").value == 9 * (token + 2 * 4)


def test_refusals():
    a = aw.ArchitectureConfig()
    with pytest.raises(aw.ArchwrightError, match="cannot be combined with per=device"):
        m.activations(a, per="device", where=0)
    with pytest.raises(aw.ArchwrightError, match=r"approximation is '6N'.*megatron"):
        m.activations(a, approximation="6N")
    with pytest.raises(aw.ArchwrightError, match=r"backend is 'falsh'.*Did you mean flash\?"):
        m.activations(a, backend="falsh")
    assert "per=device" in m.activations(a, tp=2).notes[0]
    assert m.activations(a, approximation="none") == m.activations(a)
