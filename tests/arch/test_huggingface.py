"""Import of config.json: exact for each family, and refused by name where it cannot be."""

from __future__ import annotations

import csv
import json

import pytest

import archwright as aw
from archwright.errors import ArchwrightError, InvalidValue, NotSupported, UnknownName

SMALL = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 1000,
}


def small(**changes):
    return {k: v for k, v in {**SMALL, **changes}.items() if v != "absent"}


def windows(config):
    return [getattr(layer.attention, "window_size", None) for layer in config.layers]


def kv_elements(config, context=1):
    return sum(layer.attention.cache_elements * layer.attention.cache_slots(context) for layer in config.layers)


def refusal(data, kind=ArchwrightError):
    with pytest.raises(kind) as caught:
        aw.load(data)
    return str(caught.value)


# Families by hand ------------------------------------------------------------------------------------------------


def test_llama_by_hand():
    config = aw.load(small())
    layer = 256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512 + 2 * 256
    assert config.estimate_params() == 2 * 1000 * 256 + 4 * layer + 256
    assert kv_elements(config) == 4 * 2 * 2 * 64
    assert (config.max_seq_len, config.rope_theta, config.norm_eps) == (2048, 10000.0, 1e-6)
    assert config.layers[0].feed_forward.type == "swiglu"
    assert config.init_method == "normal(0.02)"


def test_llama_biases_are_all_projections_or_all_matrices():
    base = aw.load(small()).estimate_params()
    assert aw.load(small(attention_bias=True)).estimate_params() - base == 4 * (256 + 128 + 128 + 256)
    assert aw.load(small(mlp_bias=True)).estimate_params() - base == 4 * (512 + 512 + 256)


def test_missing_and_null_mean_what_the_class_takes():
    grouped = aw.load(small())
    for absent in ("absent", None):
        as_many = aw.load(small(num_key_value_heads=absent, head_dim=absent))
        assert as_many.n_kv_heads == 4
        assert as_many.layers[0].attention.head_dim == 64
        assert kv_elements(as_many) == 2 * kv_elements(grouped)
    assert aw.load(small(model_type="mistral", num_attention_heads=8, num_key_value_heads="absent")).n_kv_heads == 8
    assert aw.load(small(head_dim=32)).layers[0].attention.head_dim == 32


def test_a_missing_key_takes_its_familys_default_not_ours():
    for kind, d_ff, vocab in (("llama", 11008, 32000), ("mistral", 14336, 32000), ("qwen2", 22016, 151936)):
        config = aw.load({"model_type": kind})
        assert (config.d_ff, config.vocab_size, config.d_model, config.n_layers) == (d_ff, vocab, 4096, 32)
    assert aw.load({"model_type": "llama"}).n_kv_heads == 32
    assert aw.load({"model_type": "mistral"}).n_kv_heads == 8


def test_a_published_window_counts_the_token_itself():
    config = aw.load(small(model_type="mistral", sliding_window=4))
    assert windows(config) == [3] * 4
    assert [config.layers[0].attention.visible_keys(t) for t in range(6)] == [1, 2, 3, 4, 4, 4]
    assert config.layers[0].attention.cache_slots(12) == 4
    assert windows(aw.load(small(model_type="mistral", sliding_window=None))) == [None] * 4
    assert windows(aw.load(small(model_type="mistral"))) == [4095] * 4
    assert "positive" in refusal(small(model_type="mistral", sliding_window=0), InvalidValue)


def test_mistral_layer_types_must_agree_with_the_window():
    types = ["sliding_attention"] * 4
    assert windows(aw.load(small(model_type="mistral", sliding_window=8, layer_types=types))) == [7] * 4
    text = refusal(small(model_type="mistral", sliding_window=8, layer_types=[*types[:3], "full_attention"]))
    assert "layer_types" in text and "sliding_window (8)" in text and "ministral" in text


def test_qwen2_has_biases_on_q_k_v_only():
    config = aw.load(small(model_type="qwen2"))
    assert config.layers[0].attention.bias == ("q", "k", "v")
    assert config.estimate_params() - aw.load(small()).estimate_params() == 4 * (256 + 128 + 128)


