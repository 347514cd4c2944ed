"""config.json the other way: written, read back equal, and refused where a family cannot say it."""

from __future__ import annotations

import json

import pytest
from huggingface_cases import NEEDED, VARIANTS

import archwright as aw
from archwright.arch.huggingface import export_config, model_types
from archwright.arch.presets import names
from archwright.errors import NotSupported, UnknownName

CASES = [(kind, keys) for kind in model_types() for keys in ({}, *VARIANTS.get(kind, ()))]


@pytest.mark.parametrize(("kind", "keys"), CASES, ids=[f"{k}-{'-'.join(v) or 'defaults'}" for k, v in CASES])
def test_what_is_written_reads_back_equal(kind, keys):
    layers = {"gpt_neo": {"num_layers": 2}}
    config = aw.load({"model_type": kind, **NEEDED.get(kind, {}), **layers.get(kind, {}), **keys})
    written = export_config(config, kind)
    assert written["model_type"] == kind
    assert aw.load(json.loads(json.dumps(written))) == config


def test_a_preset_as_the_file_it_came_from():
    assert export_config(aw.load("llama-3.1-8b"), "llama") == {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "initializer_range": 0.02,
        "attention_dropout": 0.0,
        "attention_bias": False,
        "mlp_bias": False,
        "rope_theta": 500000.0,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "original_max_position_embeddings": 8192,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
        },
    }


def test_an_architecture_of_ones_own_in_a_family_that_can_say_it():
    config = aw.ArchitectureConfig(feed_forward="swiglu")
    again = aw.load(export_config(config, "llama"))
    assert again.change(init_method="kaiming") == config
    windows = aw.ArchitectureConfig(feed_forward="swiglu", attention={"type": "sliding", "window_size": 511})
    assert export_config(windows, "mistral")["sliding_window"] == 512
    mixed = aw.ArchitectureConfig(feed_forward="swiglu", pattern=[{"type": "sliding", "window_size": 511}, "full"])
    written = export_config(mixed, "ministral")
    assert written["layer_types"][:2] == ["sliding_attention", "full_attention"]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("llama-3.1-8b", "qwen2", ["layers[0].attention.bias", "qwen2"]),
        ("deepseek-v3", "llama", ["layers[0].attention is 'mla'", "layers[3].feed_forward is 'moe'"]),
        ("mistral-7b", "llama", ["layers[0].attention is 'sliding'", "full"]),
        ("gemma-2-9b", "mistral", ["attention_output_norm", "head", "embedding"]),
    ],
)
def test_what_a_family_cannot_say_is_named(name, kind, expected):
    with pytest.raises(NotSupported) as caught:
        export_config(aw.load(name), kind)
    for part in expected:
        assert part in str(caught.value)
    assert len(caught.value.problems) <= 12


def test_the_documented_defaults_have_no_family():
    with pytest.raises(NotSupported, match="feed_forward"):
        export_config(aw.ArchitectureConfig(use_gated_geglu=False), "llama")


def test_an_unknown_model_type():
    with pytest.raises(UnknownName, match="Did you mean llama"):
        export_config(aw.ArchitectureConfig(), "lama")


FAMILY_OF = {"llama-2-7b": "llama", "mistral-7b": "mistral", "qwen3-8b": "qwen3", "gpt2": "gpt2", "bloom-176b": "bloom"}


@pytest.mark.parametrize(("name", "kind"), FAMILY_OF.items())
def test_transformers_builds_what_is_written(name, kind):
    torch = pytest.importorskip("torch", reason="torch builds the model that the count is compared with")
    transformers = pytest.importorskip("transformers", reason="transformers has the classes")
    assert name in names()
    config = aw.load(name)
    written = export_config(config, kind)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**written))
    assert sum(p.numel() for p in model.parameters()) == config.estimate_params()
