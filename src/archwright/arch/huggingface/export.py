"""An architecture as a config.json of a family: what its keys must say, proved by reading it back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ...errors import NOTHING, NotSupported, Problem, UnknownName, did_you_mean, show
from ..attention import AttentionSpec
from ..config import ArchitectureConfig
from ..feed_forward import FeedForwardSpec
from ..layer import Layer
from ..position import Rope, RopeScaling
from ..spec import field_types
from .families import MODULES, family
from .keys import Family
from .parts import ACTIVATIONS
from .rope import REQUIRED, SCALINGS


class View:
    """An architecture as the keys of published configs ask for it."""

    def __init__(self, config: ArchitectureConfig, target: Family) -> None:
        self.config = config
        self.target = target
        self.layers = config.layers
        whole = [layer for layer in self.layers if layer.attention.type != "sliding"]
        self.layer: Layer = (whole or list(self.layers))[0]
        self.attention: AttentionSpec = self.layer.attention
        self.slides = [layer.attention.type == "sliding" for layer in self.layers]
        self.sparse = [layer.feed_forward.type == "moe" for layer in self.layers]
        kinds: list[FeedForwardSpec] = [layer.feed_forward for layer in self.layers]
        self.dense = next((f for f in kinds if f.type != "moe"), None)
        self.experts: Any = next((f for f in kinds if f.type == "moe"), None)
        self.head = config.output_head
        self.embedding = config.token_embedding
        self.names = {key.name for key in target.keys}

    @property
    def rope(self) -> Rope | None:
        """The rotary positions of the global layers, else of any."""
        found = [layer.position for layer in (self.layer, *self.layers) if isinstance(layer.position, Rope)]
        return found[0] if found else None

    def option(self, name: str, default: Any = None) -> Any:
        """An option of the attention or its default."""
        return getattr(self.attention, name, default)

    def expert(self, name: str, default: Any = None) -> Any:
        """An option of the experts or its default."""
        return getattr(self.experts, name, default)

    def biased(self, projection: str) -> bool:
        """Whether a projection of attention has a bias."""
        return projection in self.attention.bias or bool(self.option("latent_bias", False))

    def wide(self) -> int:
        """The width that the family's `intermediate_size` means."""
        if self.experts is not None and not self.names & {"moe_intermediate_size"}:
            return int(self.experts.d_ff)
        return self.dense.d_ff if self.dense is not None else self.config.d_ff

    def activation(self, name: str) -> str:
        """The published name of the activation: the family's own where it means the same."""
        spec: Any = self.dense if self.dense is not None else self.experts
        default = next((key.default for key in self.target.keys if key.name == name), None)
        ours = getattr(spec, "activation", "silu")
        if ACTIVATIONS.get(str(default)) == ours or self.target.model_type in ("gpt_oss", "openai-gpt"):
            return str(default)
        return "gelu_pytorch_tanh" if ours == "gelu_tanh" else str(ours)

    def scaling(self) -> dict[str, Any] | None:
        """The map of the rotary scaling in the spelling of today's files."""
        spec = self.rope.scaling if self.rope else None
        if spec is None:
            return None
        made: dict[str, Any] = {"rope_type": spec.type}
        for theirs, (ours, _) in SCALINGS[spec.type].items():
            value = getattr(spec, ours)
            twin = theirs in ("short_mscale", "long_mscale") and self.target.model_type != "phimoe"
            plain = value == _default(spec, ours) and theirs not in (*REQUIRED[spec.type], _LENGTH)
            if value is None or twin or (plain and not isinstance(value, tuple)):
                continue
            made[theirs] = list(value) if isinstance(value, tuple) else value
        return made

    def spacing(self) -> int:
        """How many layers on the next sparse one is."""
        numbers = [i for i, sparse in enumerate(self.sparse) if sparse]
        return numbers[1] - numbers[0] if len(numbers) > 1 else 1

    def rounded(self, value: float) -> float | int:
        """A number that was computed from a published one, as it was published."""
        near = round(value, 10)
        return int(near) if near == int(near) else near


_LENGTH = "original_max_position_embeddings"


def _default(spec: RopeScaling, name: str) -> Any:
    return getattr(type(spec), name, None) if name in field_types(type(spec)) else None