def test_qwen2_window_gates():
    gate = {"model_type": "qwen2", "sliding_window": 8}
    off = aw.load(small(**gate))
    assert windows(off) == [None] * 4
    assert off.source.notes == ("sliding_window (8) has no effect: use_sliding_window is false",)
    assert windows(aw.load(small(**gate, use_sliding_window=True, max_window_layers=3))) == [None, None, None, 7]
    none = aw.load(small(**gate, use_sliding_window=True))
    assert windows(none) == [None] * 4
    assert "max_window_layers (28)" in none.source.notes[0]
    assert windows(aw.load(small(**gate, use_sliding_window=True, max_window_layers=0))) == [7] * 4
    types = ["sliding_attention", "full_attention"] * 2
    assert windows(aw.load(small(**gate, use_sliding_window=True, layer_types=types))) == [7, None, 7, None]
    assert "use_sliding_window (false)" in refusal(small(**gate, layer_types=types), InvalidValue)
    assert "names 2" in refusal(small(**gate, use_sliding_window=True, layer_types=types[:2]), InvalidValue)
    text = refusal(small(**gate, use_sliding_window=True, layer_types=["linear_attention"] * 4), NotSupported)
    assert "linear_attention" in text


def test_nothing_is_noted_about_a_plain_file():
    source = aw.load(small(bos_token_id=1, torch_dtype="bfloat16", sliding_window=None)).source
    assert source.notes == ()
    assert source.ignored == ("bos_token_id", "torch_dtype", "sliding_window")


# Rotary positions ------------------------------------------------------------------------------------------------

YARN = {"factor": 4.0, "original_max_position_embeddings": 512, "beta_fast": 16, "attention_factor": 1.5}
LLAMA3 = {
    "factor": 8,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.mark.parametrize(
    ("kind", "entries"),
    [("linear", {"factor": 4}), ("dynamic", {"factor": 2.0}), ("yarn", YARN), ("llama3", LLAMA3)],
)
def test_three_spellings_are_one_architecture(kind, entries):
    spelled = [
        {"rope_theta": 5000, "rope_scaling": {"type": kind, **entries}},
        {"rope_theta": 5000.0, "rope_scaling": {"rope_type": kind, **entries}},
        {"rope_parameters": {"rope_type": kind, "rope_theta": 5000.0, **entries}},
        {"rope_theta": 5000.0, "rope_scaling": {"rope_type": kind, "type": kind, **entries}},
        {
            "rope_parameters": {
                "rope_type": kind,
                "rope_theta": 5000.0,
                **{k: float(v) if k == "factor" else v for k, v in entries.items()},
            }
        },
    ]
    configs = [aw.load(small(**s)) for s in spelled]
    assert len(set(configs)) == 1
    assert len({c.fingerprint for c in configs}) == 1
    scaling = configs[0].layers[0].position.scaling
    assert scaling.type == kind
    assert scaling.factor == entries["factor"]
    assert configs[0] != aw.load(small(rope_theta=5000.0))


def test_scaling_takes_what_it_lacks_from_the_longest_sequence():
    for kind, entries in (("yarn", {"factor": 4.0}), ("llama3", {k: LLAMA3[k] for k in list(LLAMA3)[:3]})):
        config = aw.load(small(max_position_embeddings=4096, rope_scaling={"type": kind, **entries}))
        assert config.layers[0].position.scaling.original_max_position == 4096
    nothing = {"type": "yarn", "factor": None, "original_max_position_embeddings": 1024}
    assert aw.load(small(max_position_embeddings=4096, rope_scaling=nothing)).layers[0].position.scaling.factor == 4
    dynamic = aw.load(small(max_position_embeddings=4096, rope_scaling={"type": "dynamic", "factor": 2.0}))
    assert dynamic.layers[0].position.scaling.original_max_position == 4096


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({"rope_scaling": {"type": "linear", "rope_type": "dynamic", "factor": 4.0}}, ["linear", "dynamic"]),
        ({"rope_theta": 1e6, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, ["1000000", "10000"]),
        (
            {
                "rope_scaling": {"type": "linear", "factor": 4.0},
                "rope_parameters": {"rope_type": "linear", "factor": 2.0},
            },
            ["rope_scaling", "rope_parameters", "4.0", "2.0"],
        ),
        ({"rope_scaling": {"type": "linear"}}, ["rope_scaling.factor is missing"]),
        ({"rope_scaling": {"factor": 2.0}}, ["rope_scaling.factor", "rope_type"]),
        ({"rope_scaling": {"type": "linear", "factor": "4"}}, ["rope_scaling.factor is '4'", "Remove the quotes"]),
        ({"rope_scaling": {"type": "linear", "factor": 0.5}}, ["rope_scaling.factor is 0.5", "at least 1"]),
        ({"rope_scaling": {"type": "linar", "factor": 2}}, ["'linar'", "Did you mean linear?", "llama3"]),
        ({"rope_scaling": {"type": "linear", "factor": 2, "fctor": 3}}, ["rope_scaling.fctor", "factor"]),
        ({"rope_scaling": 4}, ["rope_scaling is 4"]),
        ({"rope_theta": -1.0}, ["rope_theta is -1.0", "positive"]),
        ({"rope_parameters": {"rope_theta": "10000"}}, ["rope_parameters.rope_theta is '10000'"]),
    ],
)
def test_rotary_positions_that_cannot_hold(rope, expected):
    text = refusal(small(**rope))
    for part in expected:
        assert part in text


