"""What each family is beyond its counts: positions, norms, scales, routing, and what it refuses."""

from __future__ import annotations

import math

import pytest

import archwright as aw
from archwright.arch.huggingface import model_types
from archwright.arch.huggingface.families import family
from archwright.arch.huggingface.harmless import is_harmless
from archwright.errors import ArchwrightError, InvalidValue, NotSupported

SHAPE = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 1000,
}


def load(kind, **keys):
    return aw.load({"model_type": kind, **SHAPE, **keys})


def refusal(kind, error=ArchwrightError, **keys):
    with pytest.raises(error) as caught:
        load(kind, **keys)
    return str(caught.value)


def kinds(config):
    return [layer.attention.type for layer in config.layers]


@pytest.mark.parametrize("kind", model_types())
def test_every_family_is_well_formed(kind):
    entry = family(kind)
    assert entry.model_type == kind
    names = [n for key in entry.keys for n in (key.name, *key.aliases)]
    assert len(names) == len(set(names))
    for table in (entry.fixed, entry.unread, dict.fromkeys(entry.ignored)):
        assert not set(names) & set(table)
        assert not [n for n in table if is_harmless(n)]
    assert set(entry.unread.values()) <= {key.name for key in entry.keys}
    assert fields_doc(entry)


def fields_doc(entry):
    return (entry.fields.__doc__ or "").strip()


@pytest.mark.parametrize("kind", model_types())
def test_every_family_refuses_what_it_does_not_understand(kind):
    for key, value in (("frobnicate", 3), ("attn_output_gate", True), ("hidden_sizee", 64)):
        with pytest.raises(ArchwrightError) as caught:
            aw.load({"model_type": kind, key: value})
        assert key in str(caught.value)


@pytest.mark.parametrize("kind", model_types())
def test_every_family_reports_all_wrong_types_at_once(kind):
    integers = [key.name for key in family(kind).keys if key.kind is int][:3]
    with pytest.raises(InvalidValue) as caught:
        aw.load({"model_type": kind, **dict.fromkeys(integers, "12")})
    assert {p.field for p in caught.value.problems} == set(integers)


# Norms and where they stand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "keys", "placement"),
    [
        ("llama", {}, "pre"),
        ("gemma2", {}, "sandwich"),
        ("glm4", {"head_dim": 64}, "sandwich"),
        ("olmo2", {}, "output"),
        ("exaone4", {}, "output"),
        ("cohere", {}, "parallel"),
        ("phi", {}, "parallel"),
        ("gpt_neox", {"num_key_value_heads": None}, "parallel_two"),
        ("gpt_neox", {"num_key_value_heads": None, "use_parallel_residual": False}, "pre"),
        ("stablelm", {"use_parallel_residual": True}, "parallel"),
    ],
)
def test_norm_placement(kind, keys, placement):
    assert load(kind, **keys).layers[0].norm_placement == placement


def test_kinds_of_norm():
    assert load("gemma").layers[0].attention_norm.one_plus
    nemotron = load("nemotron").layers[0].attention_norm
    assert (nemotron.type, nemotron.one_plus) == ("layer", True)
    assert load("cohere").final_norm.without_bias
    olmo = load("olmo")
    assert olmo.final_norm.without_weight and list(olmo.final_norm.weights()) == []
    opt = aw.load({"model_type": "opt", "do_layer_norm_before": False})
    assert opt.final_norm is None and opt.layers[0].norm_placement == "post"
    assert aw.load({"model_type": "openai-gpt"}).layers[0].residual == "post"


@pytest.mark.parametrize(
    ("kind", "keys", "norm", "norm_type", "after"),
    [
        ("qwen3", {}, "head", "rms", False),
        ("gemma3_text", {}, "head", "rms_one_plus", False),
        ("olmo2", {}, "width", "rms", False),
        ("cohere", {"use_qk_norm": True}, "heads", "layer_no_bias", False),
        ("phi", {"qk_layernorm": True}, "head", "layer", False),
        ("stablelm", {"qk_layernorm": True}, "heads", "layer_no_bias", False),
        ("hunyuan_v1_dense", {}, "head", "rms", True),
        ("minimax_m2", {}, "width", "rms", False),
        ("llama", {}, None, "rms", False),
    ],
)
def test_norms_of_queries_and_keys(kind, keys, norm, norm_type, after):
    attention = load(kind, **keys).layers[0].attention
    assert (attention.qk_norm, attention.qk_norm_type, attention.qk_norm_after_rope) == (norm, norm_type, after)
    if norm:
        assert attention.qk_norm_eps == load(kind, **keys).norm_eps