Probe = Callable[[View], Any]
PROBES: dict[str, Probe] = {
    # shape
    "d_model": lambda v: v.config.d_model,
    "n_layers": lambda v: v.config.n_layers,
    "n_heads": lambda v: v.attention.n_heads,
    "n_kv_heads": lambda v: v.attention.n_kv_heads,
    "head_dim": lambda v: v.attention.head_dim,
    "d_ff": lambda v: v.wide(),
    "vocab_size": lambda v: v.config.vocab_size,
    "max_seq_len": lambda v: v.config.max_seq_len,
    "norm_eps": lambda v: v.config.norm_eps,
    "tie_embeddings": lambda v: v.config.tie_embeddings,
    "attention_dropout": lambda v: v.attention.dropout,
    "residual_multiplier": lambda v: v.layer.residual_multiplier,
    "rope_theta": lambda v: v.rope.theta if v.rope else None,
    # activations, biases
    **{
        name: (lambda v, name=name: v.activation(name))  # type: ignore[misc]
        for name in ("hidden_act", "hidden_activation", "activation_function", "activation", "afn")
    },
    "attention_bias": lambda v: v.biased("q"),
    "attention_out_bias": lambda v: v.biased("o"),
    "qkv_bias": lambda v: v.biased("q"),
    "use_qkv_bias": lambda v: v.biased("q"),
    "mlp_bias": lambda v: bool((v.dense or v.experts).bias),
    "use_bias": lambda v: v.biased("o"),
    "bias": lambda v: v.biased("o"),
    "enable_bias": lambda v: v.biased("o"),
    "lm_head_bias": lambda v: v.head.bias,
    # windows and positions
    "sliding_window": lambda v: v.layers[v.slides.index(True)].attention.window_size + 1 if any(v.slides) else None,  # type: ignore[attr-defined]
    "window_size": lambda v: PROBES["sliding_window"](v) or 256,
    "use_sliding_window": lambda v: any(v.slides),
    "max_window_layers": lambda v: v.slides.index(True) if any(v.slides) else v.config.n_layers,
    "layer_types": lambda v: [("sliding" if s else "full") + "_attention" for s in v.slides],
    "attention_types": lambda v: [[["local" if s else "global" for s in v.slides], 1]],
    "rope_scaling": lambda v: v.scaling(),
    "partial_rotary_factor": lambda v: v.rope.dims / v.attention.rotary_dim if v.rope else None,
    "rotary_pct": lambda v: v.rope.dims / v.attention.rotary_dim if v.rope else None,
    "rotary_emb_base": lambda v: v.rope.theta if v.rope else None,
    "rotary_dim": lambda v: v.rope.dims if v.rope else None,
    "rope_interleave": lambda v: bool(v.rope and v.rope.interleaved),
    "rope_local_base_freq": lambda v: next(
        (x.position.theta for x in v.layers if x.attention.type == "sliding" and isinstance(x.position, Rope)), 10000.0
    ),
    "original_max_position_embeddings": lambda v: getattr(v.rope and v.rope.scaling, "original_max_position", None),
    "no_rope_layers": lambda v: [int(layer.position is not None) for layer in v.layers],
    "alibi": lambda v: getattr(v.layer.position, "type", "") == "alibi",
    # norms and factors
    "qk_layernorm": lambda v: v.option("qk_norm") is not None,
    "use_qk_norm": lambda v: v.option("qk_norm") is not None,
    "query_pre_attn_scalar": lambda v: (
        v.rounded(v.option("scale") ** -2) if v.option("scale") else v.attention.head_dim
    ),
    "attn_logit_softcapping": lambda v: v.option("softcap"),
    "final_logit_softcapping": lambda v: v.head.softcap,
    "logit_scale": lambda v: v.head.multiplier,
    "embedding_multiplier": lambda v: v.embedding.multiplier,
    "attention_multiplier": lambda v: v.option("scale") or v.attention.key_dim**-0.5,
    "logits_scaling": lambda v: v.rounded(1 / v.head.multiplier),
    "clip_qkv": lambda v: v.option("clip"),
    "scale_attn_weights": lambda v: v.option("scale") is None,
    "scale_embedding": lambda v: v.embedding.multiplier != 1,
    "scale_emb": lambda v: v.rounded(v.embedding.multiplier),
    "scale_depth": lambda v: v.rounded(v.layer.residual_multiplier * math.sqrt(v.config.n_layers)),
    "dim_model_base": lambda v: round(v.head.multiplier * v.config.d_model),
    "use_parallel_residual": lambda v: v.layer.residual == "parallel",
    "parallel_attn": lambda v: v.layer.residual == "parallel",
    "num_ln_in_parallel_attn": lambda v: 2 if v.layer.norm_placement == "parallel_two" else 1,
    "new_decoder_architecture": lambda v: (
        v.attention.n_kv_heads not in (1, v.attention.n_heads) or v.layer.norm_placement == "parallel_two"
    ),
    "multi_query": lambda v: v.attention.n_kv_heads == 1,
    "do_layer_norm_before": lambda v: v.layer.residual != "post",
    "layer_norm_elementwise_affine": lambda v: not v.config.norm_spec.without_weight,
    "_remove_final_layer_norm": lambda v: v.layer.residual != "post" and v.config.final_norm is None,
    "word_embed_proj_dim": lambda v: v.embedding.table_width,
    # experts
    **dict.fromkeys(
        ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), lambda v: v.expert("n_experts", 0)
    ),
    **dict.fromkeys(("num_experts_per_tok", "moe_k", "moe_topk"), lambda v: v.expert("top_k", 1)),
    "moe_intermediate_size": lambda v: v.expert("d_ff", v.config.d_ff),
    "shared_expert_intermediate_size": lambda v: v.expert("shared_d_ff", 0),
    **dict.fromkeys(
        ("n_shared_experts", "moe_num_shared_experts"),
        lambda v: v.expert("shared_d_ff", 0) // max(1, v.expert("d_ff", 1)),
    ),
    "decoder_sparse_step": lambda v: 1,
    "mlp_only_layers": lambda v: [i for i, sparse in enumerate(v.sparse) if not sparse],
    "norm_topk_prob": lambda v: v.expert("normalize", True),
    "first_k_dense_replace": lambda v: v.sparse.index(True) if any(v.sparse) else len(v.sparse),
    "routed_scaling_factor": lambda v: v.expert("routed_scale", 1.0),
    "n_group": lambda v: v.expert("n_groups", 1),
    "topk_group": lambda v: v.expert("top_groups", 1),
    "topk_method": lambda v: "group_limited_greedy" if v.expert("n_groups", 1) > 1 else "greedy",
    "router_jitter_noise": lambda v: v.expert("jitter", 0.0),
    "moe_layer_start_index": lambda v: v.sparse.index(True) if any(v.sparse) else len(v.sparse),
    "moe_layer_end_index": lambda v: len(v.sparse) - 1 - v.sparse[::-1].index(True) if any(v.sparse) else 0,
    "moe_layer_interval": lambda v: v.spacing(),
    "swiglu_limit": lambda v: v.expert("limit"),
    # latents
    **{
        name: (lambda v, name=name: v.option(name))  # type: ignore[misc]
        for name in ("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    },
    # maps within
    "attn_config": lambda v: _attention_map(v),
    "ffn_config": lambda v: {
        "ffn_hidden_size": v.wide(),
        "moe_num_experts": v.expert("n_experts", 1),
        "moe_top_k": v.expert("top_k", 1),
        "moe_normalize_expert_weights": 1.0 if v.expert("normalize", True) else None,
    },
}
"""From a key, or the field of ours that it becomes, to what it must say."""


def _attention_map(view: View) -> dict[str, Any]:
    if view.target.model_type == "dbrx":
        theta = view.rope.theta if view.rope else 10000.0
        return {"kv_n_heads": view.attention.n_kv_heads, "clip_qkv": view.option("clip"), "rope_theta": theta}
    return {
        "alibi": True,
        "alibi_bias_max": view.rounded(getattr(view.layer.position, "max_bias", 8)),
        "clip_qkv": view.option("clip"),
        "softmax_scale": view.option("scale"),
    }


_INIT = re.compile(r"normal\(([^)]+)\)")
_ONLY_WHERE_NEEDED = ("partial_rotary_factor", "head_dim", "rope_theta", "layer_types", "max_window_layers")
_BY_OTHERS = {
    "gpt_neox": ("rope_theta", "partial_rotary_factor"),
    "minimax_m2": ("partial_rotary_factor",),
    "mistral": ("layer_types",),
}
"""Keys that a family has and that others of its keys say."""
_MOST = 12


def export_config(config: ArchitectureConfig, model_type: str) -> dict[str, Any]:
    """The config.json of that model type which describes this architecture.

    It is read back and compared, all but how weights start; NotSupported names what the family cannot say.
    UnknownName: a model type that nobody knows.
    """
    if model_type not in MODULES:
        hint = did_you_mean(model_type, MODULES, "Known")
        raise UnknownName(Problem("model_type", model_type, "is not a model type that can be written", hint))
    target = family(model_type)
    view = View(config, target)
    last: list[Problem] = []
    for forced in (False, True):
        data = _written(view, forced)
        try:
            again = _read(data)
        except (NotSupported, ValueError) as error:
            last = list(getattr(error, "problems", ()))
            continue
        differences = list(_differences(config, again))
        if not differences:
            return data
        rule = f"cannot be said in {model_type}, which has"
        last = [Problem(path, ours, f"{rule} {show(theirs)}") for path, ours, theirs in differences[:_MOST]]
    raise NotSupported(last or Problem("model_type", model_type, "cannot express this architecture"))


def _written(view: View, forced: bool) -> dict[str, Any]:
    target = view.target
    data: dict[str, Any] = {"architectures": [CLASSES[target.model_type]], "model_type": target.model_type}
    for key in target.keys:
        if key.name in _BY_OTHERS.get(target.model_type, ()) or key.name in (
            "rope_parameters",
            "sliding_window_pattern",
        ):
            continue
        if key.name in ("initializer_range", "init_std"):
            stated = _INIT.fullmatch(view.config.init_method)
            data[key.name] = float(stated[1]) if stated else key.default
            continue
        probe = PROBES.get(key.name) or PROBES.get(key.to or "")
        if probe is None:
            continue
        value = probe(view)
        plain = value == key.default or (key.name == "partial_rotary_factor" and value == 1)
        if key.name in _ONLY_WHERE_NEEDED and plain and not forced:
            continue
        if value is None and (key.default is None or key.name == _LENGTH):  # the class takes no null for a length
            continue
        data[key.name] = value
    return data


def _read(data: dict[str, Any]) -> ArchitectureConfig:
    from ..files import Document
    from . import import_config

    return import_config(Document(data))


def _differences(ours: ArchitectureConfig, theirs: ArchitectureConfig) -> list[tuple[str, Any, Any]]:
    """Where two architectures differ, but for how weights start: path, our value, theirs; one of many equal layers."""
    found: list[tuple[str, Any, Any]] = []
    a, b = ours.canonical(), theirs.canonical()
    for tree in (a, b):
        tree.pop("init_method")
        tree.pop("layers")
    _compare("", a, b, found)
    if ours.n_layers != theirs.n_layers:
        found.append(("n_layers", ours.n_layers, theirs.n_layers))
    seen: set[tuple[int, int]] = set()
    for number, (mine, other) in enumerate(zip(ours.layers, theirs.layers, strict=False)):
        if mine != other and (id(mine), id(other)) not in seen:
            seen.add((id(mine), id(other)))
            _compare(f"layers[{number}].", mine.canonical(), other.canonical(), found)
    return found


def _compare(path: str, a: Any, b: Any, found: list[tuple[str, Any, Any]]) -> None:
    for name in {**a, **b}:
        mine, other = a.get(name, NOTHING), b.get(name, NOTHING)
        if isinstance(mine, dict) and isinstance(other, dict) and mine.get("type") == other.get("type"):
            _compare(f"{path}{name}.", mine, other, found)
        elif mine != other:
            found.append((f"{path}{name}", _shown(mine), _shown(other)))


def _shown(value: Any) -> Any:
    """A value in a message: of a part its type alone."""
    return "none" if value is NOTHING else value.get("type", "another") if isinstance(value, dict) else value


CLASSES = {
    "apertus": "ApertusForCausalLM",
    "arcee": "ArceeForCausalLM",
    "biogpt": "BioGptForCausalLM",
    "bloom": "BloomForCausalLM",
    "codegen": "CodeGenForCausalLM",
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "dbrx": "DbrxForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "dots1": "Dots1ForCausalLM",
    "ernie4_5": "Ernie4_5ForCausalLM",
    "ernie4_5_moe": "Ernie4_5_MoeForCausalLM",
    "exaone4": "Exaone4ForCausalLM",
    "falcon": "FalconForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "glm": "GlmForCausalLM",
    "glm4": "Glm4ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "gpt2": "GPT2LMHeadModel",
    "gpt_bigcode": "GPTBigCodeForCausalLM",
    "gpt_neo": "GPTNeoForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "gptj": "GPTJForCausalLM",
    "granite": "GraniteForCausalLM",
    "granitemoe": "GraniteMoeForCausalLM",
    "helium": "HeliumForCausalLM",
    "hunyuan_v1_dense": "HunYuanDenseV1ForCausalLM",
    "hunyuan_v1_moe": "HunYuanMoEV1ForCausalLM",
    "internlm3": "LlamaForCausalLM",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "llama": "LlamaForCausalLM",
    "minicpm3": "MiniCPM3ForCausalLM",
    "minimax_m2": "MiniMaxM2ForCausalLM",
    "ministral": "MinistralForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "mpt": "MptForCausalLM",
    "nemotron": "NemotronForCausalLM",
    "olmo": "OlmoForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "olmo3": "Olmo3ForCausalLM",
    "olmoe": "OlmoeForCausalLM",
    "openai-gpt": "OpenAIGPTLMHeadModel",
    "opt": "OPTForCausalLM",
    "persimmon": "PersimmonForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "phimoe": "PhimoeForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "seed_oss": "SeedOssForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "stablelm": "StableLmForCausalLM",
    "starcoder2": "Starcoder2ForCausalLM",
    "xglm": "XGLMForCausalLM",
}
"""The class that builds a causal language model of each type."""
