"""What training holds: ZeRO's figures, optimizers byte by byte, and every way of splitting, written out anew."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archwright as aw
from archwright.arch.weights import PARTS

from .strategies import architectures

m = aw.metrics


def seven_and_a_half() -> aw.ArchitectureConfig:
    """A GPT shape of 7.49 billion parameters."""
    return aw.ArchitectureConfig(
        d_model=4096, n_layers=36, n_heads=32, n_kv_heads=32, d_ff=16384, vocab_size=60000, max_seq_len=1024,
        use_rms_norm=False, use_gated_geglu=False, tie_embeddings=True,
    )  # fmt: skip


def test_the_figures_of_zero():
    """Rajbhandari et al. 2020, figure 1: 7.5 B parameters on 64 devices hold 120, 31.4, 16.6 and 1.9 GB a device."""
    a = seven_and_a_half()
    n = int(m.parameters(a))
    assert round(n / 1e9, 2) == 7.49
    shown = []
    for stage, exact in enumerate((16 * n, 4 * n + Fraction(12 * n, 64), 2 * n + Fraction(14 * n, 64), n / 4)):
        found = m.training_memory(a, dp=64, zero=stage, approximation="states")
        assert float(found) == pytest.approx(float(exact), rel=1e-6)  # tensors are cut to whole scalars
        shown.append(str(found.to("GB")))
    assert shown == ["120 GB", "31.4 GB", "16.6 GB", "1.87 GB"]
    assert m.training_memory(a, fsdp=64, approximation="states") == m.training_memory(
        a, dp=64, zero=3, approximation="states"
    )


@given(architectures(), st.sampled_from(["adamw", "muon", "sgd"]))
def test_states_are_parameters_times_bytes(a, optimizer):
    n = int(m.parameters(a))
    assert m.gradients(a) == 2 * n
    assert m.gradients(a, grad_dtype="fp32") == 4 * n
    assert m.master_weights(a) == 4 * n
    assert m.master_weights(a, dtype="fp32") == 0
    assert m.master_weights(a, weights_dtype="fp32") == 0
    inside = 0
    for layer in a.layers:
        spec = layer.attention
        inside += spec.d_model * spec.head_dim * 2 * (spec.n_heads + spec.n_kv_heads)
        matrices = 2 if layer.feed_forward.type == "gelu" else 3
        inside += matrices * spec.d_model * layer.feed_forward.d_ff
    expected = {"adamw": 8 * n, "muon": 8 * n - 4 * inside, "sgd": 0}[optimizer]
    state = m.optimizer_state(a, optimizer=optimizer)
    assert state == expected
    assert m.optimizer_state(a, optimizer=optimizer, optimizer_dtype="bf16").value * 2 == state.value
    for name in ("gradients", "master_weights", "optimizer_state"):
        metric = aw.costs.metric.metrics.get(name)
        whole = metric(a).value
        assert sum(metric(a, part=p).value for p in PARTS) == whole
        layers = metric(a, where=f"0-{a.n_layers - 1}").value
        assert metric(a, per="layer").value * a.n_layers == layers
        assert metric(a, per="device") == whole
    states = m.training_memory(a, optimizer=optimizer, approximation="states")
    assert states == m.weights(a) + m.gradients(a) + m.master_weights(a) + state
    kept = m.activations(a, context=3, batch=2)
    assert m.training_memory(a, optimizer=optimizer, context=3, batch=2) == states + kept


def test_eight_bit_states_by_hand():
    a = aw.ArchitectureConfig(
        d_model=100, n_layers=1, n_heads=5, n_kv_heads=5, d_ff=50, vocab_size=30, max_seq_len=8, tie_embeddings=True
    )
    large = 4 * 2 * (10_000 + 4 * 40) + 3 * 2 * (5_000 + 4 * 20)  # attention: 40 blocks of 256; feed-forward: 20
    small = 8 * (30 * 100 + 3 * 100)  # the table has 3,000 scalars, fewer than 4,096; norms
    assert m.optimizer_state(a, optimizer="adamw8bit").value == large + small
    experts = a.change(feed_forward={"type": "moe", "n_experts": 6, "top_k": 2})
    more = 6 * 3 * 2 * (5_000 + 4 * 20) - 3 * 2 * (5_000 + 4 * 20) + 8 * 6 * 100
    assert m.optimizer_state(experts, optimizer="adamw8bit").value == large + small + more


def test_the_ways_of_splitting_by_hand():
    a = aw.ArchitectureConfig(d_model=64, n_layers=4, n_heads=8, n_kv_heads=2, d_ff=96, vocab_size=100, max_seq_len=32)
    head = 8

    def layer(tp: int, ways: int) -> int:
        def cut(n: int) -> int:
            return -(-n // ways)

        q, kv, ff = 8 // tp * head * 64, max(1, 2 // tp) * head * 64, 96 // tp * 64
        return 2 * cut(q) + 2 * cut(kv) + 3 * cut(ff) + 2 * cut(64)

    def model(tp: int = 1, ways: int = 1) -> int:
        return 4 * layer(tp, ways) + 2 * -(-(-(-100 // tp) * 64) // ways) + -(-64 // ways)

    for tp in (1, 2, 4):
        for fsdp in (1, 3, 8):
            for name, size in (("gradients", 2), ("master_weights", 4), ("optimizer_state", 8)):
                found = aw.costs.metric.metrics.get(name)(a, per="device", tp=tp, fsdp=fsdp)
                assert found.value == size * model(tp, fsdp)
            states = m.training_memory(a, tp=tp, fsdp=fsdp, approximation="states")
            assert states.value == 16 * model(tp, fsdp)
    assert m.gradients(a, per="device", dp=4).value == m.gradients(a, per="device", dp=4, zero=1).value == 2 * model()
    assert m.gradients(a, per="device", dp=4, zero=2).value == 2 * model(1, 4)
    assert m.optimizer_state(a, per="device", dp=2, fsdp=3, zero=1).value == 8 * model(1, 6)
    table, norm = 6400, 64
    staged = m.training_memory(a, pp=2, approximation="states").value
    assert staged == 16 * max(2 * layer(1, 1) + table, 2 * layer(1, 1) + norm + table)
    # what is whole beside the shards: two layers and the ends in bf16, the gradient of one layer
    buffers = 2 * (2 * layer(1, 1) + 2 * table + norm) + 2 * layer(1, 1)
    kept = m.activations(a, context=8, batch=1).value
    assert m.training_memory(a, fsdp=2, context=8, batch=2).value == 16 * model(1, 2) + kept + buffers
    assert m.training_memory(a, dp=2, zero=3, context=8, batch=2).value == 16 * model(1, 2) + kept + buffers
    one = m.activations(a, context=8, per="layer").value
    inputs = m.activations(a, context=8, per="layer", checkpointing="full").value
    ends = kept - 4 * one
    full = m.training_memory(a, context=8, checkpointing="full").value
    assert full == 16 * model() + ends + 4 * inputs + (one - inputs)


def test_experts_are_split_whole():
    a = aw.ArchitectureConfig(
        d_model=16, n_layers=2, n_heads=2, n_kv_heads=2, d_ff=12, vocab_size=10, max_seq_len=8,
        feed_forward={"type": "moe", "n_experts": 6, "top_k": 2},
    )  # fmt: skip
    experts = 2 * 6 * 3 * 16 * 12
    rest = int(m.parameters(a)) - experts
    assert m.gradients(a, per="device", ep=3).value == 2 * (rest + experts // 3)
    assert m.training_memory(a, ep=3, approximation="states").value == 16 * (rest + experts // 3)


def test_how_and_refusals():
    a = seven_and_a_half()
    said = m.how("training_memory", a, {"dp": 64, "zero": 1, "approximation": "states"})
    assert said.startswith("14.0 GiB weights + 14.0 GiB gradients + 447 MiB master weights + ")
    assert "buffers" in m.how("training_memory", a, {"fsdp": 64})
    with pytest.raises(aw.ArchwrightError, match=r"zero is .2.: needs replicas to share between.*Give dp"):
        m.training_memory(a, zero=2)
    with pytest.raises(aw.ArchwrightError, match="zero is 4: not accepted"):
        m.gradients(a, zero=4)
    with pytest.raises(aw.ArchwrightError, match="cannot be combined with part or where"):
        m.gradients(a, per="device", part="head")
    assert m.training_memory(a, per="model", fsdp=64).notes
    assert m.training_memory(a, per="model", fsdp=64) == m.training_memory(a)
    assert m.recurrent_state(a) == 0


def test_a_model_published_quantised_has_the_types_it_was_published_in():
    a = aw.load("gpt-oss-120b")
    experts = 36 * 128 * 3 * 2880 * 2880
    rest = int(m.parameters(a)) - experts
    assert m.weights(a).value == experts * Fraction(17, 32) + rest * 2
    assert str(m.weights(a)) == "60.8 GiB"
    assert m.weights(a, dtype="bf16").value == 2 * int(m.parameters(a))
    assert m.weights(a, weights_dtype="mxfp4").value == int(m.parameters(a)) * Fraction(17, 32)
    assert m.weights(a, moe_dtype="bf16") == m.weights(a, dtype="bf16")
    assert "weights mxfp4 as published" in str(aw.estimate(a, "weights"))
    assert "as published" not in str(aw.estimate(a, "weights", dtype="bf16"))
    fp8 = aw.load("llama-3.1-405b-fp8")
    tables, vectors = 2 * 128256 * 16384, (2 * 126 + 1) * 16384
    assert m.weights(fp8).value == int(m.parameters(fp8)) + tables + vectors
    assert m.weights(fp8, part="norms").value == 2 * vectors