def test_entries_of_another_scaling_are_a_note():
    config = aw.load(small(rope_scaling={"type": "linear", "factor": 2.0, "low_freq_factor": 1.0}))
    assert config.source.notes == ("rope_scaling.low_freq_factor (1.0) has no effect: linear scaling does not read it",)


# Refusals --------------------------------------------------------------------------------------------------------


def test_wrong_types_all_come_in_one_run_with_key_value_and_line(tmp_path):
    path = tmp_path / "config.json"
    data = small(num_hidden_layers=True, hidden_size="4096", num_attention_heads=32.5)
    path.write_text(json.dumps(data, indent=2))
    with pytest.raises(InvalidValue) as caught:
        aw.load(path)
    found = {(p.field, p.found, p.where.line) for p in caught.value.problems}
    assert found == {("hidden_size", "4096", 3), ("num_hidden_layers", True, 4), ("num_attention_heads", 32.5, 5)}


def test_rules_speak_of_the_files_own_keys(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(small(num_attention_heads=6, num_key_value_heads=4, vocab_size=-1), indent=2))
    text = refusal(path, InvalidValue)
    assert f"{path.name}:5:26  num_attention_heads is 6: hidden_size (256) must be divisible by" in text
    assert "num_attention_heads (6) must be divisible by num_key_value_heads (4)" in text
    assert "vocab_size is -1: must be positive" in text
    assert "n_heads" not in text.replace("num_attention_heads", "")


def test_unknown_model_types():
    text = refusal(small(model_type="llamma"), UnknownName)
    assert "'llamma'" in text and "Did you mean llama?" in text
    assert "Add model_type: llama" in refusal({"architectures": ["LlamaForCausalLM"]}, InvalidValue)
    assert "must be a text" in refusal(small(model_type=7), InvalidValue)
    assert "state-space" in refusal(small(model_type="mamba2"), NotSupported)


def test_a_key_that_may_change_the_model_is_refused_and_others_are_listed():
    text = refusal(small(attn_logit_softcapping=50.0), InvalidValue)
    assert "attn_logit_softcapping is 50.0" in text and "llama" in text
    assert "Did you mean num_key_value_heads?" in refusal(small(num_key_value_head=2), InvalidValue)
    assert "num_key_value_head" in refusal(small(num_key_value_head=None), InvalidValue)
    listed = aw.load(small(_name_or_path="x/y", resid_pdrop=0.1, use_cache=True, new_switch=False)).source
    assert listed.ignored == ("_name_or_path", "resid_pdrop", "use_cache", "new_switch")
    assert listed.name == "y"


def test_a_fixed_property_of_a_class_cannot_be_stated_otherwise():
    assert aw.load(small(model_type="qwen2", attention_bias=True)).source.ignored == ("attention_bias",)
    text = refusal(small(model_type="qwen2", attention_bias=False), InvalidValue)
    assert "attention_bias is false" in text and "qwen2" in text and "true" in text


def test_activations_by_name():
    assert aw.load(small(hidden_act="gelu")).layers[0].feed_forward.type == "geglu"
    text = refusal(small(hidden_act="snake"), NotSupported)
    assert "hidden_act is 'snake'" in text


