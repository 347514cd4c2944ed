"""No field is ignored in silence: each either changes what the modules compute, or is refused by its name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from archwright.arch.attention import AttentionSpec, attention_types
from archwright.arch.config import ArchitectureConfig
from archwright.arch.ends import Embedding, Head
from archwright.arch.feed_forward import feed_forward_types
from archwright.arch.layer import PLACEMENTS, Layer
from archwright.arch.norm import LayerNorm, NormSpec
from archwright.arch.position import position_types, rope_scalings
from archwright.errors import NotSupported
from archwright.nn import Transformer

BASE: dict[str, Any] = {
    "d_model": 32,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 2,
    "d_ff": 48,
    "vocab_size": 50,
    "max_seq_len": 96,
}
MLA = {"type": "mla", "kv_lora_rank": 12, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8}
MANY = {"n_kv_heads": 4, "position": {"dims": 4}}
MOE = {"type": "moe", "n_experts": 8, "top_k": 2}
NORMED = {"qk_norm": "head"}
LONG = {"type": "longrope", "factor": 2.0, "short_factor": [1.0, 2.0, 3.0, 4.0], "long_factor": [2.0, 4.0, 6.0, 8.0]}
LONG |= {"original_max_position": 16}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position": 1024}
LLAMA3 = {"type": "llama3", "factor": 4.0, "original_max_position": 16}

# part.field: (what the base has, what it becomes). The output must change, or a refusal name the field.
Change = tuple[dict[str, Any], dict[str, Any]]


def attention(base: dict[str, Any], **more: Any) -> Change:
    return {"attention": base}, {"attention": {**base, **more}}


def feed_forward(base: dict[str, Any], **more: Any) -> Change:
    return {"feed_forward": base}, {"feed_forward": {**base, **more}}


def latent(**more: Any) -> Change:
    return {**MANY, "attention": MLA}, {**MANY, "attention": {**MLA, **more}}


def scaling(base: dict[str, Any], **more: Any) -> Change:
    return {"rope_scaling": base}, {"rope_scaling": {**base, **more}}


CHANGES: dict[str, Change] = {
    "attention.causal": attention({}, causal=False),
    "attention.bias": attention({}, bias=["q", "o"]),
    "attention.scale": attention({}, scale=0.9),
    "attention.softcap": attention({}, softcap=0.3),
    "attention.sinks": attention({}, sinks=True),
    "attention.clip": attention({}, clip=0.1),
    "attention.qk_norm": attention({}, qk_norm="head"),
    "attention.qk_norm_type": attention(NORMED, qk_norm_type="layer"),
    "attention.qk_norm_eps": attention(NORMED, qk_norm_eps=0.5),
    "attention.qk_norm_after_rope": attention({"qk_norm": "heads"}, qk_norm_after_rope=True),
    "attention.kv_shared_with": ({}, {"layers": [{"layers": "1", "attention": {"kv_shared_with": 0}}]}),
    "attention.head_dim": ({}, {"head_dim": 16}),
    "sliding.window_size": attention({"type": "sliding", "window_size": 9}, window_size=5),
    "dilated.dilation": attention({"type": "dilated", "window_size": 3, "dilation": 2}, dilation=4),
    "dilated.window_size": attention({"type": "dilated", "window_size": 3, "dilation": 2}, window_size=5),
    "chunked.chunk_size": attention({"type": "chunked", "chunk_size": 8}, chunk_size=5),
    "mla.kv_lora_rank": latent(kv_lora_rank=16),
    "mla.q_lora_rank": latent(q_lora_rank=6),
    "mla.qk_nope_head_dim": latent(qk_nope_head_dim=12),
    "mla.qk_rope_head_dim": latent(qk_rope_head_dim=8),
    "mla.v_head_dim": latent(v_head_dim=4),
    "mla.latent_eps": latent(latent_eps=0.5),
    "mla.latent_bias": latent(latent_bias=True),
    "feed_forward.bias": feed_forward({}, bias=True),
    "gated.activation": feed_forward({"type": "gated", "activation": "relu"}, activation="relu2"),
    "plain.activation": feed_forward({"type": "plain", "activation": "relu"}, activation="xielu"),
    "moe.activation": feed_forward(MOE, activation="quick_gelu"),
    "moe.n_experts": feed_forward(MOE, n_experts=6),
    "moe.top_k": feed_forward(MOE, top_k=3),
    "moe.routing": feed_forward(MOE, routing="sigmoid"),
    "moe.normalize": feed_forward(MOE, normalize=False),
    "moe.routed_scale": feed_forward(MOE, routed_scale=2.0),
    "moe.n_groups": feed_forward(MOE, n_groups=4),
    "moe.top_groups": feed_forward({**MOE, "n_groups": 4}, top_groups=3),
    "moe.group_score": feed_forward({**MOE, "n_groups": 4, "top_groups": 2}, group_score="max"),
    "moe.correction_bias": feed_forward(MOE, correction_bias="parameter"),
    "moe.router_bias": feed_forward(MOE, router_bias=True),
    "moe.shared_d_ff": feed_forward(MOE, shared_d_ff=16),
    "moe.shared_gate": feed_forward({**MOE, "shared_d_ff": 16}, shared_gate=True),
    "moe.limit": feed_forward(MOE, limit=0.05),
    "moe.up_plus_one": feed_forward(MOE, up_plus_one=True),
    "moe.jitter": feed_forward({**MOE, "routing": "sparsemixer"}, jitter=0.3),
    "norm.eps": ({}, {"norm_eps": 0.5}),
    "norm.one_plus": ({}, {"norm": {"one_plus": True}}),
    "norm.without_weight": ({}, {"norm": {"without_weight": True}}),
    "norm.without_bias": ({"use_rms_norm": False}, {"use_rms_norm": False, "norm": {"without_bias": True}}),
    "rope.dims": ({}, {"position": {"dims": 4}}),
    "rope.theta": ({}, {"rope_theta": 100.0}),
    "rope.interleaved": ({}, {"position": {"interleaved": True}}),
    "rope.scaling": ({}, {"rope_scaling": {"type": "linear", "factor": 2.0}}),
    "alibi.max_bias": ({"position": {"type": "alibi"}}, {"position": {"type": "alibi", "max_bias": 2.0}}),
    "alibi.scaled": ({"position": {"type": "alibi"}}, {"position": {"type": "alibi", "scaled": True}}),
    "linear.factor": scaling({"type": "linear", "factor": 2.0}, factor=4.0),
    "dynamic.factor": scaling({"type": "dynamic", "factor": 2.0, "original_max_position": 16}, factor=4.0),
    "dynamic.original_max_position": scaling(
        {"type": "dynamic", "factor": 2.0, "original_max_position": 16}, original_max_position=8
    ),
    "yarn.factor": scaling(YARN, factor=8.0),
    "yarn.original_max_position": scaling(YARN, original_max_position=64),
    "yarn.beta_fast": scaling({**YARN, "truncate": False}, beta_fast=2.0),
    "yarn.beta_slow": scaling({**YARN, "truncate": False}, beta_slow=0.5),
    "yarn.mscale": scaling({**YARN, "mscale_all_dim": 0.5}, mscale=2.0),
    "yarn.mscale_all_dim": scaling({**YARN, "mscale": 0.5}, mscale_all_dim=2.0),
    "yarn.attention_scale": scaling(YARN, attention_scale=2.0),
    "yarn.truncate": scaling(YARN, truncate=False),
    "llama3.factor": scaling(LLAMA3, factor=8.0),
    "llama3.original_max_position": scaling(LLAMA3, original_max_position=32),
    "llama3.low_freq_factor": scaling(LLAMA3, low_freq_factor=2.0),
    "llama3.high_freq_factor": scaling(LLAMA3, high_freq_factor=2.0),
    "longrope.factor": scaling(LONG, factor=8.0),
    "longrope.original_max_position": scaling(LONG, original_max_position=64),
    "longrope.short_factor": scaling({**LONG, "original_max_position": 64}, short_factor=[2.0, 2.0, 2.0, 2.0]),
    "longrope.long_factor": scaling(LONG, long_factor=[3.0, 3.0, 3.0, 3.0]),
    "longrope.attention_scale": scaling(LONG, attention_scale=2.0),
    "longrope.long_attention_scale": scaling(LONG, long_attention_scale=2.0),
    "embedding.width": ({}, {"embedding": {"width": 16}}),
    "embedding.multiplier": ({}, {"embedding": {"multiplier": 3.0}, "norm_placement": "output"}),
    "embedding.positions": ({}, {"embedding": {"positions": "sinusoidal"}}),
    "embedding.position_rows": (
        {"embedding": {"positions": "learned"}},
        {"embedding": {"positions": "learned", "position_rows": 200}},
    ),
    "embedding.position_offset": (
        {"embedding": {"positions": "sinusoidal"}},
        {"embedding": {"positions": "sinusoidal", "position_offset": 2}},
    ),
    "embedding.norm": ({}, {"embedding": {"norm": True}}),
    "head.bias": ({}, {"head": {"bias": True}}),
    "head.multiplier": ({}, {"head": {"multiplier": 0.5}}),
    "head.softcap": ({}, {"head": {"softcap": 0.5}}),
    "head.norm": ({}, {"head": {"norm": False}}),
    "head.width": ({}, {"embedding": {"width": 16}}),
    "head.tied": ({}, {"tie_embeddings": True}),
    "layer.residual": ({}, {"norm_placement": "post"}),
    "layer.residual_multiplier": ({}, {"residual_multiplier": 0.5}),
    "layer.attention_norm": ({}, {"norm_placement": "output"}),
    "layer.attention_output_norm": ({}, {"norm_placement": "sandwich"}),
    "layer.feed_forward_norm": ({"norm_placement": "parallel_two"}, {"norm_placement": "parallel"}),
    "layer.feed_forward_output_norm": ({}, {"norm_placement": "sandwich"}),
}
REFUSED = {"attention.kv_shared_with"}
TRAINING = {"attention.dropout", "feed_forward.dropout"}
"""Have an effect in training alone: tested in test_field_cases and the conformance suite."""
SHAPES = {"d_model", "n_heads", "n_kv_heads", "width", "vocab_size", "max_seq_len", "d_ff"}
"""Sizes, held by the contract of names and shapes in tests/contracts."""


def vocabulary() -> set[str]:
    """Every field of every part, under the name of the part that introduces it."""
    found: set[str] = set()

    def add(part: str, cls: type, inherited: type | None = None) -> None:
        base = {f.name for f in dataclasses.fields(inherited)} if inherited else set()
        found.update(f"{part}.{f.name}" for f in dataclasses.fields(cls) if f.name not in base)

    from archwright.arch.feed_forward import FeedForwardSpec

    add("attention", AttentionSpec)
    for name in ("sliding", "dilated", "chunked", "mla"):
        add(name, attention_types.get(name), AttentionSpec)
    add("feed_forward", FeedForwardSpec)
    for name in feed_forward_types.names():
        add(name, feed_forward_types.get(name), FeedForwardSpec)
    add("norm", NormSpec)
    add("norm", LayerNorm)
    for name in position_types.names():
        add(name, position_types.get(name))
    for name in rope_scalings.names():
        add(name, rope_scalings.get(name))
    add("embedding", Embedding)
    add("head", Head)
    add("layer", Layer)
    sizes = {f"{part}.{name}" for part in ("attention", "feed_forward", "norm", "embedding") for name in SHAPES}
    sizes |= {"head.d_model", "head.vocab_size", "layer.attention", "layer.feed_forward", "layer.position"}
    return found - (sizes - {"embedding.width"})


def test_every_field_of_the_vocabulary_is_here():
    """A field that somebody adds must say here what it changes, or that it is refused."""
    assert vocabulary() - set(CHANGES) - TRAINING == set()
    assert set(CHANGES) - vocabulary() == set()


def logits(fields: dict[str, Any]) -> torch.Tensor:
    model = Transformer(ArchitectureConfig(**{**BASE, **fields})).eval()
    with torch.no_grad():
        for name, tensor in sorted(model.state_dict(keep_vars=True).items()):  # equal names begin with equal numbers
            generator = torch.Generator().manual_seed(sum(name.encode()))
            tensor.normal_(0.0, 0.4, generator=generator)
        return model(torch.arange(24)[None] % 50)


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_changes_the_logits_or_is_refused(field):
    before, after = CHANGES[field]
    if field in REFUSED:
        with pytest.raises(NotSupported) as refused:
            Transformer(ArchitectureConfig(**{**BASE, **after}), device="meta")
        assert any(field.partition(".")[2] in p.field for p in refused.value.problems)
        return
    if field == "embedding.position_rows":  # a size: rows that no place reads
        model = Transformer(ArchitectureConfig(**{**BASE, **after}), device="meta")
        assert model.embedding.positions.weight.shape[0] == 200
        return
    assert not torch.allclose(logits(before), logits(after), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_placements_differ_from_one_another(placement):
    """Norms stand where the name says: no two placements give the same logits."""
    for other in PLACEMENTS[PLACEMENTS.index(placement) + 1 :]:
        assert not torch.allclose(logits({"norm_placement": placement}), logits({"norm_placement": other}), atol=1e-3)


def test_none_and_alibi_differ_from_rotation():
    """Positions of other kinds are not silently rotary."""
    found = [logits({"position": {"type": kind}}) for kind in ("rope", "alibi", "none")]
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert not torch.allclose(found[0], found[2], atol=1e-3)
    assert not torch.allclose(found[1], found[2], atol=1e-3)