# Positions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "keys", "dims", "interleaved"),
    [
        ("llama", {}, 64, False),
        ("phi", {}, 32, False),
        ("phi", {"partial_rotary_factor": 0.25}, 16, False),
        ("stablelm", {}, 16, False),
        ("glm", {"head_dim": 64}, 32, True),
        ("cohere", {}, 64, True),
        ("helium", {"head_dim": 64}, 64, True),
        ("minimax_m2", {"rotary_dim": 64}, 64, False),
        ("phi3", {"partial_rotary_factor": 0.75}, 48, False),
        ("llama", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, 32, False),
    ],
)
def test_rotated_dimensions(kind, keys, dims, interleaved):
    position = load(kind, **keys).layers[0].position
    assert (position.dims, position.interleaved) == (dims, interleaved)


def test_layers_without_positions():
    smollm = load("smollm3")
    assert [layer.position is None for layer in smollm.layers] == [False, False, False, True]
    assert [layer.position is None for layer in load("smollm3", no_rope_layers=[0, 1, 1, 0]).layers] == [
        True,
        False,
        False,
        True,
    ]
    cohere = load("cohere2", sliding_window=8)
    assert kinds(cohere) == ["sliding", "sliding", "sliding", "full"]
    assert [layer.position is None for layer in cohere.layers] == [False, False, False, True]
    assert all(layer.position is not None for layer in load("exaone4", sliding_window=None).layers)


def test_rotary_positions_by_layer_type():
    gemma = load("gemma3_text", sliding_window_pattern=2, rope_scaling={"rope_type": "linear", "factor": 8.0})
    assert [layer.position.theta for layer in gemma.layers] == [1e4, 1e6, 1e4, 1e6]
    assert [layer.position.scaling is None for layer in gemma.layers] == [True, False, True, False]
    nested = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    assert load("gemma3_text", sliding_window_pattern=2, rope_parameters=nested) == gemma
    yarn = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 256}
    olmo = load("olmo3", rope_scaling=yarn)
    assert [layer.position.scaling is None for layer in olmo.layers] == [True, True, True, False]


def test_linear_biases_tables_and_sinusoids():
    bloom = aw.load({"model_type": "bloom", "seq_length": 512})
    assert (bloom.layers[0].position.type, bloom.max_seq_len, bloom.token_embedding.norm) == ("alibi", 512, True)
    falcon = aw.load({"model_type": "falcon", "alibi": True})
    assert falcon.layers[0].position.scaled
    gpt2 = aw.load({"model_type": "gpt2"})
    assert gpt2.layers[0].position is None
    assert (gpt2.token_embedding.positions, gpt2.token_embedding.rows) == ("learned", 1024)
    assert aw.load({"model_type": "opt"}).token_embedding.rows == 2050
    xglm = aw.load({"model_type": "xglm"})
    assert (xglm.token_embedding.positions, xglm.token_embedding.rows) == ("sinusoidal", 0)


