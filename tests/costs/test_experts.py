"""Routed experts and latent attention by hand: what is stored, used, read and computed."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

import archwright as aw

m = aw.metrics


def sparse() -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(
        d_model=32, n_layers=3, n_heads=4, n_kv_heads=2, d_ff=8, vocab_size=20,
        feed_forward={"type": "moe", "n_experts": 6, "top_k": 2, "shared_d_ff": 5},
        layers=[{"layers": 0, "feed_forward": {"type": "swiglu"}, "d_ff": 24}],
    )  # fmt: skip


def test_stored_and_used():
    a = sparse()
    attention = 32 * 8 * (4 + 2 + 2 + 4)
    outside = 2 * 20 * 32 + 32
    expert, shared, router, norms = 3 * 32 * 8, 3 * 32 * 5, 6 * 32, 2 * 32
    dense = attention + 3 * 32 * 24 + norms
    assert int(m.parameters(a)) == outside + dense + 2 * (attention + 6 * expert + shared + router + norms)
    assert int(m.active_parameters(a)) == outside + dense + 2 * (attention + 2 * expert + shared + router + norms)
    assert int(m.parameters(a, part="experts")) == 2 * 6 * expert
    matrices = int(m.active_parameters(a)) - 20 * 32 - 3 * norms - 32
    assert m.decode_flops(a, context=1).value - m.attention_flops(a, context=1).value == 2 * matrices
    assert m.training_flops(a, tokens=1, approximation="6N") == 6 * int(m.active_parameters(a))


def test_split_over_devices():
    a = sparse()
    whole, experts = m.weights(a, dtype="fp8").value, 2 * 6 * 3 * 32 * 8
    assert m.weights(a, dtype="fp8", per="device", ep=3) == whole - experts + experts // 3
    assert m.weights(a, dtype="fp8", per="device", ep=4) == whole - experts + experts // 3  # two of six on the fullest
    assert m.inference_memory(a, per="device", ep=6).value < m.inference_memory(a).value
    assert "per=device" in m.weights(a, ep=2).notes[0]
    assert m.weights(a, moe_dtype="fp8").value == 2 * whole - experts


def expected(experts: int, active: int, tokens: int) -> Fraction:
    """Over all choices of every token, counted one by one."""
    from itertools import combinations

    choices = [set(c) for c in combinations(range(experts), active)]
    every = [len(set().union(*chosen)) for chosen in product(choices, repeat=tokens)]
    return Fraction(sum(every), len(every))


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_touched_experts_are_counted_over_all_choices(tokens):
    assert m.experts_touched(sparse(), tokens=tokens).value == expected(6, 2, tokens)


def test_many_tokens_touch_all_experts():
    a = sparse()
    assert m.experts_touched(a, tokens=64).value == 6 * (1 - Fraction(2, 3) ** 64)
    assert abs(m.experts_touched(a, tokens=65).value - 6 * (1 - Fraction(2, 3) ** 65)) < Fraction(1, 10**45)
    assert m.experts_touched(a, tokens=10**6) == 6
    assert m.expert_combinations(a) == 15
    for metric, given in ((m.experts_touched, {"tokens": 1}), (m.expert_combinations, {})):
        with pytest.raises(aw.ArchwrightError, match="no selected layer has routed experts"):
            metric(aw.ArchitectureConfig(), **given)


def test_a_step_reads_the_experts_it_touches():
    a = sparse()
    expert = 2 * 3 * 32 * 8
    assert m.weight_bytes_read(a, part="experts", phase="decode") == 2 * 2 * expert
    assert m.weight_bytes_read(a, part="experts", phase="decode", batch=3).value == 2 * expected(6, 2, 3) * expert
    assert m.weight_bytes_read(a, part="experts", context=10**5) == 2 * 6 * expert


def latent() -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(
        d_model=32, n_layers=2, n_heads=4, n_kv_heads=4, d_ff=16, vocab_size=20, head_dim=12,
        attention={"type": "mla", "kv_lora_rank": 10, "q_lora_rank": None, "qk_nope_head_dim": 8,
                   "qk_rope_head_dim": 4, "v_head_dim": 6},
    )  # fmt: skip


def test_latents_are_cached_and_never_split():
    a = latent()
    assert m.kv_cache_elements(a, context=7) == 2 * 7 * (10 + 4)
    assert m.kv_cache(a, context=7, per="device", tp=4) == m.kv_cache(a, context=7)
    assert m.equivalent_kv_heads(a).value == Fraction(14, 12)
    assert m.kv_cache_elements(a, context=7, cache="materialised") == 2 * 7 * 4 * (12 + 6)
    assert m.kv_cache_elements(a, context=7, cache="materialised", per="device", tp=2) == 2 * 7 * 2 * (12 + 6)


def test_latents_are_decoded_absorbed_or_expanded_again():
    a, context = latent(), 7
    into, out = 4 * 12 * 32 + 14 * 32, 32 * 4 * 6
    expand = 10 * 4 * (8 + 6)
    others = 2 * (into + out + 3 * 32 * 16) + 20 * 32
    absorbed = 2 * context * 4 * (14 + 10)
    assert m.decode_flops(a, context=context) == 2 * (others + 2 * expand) + 2 * absorbed
    pairs = 2 * context * 4 * (12 + 6)
    assert (
        m.decode_flops(a, context=context, flops_convention="dense") == 2 * (others + 2 * context * expand) + 2 * pairs
    )
    triangle = context * (context + 1) // 2
    assert m.prefill_flops(a, context=context) == 2 * context * (others + 2 * expand) + 2 * triangle * 2 * 4 * (12 + 6)


def test_the_overview_names_experts_and_latents():
    text = str(aw.estimate(sparse()))
    assert "6 experts, 2 a token" in text and "in one token" in text
    text = str(aw.estimate(latent()))
    assert "attention: mla" in text and text.endswith("--change attention.kv_lora_rank=5")
