"""The metric `activations` against what autograd really keeps of the running model, storage by storage.

Two ways to look: the tensors that autograd packs and still holds after the forward pass, and every storage that any
operator made and that is still alive. The second also sees what checkpointing holds outside autograd.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import archwright as aw
from archwright.nn import Transformer

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SEQUENCES, TOKENS = 2, 128
SHAPE: dict[str, Any] = {
    "d_model": 128, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "head_dim": 32, "d_ff": 160, "vocab_size": 64,
    "max_seq_len": 256,
}  # fmt: skip

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "sdpa"),
    "layer norm, two matrices": ({"use_rms_norm": False, "use_gated_geglu": False}, "sdpa"),
    "one head for all": ({"n_kv_heads": 1}, "sdpa"),
    "a head each": ({"n_kv_heads": 4}, "sdpa"),
    "no positions": ({"position": {"type": "none"}}, "sdpa"),
    "half the dimensions turned": ({"position": {"dims": 16}}, "sdpa"),
    "biases": ({"attention": {"bias": ["q", "k", "v", "o"]}, "feed_forward": {"type": "swiglu", "bias": True}}, "sdpa"),
    "tied": ({"tie_embeddings": True}, "sdpa"),
    "parallel": ({"norm_placement": "parallel"}, "sdpa"),
    "parallel, two norms": ({"norm_placement": "parallel_two"}, "sdpa"),
    "sandwich": ({"norm_placement": "sandwich"}, "sdpa"),
    "output norms": ({"norm_placement": "output"}, "sdpa"),
    "norms after the sums": ({"norm_placement": "post", "use_rms_norm": False}, "sdpa"),
    "scaled residuals": ({"residual_multiplier": 0.5}, "sdpa"),
    "scores": ({}, "reference"),
    "scores, grouped otherwise": ({"n_kv_heads": 4, "use_rms_norm": False}, "reference"),
    "dropout": ({"attention_dropout": 0.1, "ffn_dropout": 0.1}, "reference"),
    "dropout in the feed-forward part": ({"ffn_dropout": 0.1}, "sdpa"),
    "windows with a mask": ({"attention": {"type": "sliding", "window_size": 16}}, "sdpa"),
    "windows in turn": ({"pattern": [{"type": "sliding", "window_size": 16}, "full"]}, "sdpa"),
    "windows, scores": ({"attention": {"type": "sliding", "window_size": 16}}, "reference"),
    "chunks": ({"attention": {"type": "chunked", "chunk_size": 32}}, "reference"),
    "normed queries and keys": ({"attention": {"qk_norm": "head"}}, "sdpa"),
    "each head normed": ({"attention": {"qk_norm": "heads", "qk_norm_type": "layer"}}, "sdpa"),
    "all heads normed": ({"attention": {"qk_norm": "width", "qk_norm_type": "rms_one_plus"}}, "sdpa"),
    "normed without weights": ({"attention": {"qk_norm": "head", "qk_norm_type": "unit"}}, "sdpa"),
    "normed after rotation": ({"attention": {"qk_norm": "head", "qk_norm_after_rope": True}}, "sdpa"),
    "all normed after rotation": ({"attention": {"qk_norm": "width", "qk_norm_after_rope": True}}, "sdpa"),
    "all normed, no positions": ({"attention": {"qk_norm": "width"}, "position": {"type": "none"}}, "sdpa"),
    "normed, no positions": ({"attention": {"qk_norm": "head"}, "position": {"type": "none"}}, "sdpa"),
    "clamped": ({"attention": {"clip": 3.0}}, "sdpa"),
    "sinks": ({"attention": {"sinks": True}}, "reference"),
    "capped scores": ({"attention": {"softcap": 20.0}}, "reference"),
    "slopes": ({"position": {"type": "alibi"}}, "reference"),
    "neighbours turned": ({"position": {"interleaved": True}}, "sdpa"),
    "weights less one": ({"norm": {"one_plus": True}}, "sdpa"),
    "weights less one, sandwich": ({"norm": {"one_plus": True}, "norm_placement": "sandwich"}, "sdpa"),
    "weights less one, parallel": ({"norm": {"one_plus": True}, "norm_placement": "parallel_two"}, "sdpa"),
    "norms without weights": ({"norm": {"without_weight": True}, "use_rms_norm": False}, "sdpa"),
    "relu": ({"feed_forward": {"type": "plain", "activation": "relu"}}, "sdpa"),
    "relu squared": ({"feed_forward": {"type": "plain", "activation": "relu2"}}, "sdpa"),
    "gated relu": ({"feed_forward": {"type": "gated", "activation": "relu"}}, "sdpa"),
    "quick gelu": ({"feed_forward": {"type": "gated", "activation": "quick_gelu"}}, "sdpa"),
    "xielu": ({"feed_forward": {"type": "plain", "activation": "xielu"}}, "sdpa"),
    "learned positions": ({"embedding": {"positions": "learned"}, "position": {"type": "none"}}, "sdpa"),
    "narrow table": ({"embedding": {"width": 48}}, "sdpa"),
    "normed table": ({"embedding": {"norm": True}, "use_rms_norm": False}, "sdpa"),
    "capped logits": ({"head": {"softcap": 30.0}}, "sdpa"),
    "no final norm": ({"head": {"norm": False}}, "sdpa"),
    "experts": ({"feed_forward": {"type": "moe", "n_experts": 6, "top_k": 2}}, "sdpa"),
    "experts, shared too": (
        {"feed_forward": {"type": "moe", "n_experts": 6, "top_k": 2, "shared_d_ff": 40, "shared_gate": True}}, "sdpa",
    ),
    "experts by sigmoid, in groups": (
        {"feed_forward": {"type": "moe", "n_experts": 8, "top_k": 3, "routing": "sigmoid", "n_groups": 4,
                          "top_groups": 2, "correction_bias": "buffer", "routed_scale": 2.5}}, "sdpa",
    ),
    "experts, not normalised": (
        {"feed_forward": {"type": "moe", "n_experts": 6, "top_k": 1, "normalize": False}}, "sdpa",
    ),
    "experts by two softmaxes": (
        {"feed_forward": {"type": "moe", "n_experts": 6, "top_k": 2, "routing": "sparsemixer", "jitter": 0.01}}, "sdpa",
    ),
    "clamped experts": (
        {"feed_forward": {"type": "moe", "n_experts": 6, "top_k": 2, "limit": 7.0, "up_plus_one": True, "bias": True,
                          "activation": "quick_gelu", "router_bias": True}}, "sdpa",
    ),
    "latents": (
        {"n_kv_heads": 4, "attention": {"type": "mla", "kv_lora_rank": 24, "q_lora_rank": 20, "qk_nope_head_dim": 16,
                                        "qk_rope_head_dim": 8, "v_head_dim": 12}}, "reference",
    ),
    "a latent of keys and values alone": (
        {"n_kv_heads": 4, "attention": {"type": "mla", "kv_lora_rank": 24, "qk_nope_head_dim": 16,
                                        "qk_rope_head_dim": 8, "v_head_dim": 12}}, "reference",
    ),
}  # fmt: skip


class Kept:
    """One tensor that autograd saved; dies with the graph."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Made(TorchDispatchMode):
    """Every storage that an operator makes, and whether it is still alive; views of the given ones are not new."""

    def __init__(self, given: set[int]) -> None:
        super().__init__()
        self.given = given
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else (out,):
            if isinstance(value, Tensor) and value.dim() and value.untyped_storage().data_ptr() not in self.given:
                ref = StorageWeakRef(value.untyped_storage())
                self.storages[ref.cdata] = (ref, value.untyped_storage().nbytes())
        return out

    def alive(self) -> int:
        return sum(size for ref, size in self.storages.values() if not ref.expired())