def test_longrope_of_each_spelling():
    short, long = [1.0] * 32, [2.0] * 32
    factors = {"short_factor": short, "long_factor": long}
    config = load(
        "phi3",
        max_position_embeddings=8192,
        original_max_position_embeddings=2048,
        rope_scaling={"type": "su", **factors},
    )
    scaling = config.layers[0].position.scaling
    assert (scaling.type, scaling.factor, scaling.original_max_position) == ("longrope", 4.0, 2048)
    assert scaling.attention_factor() == pytest.approx(math.sqrt(1 + math.log(4) / math.log(2048)))
    position = config.layers[0].position
    assert position.inverse_frequencies(2048)[3] == 2 * position.inverse_frequencies(2049)[3]
    text = refusal("phi3", InvalidValue, rope_scaling={"type": "longrope", **factors, "short_factor": [1.0]})
    assert "short_factor" in text
    text = refusal("phi3", InvalidValue, rope_scaling={"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]})
    assert "32 rotated pairs" in text
    moe = load("phimoe", rope_scaling={"type": "longrope", **factors, "short_mscale": 1.1, "long_mscale": 1.2})
    assert moe.layers[0].position.scaling.attention_factor() == 1.1


def test_a_fixed_alpha_stretches_the_base():
    alpha = {"type": "dynamic", "alpha": 1000.0, "factor": 1.0}
    config = load("hunyuan_v1_dense", rope_scaling=alpha)
    assert config.layers[0].position.theta == pytest.approx(10000 * 1000 ** (64 / 62))
    assert config.layers[0].position.scaling is None


# Scales -----------------------------------------------------------------------------------------------------------


def test_multipliers():
    granite = load(
        "granite",
        embedding_multiplier=12.0,
        logits_scaling=8.0,
        residual_multiplier=0.22,
        attention_multiplier=0.0078125,
    )
    assert granite.token_embedding.multiplier == 12.0
    assert granite.output_head.multiplier == 0.125
    assert granite.layers[0].residual_multiplier == 0.22
    assert granite.layers[0].attention.scale == 0.0078125
    assert "logits_scaling" in refusal("granite", InvalidValue, logits_scaling=0.0)
    assert load("gemma").token_embedding.multiplier == 16.0
    gemma2 = load("gemma2", query_pre_attn_scalar=144)
    assert gemma2.layers[0].attention.scale == pytest.approx(1 / 12)
    assert (gemma2.layers[0].attention.softcap, gemma2.output_head.softcap) == (50.0, 30.0)
    assert load("cohere", logit_scale=0.25).output_head.multiplier == 0.25
    mini = aw.load({"model_type": "minicpm3"})
    assert mini.layers[0].residual_multiplier == pytest.approx(1.4 / math.sqrt(62))
    assert (mini.token_embedding.multiplier, mini.output_head.multiplier) == (12.0, 0.1)


def test_latent_attention_scales_with_its_yarn():
    yarn = {
        "type": "yarn",
        "factor": 40,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
    }
    attention = aw.load({"model_type": "deepseek_v3", "rope_scaling": yarn}).layers[0].attention
    assert attention.scale == pytest.approx(192**-0.5 * (0.1 * math.log(40) + 1) ** 2)
    assert (attention.cache_elements, attention.materialised_elements) == (576, 128 * 320)
    assert attention.latent_eps == 1e-6
    assert aw.load({"model_type": "deepseek_v3"}).layers[0].attention.scale is None
    assert aw.load({"model_type": "kimi_k2"}) == aw.load({"model_type": "deepseek_v3"})


# Experts ----------------------------------------------------------------------------------------------------------


def test_routing_of_each_kind():
    mixtral = load("mixtral").layers[0].feed_forward
    assert (mixtral.routing, mixtral.normalize, mixtral.n_experts, mixtral.top_k) == ("softmax", True, 8, 2)
    v3 = aw.load({"model_type": "deepseek_v3"}).layers[3].feed_forward
    assert (v3.routing, v3.correction_bias, v3.n_groups, v3.top_groups, v3.group_score) == (
        "sigmoid",
        "buffer",
        8,
        4,
        "top2",
    )
    assert v3.routed_scale == 2.5
    v2 = aw.load({"model_type": "deepseek_v2", "num_experts_per_tok": 6}).layers[0].feed_forward
    assert (v2.routing, v2.normalize, v2.n_groups, v2.shared_d_ff) == ("softmax", False, 1, 2 * 1407)
    phi = load("phimoe").layers[0].feed_forward
    assert (phi.routing, phi.jitter) == ("sparsemixer", 0.01)
    oss = load("gpt_oss", head_dim=64).layers[0].feed_forward
    assert (oss.activation, oss.limit, oss.up_plus_one, oss.bias, oss.router_bias) == (
        "quick_gelu",
        7.0,
        True,
        True,
        True,
    )
    assert load("gpt_oss", head_dim=64).layers[0].attention.sinks
    qwen = load("qwen2_moe").layers[0].feed_forward
    assert (qwen.normalize, qwen.shared_gate, qwen.shared_d_ff) == (False, True, 5632)


def test_dense_layers_among_sparse_ones():
    config = aw.load({"model_type": "deepseek_v3", "num_hidden_layers": 5, "first_k_dense_replace": 2})
    assert [layer.feed_forward.type for layer in config.layers] == ["swiglu"] * 2 + ["moe"] * 3
    assert config.layers[0].feed_forward.d_ff == 18432
    ernie = aw.load(
        {"model_type": "ernie4_5_moe", "num_hidden_layers": 6, "moe_layer_interval": 2, "moe_layer_end_index": 4}
    )
    assert [i for i, layer in enumerate(ernie.layers) if layer.feed_forward.type == "moe"] == [1, 3]
    dense = aw.load({"model_type": "qwen3_moe", "num_hidden_layers": 4, "mlp_only_layers": [0, 2]})
    assert [layer.feed_forward.type for layer in dense.layers] == ["swiglu", "moe"] * 2
    assert dense.layers[0].feed_forward.d_ff == 6144


def test_experts_that_cannot_be():
    assert "num_experts_per_tok is missing" in refusal("deepseek_v2", InvalidValue)
    assert "num_experts_per_tok is 9" in refusal("mixtral", InvalidValue, num_experts_per_tok=9)
    assert "topk_method" in refusal("deepseek_v2", NotSupported, num_experts_per_tok=2, topk_method="noaux_tc")
    assert "mlp_only_layers" in refusal("qwen2_moe", InvalidValue, mlp_only_layers=[7])
    assert "decoder_sparse_step" in refusal("qwen2_moe", InvalidValue, decoder_sparse_step=0)
    assert "n_group is 7" in refusal("deepseek_v3", InvalidValue, n_group=7)


# Windows and patterns ---------------------------------------------------------------------------------------------


def test_windows_of_each_family():
    assert kinds(load("gemma2", sliding_window=8)) == ["sliding", "full"] * 2
    assert kinds(load("gpt_oss", head_dim=64)) == ["sliding", "full"] * 2
    assert kinds(load("ministral", sliding_window=8)) == ["sliding"] * 4
    types = ["full_attention", "sliding_attention"] * 2
    assert kinds(load("ministral", sliding_window=8, layer_types=types)) == ["full", "sliding"] * 2
    assert kinds(load("qwen3_moe", use_sliding_window=True, sliding_window=8)) == ["sliding"] * 4
    assert kinds(load("qwen2_moe", use_sliding_window=True, sliding_window=8)) == ["sliding", "full"] * 2
    neo = aw.load({"model_type": "gpt_neo", "num_layers": 2, "attention_types": [[["global", "local"], 1]]})
    assert kinds(neo) == ["full", "sliding"]
    assert neo.layers[1].attention.window_size == 255
    assert neo.layers[0].attention.scale == 1.0
    text = refusal("exaone4", InvalidValue, sliding_window=8, sliding_window_pattern="LLX")
    assert "sliding_window_pattern is 'LLX'" in text


def test_patterns_are_authored_as_patterns():
    config = load("gemma2", sliding_window=8)
    assert config.pattern == [{"type": "sliding", "window_size": 7}, "full"]
    assert config.change({"layers[0].attention": "full"}).layers[0].attention.type == "full"
    assert load("qwen3_moe").feed_forward["type"] == "moe"


# Refusals of single families --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention"),
        ({"model_type": "gptj", "rotary_dim": None}, "rotary_dim"),
        ({"model_type": "bloom", "apply_residual_connection_post_layernorm": True}, "apply_residual"),
        ({"model_type": "mpt", "attn_config": {"alibi": False}}, "attn_config.alibi"),
        ({"model_type": "mpt", "attn_config": {"qk_ln": True}}, "attn_config.qk_ln"),
        ({"model_type": "gemma2", "use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ({"model_type": "gpt_oss", "swiglu_alpha": 1.0}, "swiglu_alpha"),
        ({"model_type": "phimoe", "num_experts_per_tok": 4}, "sparsemixer"),
        ({"model_type": "dbrx", "tie_word_embeddings": True}, "tie_word_embeddings"),
    ],
)
def test_what_cannot_be_expressed_is_refused_by_name(data, expected):
    with pytest.raises(NotSupported, match=expected):
        aw.load(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"model_type": "falcon", "num_ln_in_parallel_attn": 2}, "num_ln_in_parallel_attn"),
        ({"model_type": "falcon", "n_head": 8, "num_attention_heads": 71}, "contradicts"),
        ({"model_type": "internlm3", "qkv_bias": True, "bias": False}, "qkv_bias"),
        ({"model_type": "dbrx", "ffn_config": {"moe_top_k": "4"}}, "ffn_config.moe_top_k"),
        ({"model_type": "dbrx", "ffn_config": {"moe_topk": 4}}, "moe_top_k"),
        ({"model_type": "gpt_neo", "num_layers": 3}, "describes 24 layers"),
        ({"model_type": "mpt", "expansion_ratio": 2}, "expansion_ratio"),
        ({"model_type": "gemma3_text", "sliding_window_pattern": 0}, "sliding_window_pattern"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(data, expected):
    with pytest.raises(InvalidValue, match=expected):
        aw.load(data)


def test_names_of_other_families_are_aliases_where_the_class_says_so():
    gpt2 = aw.load({"model_type": "gpt2", "hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 3})
    assert (gpt2.d_model, gpt2.n_heads, gpt2.n_layers, gpt2.d_ff) == (384, 6, 3, 1536)
    assert "contradicts" in str(_raised({"model_type": "gpt2", "n_embd": 384, "hidden_size": 768}))


def _raised(data):
    with pytest.raises(ArchwrightError) as caught:
        aw.load(data)
    return caught.value


@pytest.mark.parametrize("kind", model_types())
def test_every_family_survives_every_way_out(kind):
    more = {"deepseek_v2": {"num_experts_per_tok": 6}, "glm4_moe": {"head_dim": 128}}
    more["dots1"] = {"n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2}
    config = aw.load({"model_type": kind, **more.get(kind, {})})
    assert aw.ArchitectureConfig.from_yaml(config.to_yaml()) == config
    again = aw.ArchitectureConfig.from_json(config.to_json())
    assert again == config and again.fingerprint == config.fingerprint
    assert aw.ArchitectureConfig(**config.to_dict()) == config
