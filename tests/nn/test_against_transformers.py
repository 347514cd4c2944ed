"""Against another implementation: the same weights in Hugging Face's llama and mistral give the same logits."""

from __future__ import annotations

import pytest
import torch

from archwright.arch.config import ArchitectureConfig
from archwright.nn import Transformer

transformers = pytest.importorskip("transformers")

SIZES = {"d_model": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "d_ff": 96, "vocab_size": 80, "max_seq_len": 64}
NAMES = {
    "embedding.": "model.embed_tokens.",
    "layers.": "model.layers.",
    "final_norm.": "model.norm.",
    "head.": "lm_head.",
    ".attention_norm.": ".input_layernorm.",
    ".feed_forward_norm.": ".post_attention_layernorm.",
    ".attention.": ".self_attn.",
    ".feed_forward.": ".mlp.",
}


def theirs(cls: type, **more):
    made = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 96,
        "vocab_size": 80,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "attn_implementation": "sdpa",
        **more,
    }
    return cls(**made)


def renamed(name: str) -> str:
    for ours, other in NAMES.items():
        if name.startswith(ours) or (ours.startswith(".") and ours in name):
            name = name.replace(ours, other, 1)
    return name


@pytest.mark.parametrize("kind", ["llama", "mistral", "llama3 scaling"])
def test_logits_are_those_of_hugging_face(kind):
    fields = {**SIZES, "feed_forward": {"type": "swiglu"}, "rope_theta": 5000.0}
    rope = {"rope_type": "default", "rope_theta": 5000.0}
    if kind == "mistral":
        fields["attention"] = {"type": "sliding", "window_size": 7}
        other = transformers.MistralForCausalLM(
            theirs(transformers.MistralConfig, sliding_window=8, rope_parameters=rope)
        )
    else:
        if kind == "llama3 scaling":
            scaling = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
            fields["rope_scaling"] = {"type": "llama3", "original_max_position": 32, **scaling}
            rope = {"rope_type": "llama3", "rope_theta": 5000.0, "original_max_position_embeddings": 32, **scaling}
        other = transformers.LlamaForCausalLM(theirs(transformers.LlamaConfig, rope_parameters=rope))
    model = Transformer(ArchitectureConfig(**fields), seed=0, dtype=torch.float64).eval()
    other = other.double().eval()
    other.load_state_dict({renamed(n): t for n, t in model.state_dict().items()}, strict=True)
    tokens = torch.randint(0, 80, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, wanted = model(tokens), other(tokens).logits
        # their angles are float32 as ours; everything else is float64
        assert (ours - wanted).abs().max() < 1e-5 * wanted.std()
        mask = torch.ones_like(tokens)
        mask[0, :13] = 0
        place = (mask.cumsum(-1) - 1).clamp(min=0)
        wanted = other(tokens, attention_mask=mask, position_ids=place).logits
        ours = model(tokens, attention_mask=mask)
        real = mask.bool()  # what they give for padding means nothing
        assert (ours - wanted)[real].abs().max() < 1e-5 * wanted[real].std()
