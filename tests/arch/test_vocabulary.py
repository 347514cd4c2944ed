"""The vocabulary of published decoders: latent attention, chunks, shared caches, experts, norms, ends, positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright import ArchitectureConfig
from archwright.arch.attention import attention_types
from archwright.arch.change import readings
from archwright.arch.feed_forward import feed_forward_types

SMALL = {"d_model": 64, "n_layers": 4, "n_heads": 4, "n_kv_heads": 2, "d_ff": 96, "vocab_size": 50, "max_seq_len": 256}


def small(**fields):
    return ArchitectureConfig(**{**SMALL, **fields})


def grown(**fields):
    """How many parameters the fields add to the small architecture."""
    return small(**fields).estimate_params() - small().estimate_params()


def refusal(**fields):
    with pytest.raises(ValueError) as caught:
        small(**fields)
    return str(caught.value)


# Neutral values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"norm_placement": "pre"},
        {"residual_multiplier": 1.0},
        {"embedding": {"multiplier": 1.0, "positions": None, "norm": False}},
        {"head": {"bias": False, "softcap": None, "multiplier": 1.0, "norm": True}},
        {"norm": {"one_plus": False, "without_weight": False}},
        {"position": "rope"},
        {"position": {"dims": 16, "interleaved": False}},
        {"attention": {"softcap": None, "scale": None, "sinks": False, "clip": None, "qk_norm": None}},
    ],
)
def test_a_feature_that_is_absent_leaves_the_fingerprint_alone(fields):
    assert small(**fields) == small()
    assert small(**fields).fingerprint == small().fingerprint


def test_fingerprints_of_before_the_vocabulary_grew():
    assert ArchitectureConfig().fingerprint == "v1-d7aed590f4b03624"
    assert ArchitectureConfig(n_kv_heads=4).fingerprint == "v1-664be9d9042df921"


@pytest.mark.parametrize(
    "fields",
    [
        {"norm_placement": "sandwich"},
        {"residual_multiplier": 0.5},
        {"embedding": {"multiplier": 8.0}},
        {"embedding": {"positions": "sinusoidal"}},
        {"head": {"softcap": 30.0}},
        {"head": {"norm": False}},
        {"norm": {"one_plus": True}},
        {"position": "alibi"},
        {"position": "none"},
        {"position": {"dims": 8}},
        {"position": {"interleaved": True}},
        {"attention": {"softcap": 50.0}},
        {"attention": {"scale": 1.0}},
        {"attention": {"sinks": True}},
        {"attention": {"clip": 8.0}},
        {"attention": {"qk_norm": "head"}},
        {"attention": {"qk_norm": "head", "qk_norm_after_rope": True}},
        {"layers": [{"layers": 1, "attention": {"kv_shared_with": 0}}]},
        {"feed_forward": {"type": "gated", "activation": "relu2"}},
    ],
)
def test_every_feature_is_part_of_what_the_architecture_is(fields):
    config = small(**fields)
    assert config != small()
    assert config.fingerprint != small().fingerprint
    assert ArchitectureConfig.from_yaml(config.to_yaml()) == config
    assert ArchitectureConfig(**config.to_dict()).fingerprint == config.fingerprint


def test_one_meaning_has_one_form():
    assert small(feed_forward={"type": "gated", "activation": "silu"}) == small(feed_forward="swiglu")
    assert small(feed_forward={"type": "gated", "activation": "gelu"}) == small(feed_forward="geglu")
    assert small(feed_forward={"type": "plain", "activation": "gelu"}) == small(use_gated_geglu=False)
    assert small(attention="mla", head_dim=16) == small(attention="mla", head_dim=32, n_kv_heads=4)
    assert small(attention={"qk_norm": "head"}) == small(attention={"qk_norm": "head", "qk_norm_eps": 1e-5})


# Attention --------------------------------------------------------------------------------------------------------


def test_latent_attention_by_hand():
    spec = attention_types.get("mla")(
        d_model=64, n_heads=4, n_kv_heads=4, head_dim=16, kv_lora_rank=24, q_lora_rank=32, qk_nope_head_dim=8,
        qk_rope_head_dim=4, v_head_dim=6, latent_bias=True, bias=("o",),
    )  # fmt: skip
    queries = 32 * 64 + 32 + 32 + 4 * 12 * 32
    latents = (24 + 4) * 64 + (24 + 4) + 24 + 4 * (8 + 6) * 24
    assert sum(w.parameters for w in spec.weights()) == queries + latents + 64 * 4 * 6 + 64
    assert (spec.cache_elements, spec.materialised_elements) == (28, 4 * (12 + 6))
    assert (spec.key_dim, spec.value_dim, spec.rotary_dim) == (12, 6, 4)
    direct = spec.change(q_lora_rank=None)
    assert sum(w.parameters for w in direct.weights()) == 4 * 12 * 64 + latents + 64 * 4 * 6 + 64


def test_latent_attention_rotates_its_rotary_part():
    config = small(attention={"type": "mla", "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8})
    assert config.layers[0].position.dims == 8
    assert config.layers[0].attention.latent_eps == 1e-5
    assert "bias" in refusal(attention={"type": "mla", "bias": ["q"]})
    assert "qk_norm" in refusal(attention={"type": "mla", "qk_norm": "head"})
    assert "kv_lora_rank is 0" in refusal(attention={"type": "mla", "kv_lora_rank": 0})


@given(st.integers(1, 9), st.integers(0, 40))
def test_chunks_hold_what_their_tokens_see(size, context):
    spec = attention_types.get("chunked")(d_model=8, n_heads=1, n_kv_heads=1, head_dim=8, chunk_size=size)
    seen = [[k for k in range(q + 1) if spec.visible(q, k)] for q in range(context)]
    assert spec.pairs(context) == sum(map(len, seen))
    assert [spec.visible_keys(q) for q in range(context)] == list(map(len, seen))
    assert spec.cache_slots(context) == min(size, context) >= max(map(len, seen), default=0)


@pytest.mark.parametrize(("norm", "weights"), [("head", 16 + 16), ("heads", 4 * 16 + 2 * 16), ("width", 64 + 32)])
def test_norms_of_queries_and_keys_have_weights(norm, weights):
    assert grown(attention={"qk_norm": norm}) == 4 * weights
    assert grown(attention={"qk_norm": norm, "qk_norm_type": "layer"}) == 8 * weights
    assert grown(attention={"qk_norm": norm, "qk_norm_type": "unit"}) == 0


def test_sinks_are_one_scalar_a_head():
    assert grown(attention={"sinks": True}) == 4 * 4


def test_layers_that_read_anothers_keys_and_values():
    config = small(pattern=["full", {"type": "full", "kv_shared_with": -1}])
    elements = [layer.attention.cache_elements for layer in config.layers]
    assert elements == [64, 0, 64, 0]
    assert small().estimate_params() - config.estimate_params() == 2 * 2 * 32 * 64
    assert "must mean an earlier layer" in refusal(layers=[{"layers": 0, "attention": {"kv_shared_with": -1}}])
    assert "must mean an earlier layer" in refusal(layers=[{"layers": 1, "attention": {"kv_shared_with": 2}}])
    chain = [{"layers": "1-2", "attention": {"kv_shared_with": -1}}]
    assert "no keys and values of its own" in refusal(layers=chain)
    unlike = [{"layers": 0, "attention": "sliding"}, {"layers": 1, "attention": {"kv_shared_with": 0}}]
    assert "whose attention is another" in refusal(layers=unlike)


@pytest.mark.parametrize(
    ("attention", "expected"),
    [
        ({"softcap": 0.0}, "softcap is 0.0: must be positive"),
        ({"scale": -1.0}, "scale is -1.0"),
        ({"clip": 0}, "clip is 0"),
        ({"qk_norm": "hed"}, "qk_norm is 'hed'"),
        ({"qk_norm": "head", "qk_norm_type": "rmss"}, "qk_norm_type is 'rmss'"),
        ({"type": "chunked", "chunk_size": 0}, "chunk_size is 0"),
    ],
)
def test_attention_that_cannot_be(attention, expected):
    assert expected in refusal(attention=attention)


# Feed-forward -----------------------------------------------------------------------------------------------------


def experts(**fields):
    return {"type": "moe", "n_experts": 8, "top_k": 2, "d_ff": 32, **fields}


def test_experts_by_hand():
    spec = feed_forward_types.get("moe")(64, 32, n_experts=8, top_k=2)
    one = 3 * 64 * 32
    assert sum(w.parameters for w in spec.weights()) == 8 * 64 + 8 * one
    assert sum(w.active_parameters for w in spec.weights()) == 8 * 64 + 2 * one
    assert sum(w.flops for w in spec.weights()) == 2 * (8 * 64 + 2 * one)
    shared = spec.change(shared_d_ff=48, shared_gate=True)
    assert sum(w.parameters for w in shared.weights()) == 8 * 64 + 8 * one + 3 * 64 * 48 + 64
    biased = spec.change(bias=True, router_bias=True, correction_bias="parameter")
    assert sum(w.parameters for w in biased.weights()) == 8 * 64 + 8 * (one + 32 + 32 + 64) + 8 + 8
    assert sum(w.parameters for w in spec.change(correction_bias="buffer").weights()) == 8 * 64 + 8 * one


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"top_k": 9}, "top_k is 9: must be at most n_experts (8)"),
        ({"n_experts": 0}, "n_experts is 0: must be positive"),
        ({"n_groups": 3}, "n_groups is 3: must divide n_experts (8)"),
        ({"n_groups": 2, "top_groups": 3}, "top_groups is 3"),
        ({"routing": "softmx"}, "Did you mean softmax?"),
        ({"shared_gate": True}, "shared_gate is true: has nothing to scale"),
        ({"activation": "xielu"}, "activation is 'xielu'"),
        ({"correction_bias": "bufer"}, "Did you mean buffer?"),
    ],
)
def test_experts_that_cannot_be(fields, expected):
    assert expected in refusal(feed_forward=experts(**fields))


def test_a_dense_layer_among_sparse_ones():
    config = small(feed_forward=experts(), layers=[{"layers": 0, "feed_forward": {"type": "swiglu", "d_ff": 128}}])
    assert [layer.feed_forward.type for layer in config.layers] == ["swiglu", "moe", "moe", "moe"]
    assert [r.value for r in readings(config, "layers[1-3].feed_forward.top_k")] == [2]
    assert config.change({"layers[1-3].feed_forward.top_k": 4}).layers[3].feed_forward.top_k == 4


def test_xielu_has_two_scalars_a_layer():
    relu = small(feed_forward={"type": "plain", "activation": "relu"}).estimate_params()
    assert small(feed_forward={"type": "plain", "activation": "xielu"}).estimate_params() - relu == 4 * 2
    assert "Did you mean relu2?" in refusal(feed_forward={"type": "gated", "activation": "relu_2"})


# Norms, ends, positions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placement", "norms"),
    [("pre", 2), ("post", 2), ("output", 2), ("sandwich", 4), ("parallel", 1), ("parallel_two", 2)],
)
def test_norms_count_where_they_stand(placement, norms):
    config = small(norm_placement=placement)
    assert config.estimate_params().parts["norms"] == (4 * norms + 1) * 64
    assert {layer.norm_placement for layer in config.layers} == {placement}
    assert config.layers[0].value("norm_eps") == 1e-5
    assert "Did you mean sandwich?" in refusal(norm_placement="sandwhich")


def test_norms_without_something():
    layer = {"use_rms_norm": False}
    assert grown(**layer) == 9 * 64
    assert grown(**layer, norm={"without_bias": True}) == 0
    assert grown(**layer, norm={"without_weight": True}) == -9 * 64
    assert "rms has no bias" in refusal(norm={"without_bias": True})
    assert "without_weight" in refusal(**layer, norm={"without_weight": True, "without_bias": True})
    assert "norm.eps is given by a flat field" in refusal(norm={"eps": 1e-6})
    assert "norm.one_pluss" in refusal(norm={"one_pluss": True})


def test_the_ends_by_hand():
    assert grown(embedding={"positions": "learned"}) == 256 * 64
    assert grown(embedding={"positions": "learned", "position_offset": 2}) == 258 * 64
    assert grown(embedding={"positions": "learned", "position_rows": 100}) == 100 * 64
    assert grown(embedding={"positions": "sinusoidal"}) == 0
    assert grown(embedding={"norm": True}) == 64
    assert grown(embedding={"width": 32}) == 2 * (50 * 32 - 50 * 64 + 32 * 64)
    assert grown(head={"bias": True}) == 50
    assert grown(head={"norm": False}) == -64
    assert small(tie_embeddings=True, head={"bias": True}).estimate_params().parts["head"] == 50
    assert "positions" in refusal(embedding={"positions": "lerned"})
    assert "softcap is -1.0" in refusal(head={"softcap": -1.0})
    assert "must not be zero" in refusal(residual_multiplier=0.0)
    assert "head.tied is given by a flat field" in refusal(head={"tied": True})


def test_positions_in_files():
    config = small(position={"dims": 8}, layers=[{"layers": 3, "position": "none"}])
    assert [getattr(layer.position, "dims", None) for layer in config.layers] == [8, 8, 8, None]
    assert config.change({"position.interleaved": True}).layers[0].position.interleaved
    assert small(position={"type": "alibi", "max_bias": 4.0}).layers[0].position.max_bias == 4.0
    assert "dims is 32: must be at most the width of a head (16)" in refusal(position={"dims": 32})
    assert "dims is 7" in refusal(position={"dims": 7})
    assert "is given by rope_theta" in refusal(position={"theta": 5.0})
    assert "Did you mean alibi?" in refusal(position="alibbi")
    assert "max_bias" in refusal(position={"type": "alibi", "max_bias": 0.0})
    assert "head_dim is 15: must be even" in refusal(head_dim=15)


def test_a_child_merges_its_parents_ends():
    parent = small(embedding={"positions": "learned", "multiplier": 2.0})
    child = parent.change({"embedding.multiplier": 4.0})
    assert (child.token_embedding.positions, child.token_embedding.multiplier) == ("learned", 4.0)
    assert parent.change(embedding=None) == small()