def test_another_head_than_the_language_models_is_noted():
    name = "LlamaForSequenceClassification"
    assert name in aw.load(small(architectures=[name])).source.notes[0]
    assert aw.load(small(architectures=["LLaMAForCausalLM"])).source.notes == ()


@pytest.mark.parametrize(
    ("quantization", "dtype", "parts"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", []),
        ({"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head"]}, "fp8", ["without lm_head"]),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "int4-g128", ["gptq"]),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, None, ["no type"]),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8", []),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
                "ignore": ["a", "b", "c", "d", "e"],
            },
            "fp8",
            ["a, b, c, d and 1 more"],
        ),
    ],
)
def test_quantised_weights_are_noted_and_change_no_count(quantization, dtype, parts):
    config = aw.load(small(quantization_config=quantization))
    assert config == aw.load(small())
    assert config.source.weights_dtype == dtype
    for part in ["quantization_config", *parts]:
        assert part in config.source.notes[0]


def wrapped(**inner):
    return {"model_type": "llava", "text_config": small(**inner), "vision_config": {"hidden_size": 8}}


def test_of_a_multimodal_config_the_language_model_is_read_and_said_so():
    config = aw.load(wrapped())
    assert config == aw.load(small())
    assert config.source.notes == ("this is the language model of llava alone (text_config, llama): vision left out",)
    assert config.estimate_params() != aw.load(wrapped(tie_word_embeddings=True)).estimate_params()
    text = refusal({**wrapped(tie_word_embeddings=True), "tie_word_embeddings": False}, InvalidValue)
    assert "text_config.tie_word_embeddings (true)" in text
    text = refusal(wrapped(hidden_size="256"), InvalidValue)
    assert "text_config.hidden_size is '256'" in text
    text = refusal(wrapped(model_type="absent"), NotSupported)
    assert "multimodal wrapper" in text and "text_config" in text and "on its own" in text
    assert "cross-attention" in refusal({"model_type": "mllama", "text_config": small()}, NotSupported)


