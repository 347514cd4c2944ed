"""The second derivation: every family built by transformers on the meta device, tensor by tensor the same count."""

from __future__ import annotations

import json

import pytest
from huggingface_cases import LAYERS, NEEDED, VARIANTS

import archwright as aw
from archwright.arch.huggingface import model_types

torch = pytest.importorskip("torch", reason="torch builds the models that the counts are compared with")
transformers = pytest.importorskip(
    "transformers", reason="transformers has the classes that the counts are compared with"
)

pytestmark = pytest.mark.filterwarnings("ignore")

CASES = [(kind, keys) for kind in model_types() for keys in ({}, *VARIANTS.get(kind, ()))]


@pytest.mark.parametrize(("kind", "keys"), CASES, ids=[f"{k}-{'-'.join(v) or 'defaults'}" for k, v in CASES])
def test_counts_scales_windows_and_rotation_are_those_of_the_class(kind, keys):
    data = {**NEEDED.get(kind, {}), LAYERS.get(kind, "num_hidden_layers"): 2, **keys}
    built_as = "deepseek_v3" if kind == "kimi_k2" else kind
    theirs = transformers.AutoConfig.for_model(built_as, **json.loads(json.dumps(data)))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(theirs, attn_implementation="eager")
    ours = aw.load({"model_type": kind, **data})
    assert ours.estimate_params() == sum(p.numel() for p in model.parameters())
    theirs = model.config
    assert ours.tie_embeddings == theirs.tie_word_embeddings
    layers = ours.layers
    scales = [m.scaling for n, m in model.named_modules() if "attn" in n and hasattr(m, "scaling")]
    for scale, layer in zip(scales, layers, strict=False):
        attention = layer.attention
        assert scale == pytest.approx(attention.key_dim**-0.5 if attention.scale is None else attention.scale)
    if getattr(theirs, "layer_types", None):
        slides = [layer.attention.type == "sliding" for layer in layers]
        assert slides == [t == "sliding_attention" for t in theirs.layer_types]
    ropes = [layer.position for layer in layers if getattr(layer.position, "type", "") == "rope"]
    for name, module in model.named_modules():
        if name.endswith("rotary_emb") and hasattr(module, "inv_freq") and ropes:
            assert 2 * module.inv_freq.numel() in {rope.dims for rope in ropes}


ROPES = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    },
    "longrope": {
        "rope_type": "longrope",
        "short_factor": [1.0 + i / 64 for i in range(32)],
        "long_factor": [2.0 + i for i in range(32)],
        "original_max_position_embeddings": 512,
    },
}


@pytest.mark.parametrize("kind", ROPES)
def test_scaled_frequencies_are_those_of_the_class(kind):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    data = {
        "hidden_size": 256,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "rope_parameters": {**ROPES[kind], "rope_theta": 5000.0},
    }
    theirs = transformers.AutoConfig.for_model("llama", **json.loads(json.dumps(data)))
    position = aw.load({"model_type": "llama", **data}).layers[0].position
    for length in (256, 2048, 8192):
        frequencies, factor = ROPE_INIT_FUNCTIONS[kind](theirs, torch.device("cpu"), seq_len=length)
        assert position.inverse_frequencies(length) == pytest.approx(frequencies.tolist(), rel=1e-5)
        assert position.attention_factor == pytest.approx(factor)