def model_of(shape: dict[str, Any], backend: str, device: str) -> Transformer:
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    config = aw.ArchitectureConfig(**(SHAPE | shape))
    return Transformer(config, backend=backend, device=device, dtype=dtype, seed=0).train()


def full_loss(model: Transformer, tokens: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(model(tokens).float().flatten(0, 1), targets.flatten())


class FusedLoss(torch.autograd.Function):
    """Cross-entropy of a linear head that keeps one number a token, as fused kernels do."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        logits = (features @ weight.T).float()
        sums = torch.logsumexp(logits, -1)
        ctx.save_for_backward(features, weight, targets, sums)
        return (sums - logits.gather(-1, targets[..., None])[..., 0]).mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        features, weight, targets, sums = ctx.saved_tensors
        slope = ((features @ weight.T).float() - sums[..., None]).exp()
        slope.scatter_add_(-1, targets[..., None], -torch.ones_like(sums)[..., None])
        slope = (slope * grad / targets.numel()).to(features.dtype)
        return slope @ weight, slope.flatten(0, 1).T @ features.flatten(0, 1), None


def fused_loss(model: Transformer, tokens: Tensor, targets: Tensor) -> Tensor:
    return FusedLoss.apply(model.features(tokens), model.head.weight, targets)


def held(model: Transformer, loss: Callable[..., Tensor]) -> tuple[int, int]:
    """Bytes that autograd saved and holds after a forward pass, and bytes of every storage made and alive."""
    device = model.embedding.weight.device
    tokens = torch.randint(0, model.config.vocab_size, (SEQUENCES, TOKENS), device=device)
    targets = torch.randint(0, model.config.vocab_size, (SEQUENCES, TOKENS), device=device)
    given = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), tokens, targets)}
    saved: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor: Tensor) -> Kept:
        saved.add(kept := Kept(tensor.detach()))
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor), Made(given) as made:
        result = loss(model, tokens, targets)
    gc.collect()
    sizes: dict[int, int] = {}
    for kept in saved:
        storage = kept.tensor.untyped_storage()
        if kept.tensor.dim() and storage.data_ptr() not in given:
            sizes[storage.data_ptr()] = storage.nbytes()
    alive = made.alive()
    assert result.requires_grad
    before = tokens.nbytes + targets.nbytes
    return sum(sizes.values()) + before, alive + before


def wider_on_a_cpu(model: Transformer) -> int:
    """What operators made of several kernels keep on a CPU: RMSNorm its normalised input, dropout a mask of floats."""
    if model.embedding.weight.device.type != "cpu":
        return 0
    tokens = SEQUENCES * TOKENS
    extra = sum(
        4 * tokens * module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.RMSNorm)
    )
    for layer in model.config.layers:
        extra += 3 * tokens * layer.feed_forward.d_ff if layer.feed_forward.dropout else 0
        extra += 3 * tokens * layer.attention.n_heads * TOKENS if layer.attention.dropout else 0
    return extra


def metric(model: Transformer, **settings: Any) -> int:
    kind = {torch.float32: "fp32", torch.bfloat16: "bf16"}[model.embedding.weight.dtype]
    given = {"context": TOKENS, "batch": SEQUENCES, "activation_dtype": kind}
    return int(aw.metrics.activations(model.config, **(given | settings)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CASES)
def test_equals_what_autograd_saves(name, device):
    shape, backend = CASES[name]
    model = model_of(shape, backend, device)
    saved, alive = held(model, full_loss)
    expected = metric(model, backend=backend) + wider_on_a_cpu(model)
    assert saved == expected
    assert alive == saved


@pytest.mark.parametrize("device", DEVICES)
def test_a_fused_loss_keeps_one_number_a_token(device):
    model = model_of({}, "sdpa", device)
    saved, _ = held(model, fused_loss)
    assert saved == metric(model, loss="fused") + wider_on_a_cpu(model)
    assert metric(model) - metric(model, loss="fused") == SEQUENCES * TOKENS * 4 * (SHAPE["vocab_size"] - 1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "name",
    ["plain", "layer norm, two matrices", "biases", "sandwich", "scores", "dropout", "experts, shared too", "latents"],
)
@pytest.mark.parametrize("checkpointing", ["full", "selective"])
def test_checkpointing_keeps_what_the_metric_says(name, device, checkpointing):
    shape, backend = CASES[name]
    model = model_of(shape, backend, device)
    model.checkpointing = checkpointing
    saved, alive = held(model, full_loss)
    last = 4 * SEQUENCES * TOKENS * SHAPE["d_model"] * isinstance(model.final_norm, torch.nn.RMSNorm)
    expected = metric(model, backend=backend, checkpointing=checkpointing) + (last if device == "cpu" else 0)
    if checkpointing == "full":
        assert saved == expected
    # the state of the random numbers, which checkpointing keeps to drop the same elements again
    states = torch.get_rng_state().numel() * SHAPE["n_layers"] if device == "cpu" else 0
    assert alive in (expected, expected + states)