def test_imported_models_survive_every_way_out():
    config = aw.load(small(model_type="qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=3))
    assert aw.ArchitectureConfig.from_yaml(config.to_yaml()) == config
    assert aw.ArchitectureConfig.from_json(config.to_json()).fingerprint == config.fingerprint
    assert config.change(n_kv_heads=4).source.ignored == config.source.ignored


# The external data set -------------------------------------------------------------------------------------------


def truth_rows(shared):
    with open(shared / "data" / "truth.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_published_config_is_exact(shared):
    rows = truth_rows(shared)
    assert len(rows) == 78
    wrong = {}
    for row in rows:
        config = aw.load(shared / "data" / "configs" / f"{row['slug']}.json")
        weights = list(config.weights())
        attention = [layer.attention for layer in config.layers]
        by_part = config.estimate_params().parts
        linear = sum(times * w.flops for times, w in weights)
        scores = sum(2 * a.n_heads * (a.key_dim + a.value_dim) * 4096 for a in attention)
        found = {
            "params_total": int(config.estimate_params()),
            "params_active": sum(times * w.active_parameters for times, w in weights),
            "params_embedding": by_part["embedding"],
            "params_lm_head_untied": by_part["head"],
            "n_layers": len(attention),
            "kv_cache_bytes_per_token_bf16": 2 * kv_elements(config),
            "kv_cache_bytes_at_32768_bf16": 2 * kv_elements(config, 32768),
            "kv_cache_bytes_at_32768_bf16_no_window": 2 * 32768 * kv_elements(config),
            "flops_linear_per_token": linear,
            "flops_attention_per_token_at_4096": scores,
            "flops_forward_per_token_at_4096": linear + scores,
        }
        if row["kv_cache_bytes_per_token_bf16_materialised"]:
            found["kv_cache_bytes_per_token_bf16_materialised"] = 2 * sum(a.materialised_elements for a in attention)
        different = {k: (v, int(row[k])) for k, v in found.items() if v != int(row[k])}
        if different:
            wrong[row["slug"]] = different
    assert wrong == {}


def test_every_config_out_of_scope_is_refused_with_its_reason(shared):
    with open(shared / "data" / "out_of_scope.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    for row in rows:
        text = refusal(shared / "data" / "out_of_scope" / f"{row['slug']}.json", NotSupported)
        assert f"'{row['model_type']}'" in text
        stated = row["reason"].lower().replace("-", " ")
        words = ("remote code", "encoder", "cross attention", "linear attention", "mamba", "sparse attention")
        assert any(word in stated and word in text.lower().replace("-", " ") for word in words), (row, text)


def field_case(shared, name):
    return shared / "data" / "field-cases" / name


def test_field_case_three_spellings(shared):
    folder = field_case(shared, "fc-09-rope-spellings")
    configs = [aw.load(folder / f"{name}.json") for name in ("v1-type", "v2-rope-type", "v3-rope-parameters")]
    assert len({c.fingerprint for c in configs}) == 1
    text = refusal(folder / "contradiction.json", InvalidValue)
    assert "rope_scaling.type is 'linear'" in text and "rope_scaling.rope_type ('dynamic')" in text


def test_field_case_heads_wrapper_window(shared):
    old = aw.load(field_case(shared, "fc-05-null-and-missing-heads") / "no-kv-heads.json")
    assert (int(old.estimate_params()), 2 * kv_elements(old)) == (1_824_000, 2048)
    whole = aw.load(field_case(shared, "fc-07-nested-text-config-tying") / "config.json")
    assert whole.estimate_params() == 2_204_928
    assert "language model of mistral3 alone" in whole.source.notes[0]
    inner = aw.load(field_case(shared, "fc-07-nested-text-config-tying") / "text-only.json")
    assert inner.estimate_params() == 2_204_928
    assert windows(aw.load(field_case(shared, "fc-11-window-off-by-one") / "config.json")) == [3]


@pytest.mark.parametrize(
    ("case", "parameters", "kv_bytes"),
    [
        ("fc-01-kv-head-dim/config.json", 2_617_856, 3072),
        ("fc-02-moe-expert-parallel/config.json", 7_136_512, None),
        ("fc-04-mxfp4-weights/config.json", 1_216_160, None),
        ("fc-05-null-and-missing-heads/head-dim-null.json", 3_988_736, 512),
        ("fc-06-qwen3-window-gates/not-enabled.json", 2_874_112, 2048),
        ("fc-06-qwen3-window-gates/enabled-small.json", 2_874_112, 2048),
        ("fc-08-exaone-pattern-string/config.json", 1_246_336, 2048),
        ("fc-10-interleaved-moe-offset/config.json", 996_480, None),
        ("fc-10-interleaved-moe-offset/mlp-only.json", 1_210_112, None),
        ("fc-20-name-6b-is-7b/config.json", 7_064_213_504, None),
    ],
)
def test_field_case_counts(shared, case, parameters, kv_bytes):
    config = aw.load(shared / "data" / "field-cases" / case)
    assert config.estimate_params() == parameters
    assert kv_bytes in (None, 2 * kv_elements(config))


def test_field_case_windows_and_experts(shared):
    for name in ("not-enabled", "enabled-small"):
        config = aw.load(field_case(shared, "fc-06-qwen3-window-gates") / f"{name}.json")
        assert windows(config) == [None] * 4
        assert "no effect" in config.source.notes[0]
    exaone = aw.load(field_case(shared, "fc-08-exaone-pattern-string") / "config.json")
    assert windows(exaone) == [63, 63, 63, None] * 2
    assert 2 * kv_elements(exaone, 1024) == 622_592
    for name in ("config", "mlp-only"):
        config = aw.load(field_case(shared, "fc-10-interleaved-moe-offset") / f"{name}.json")
        assert [i for i, layer in enumerate(config.layers) if layer.feed_forward.type == "moe"] == [1]
    experts = (
        aw.load(field_case(shared, "fc-02-moe-expert-parallel") / "config.json").estimate_params().parts["experts"]
    )
    assert experts == 6_291_456
    published = aw.load(field_case(shared, "fc-04-mxfp4-weights") / "config.json")
    quantised = [(n, w) for n, w in published.weights() if w.part not in published.source.kept_parts]
    elements = sum(n * w.parameters for n, w in quantised if w.role == "matrix")
    assert (published.source.weights_dtype, elements) == ("mxfp4", 786_432)
