"""One meaning, one form: variants that are another under a second name, and layers that lean on others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import Problem
from .attention.base import AttentionSpec, attention_types
from .feed_forward import FeedForwardSpec, feed_forward_types
from .layer import Layer
from .spec import field_types


def canonical_attention(spec: AttentionSpec) -> AttentionSpec:
    """The same meaning under one name: a dilated window without gaps is a sliding window; a latent has no KV heads."""
    if spec.type == "dilated" and getattr(spec, "dilation", 0) == 1:
        values = {name: getattr(spec, name) for name in field_types(type(spec)) if name != "dilation"}
        return attention_types.get("sliding")(**values)
    if spec.type == "mla":
        return spec.change(n_kv_heads=spec.n_heads, head_dim=spec.key_dim)  # type: ignore[no-any-return]  # change() is of the same class
    return spec


def canonical_feed_forward(spec: FeedForwardSpec) -> FeedForwardSpec:
    """The same meaning under one name: a gate of SiLU is swiglu."""
    named = {("gated", "silu"): "swiglu", ("gated", "gelu"): "geglu", ("plain", "gelu"): "gelu"}
    kind = named.get((spec.type, getattr(spec, "activation", "")))
    if kind is None:
        return spec
    values = {name: getattr(spec, name) for name in field_types(type(spec)) if name != "activation"}
    return feed_forward_types.get(kind)(**values)


def sharing_problems(layers: Sequence[Layer]) -> Iterator[Problem]:
    """What is wrong with layers that read the keys and values of others."""
    for number, layer in enumerate(layers):
        stated = layer.attention.kv_shared_with
        if stated is None:
            continue
        other = number + stated if stated < 0 else stated
        name = f"layers[{number}].attention.kv_shared_with"
        if not 0 <= other < number:
            yield Problem(name, stated, "must mean an earlier layer", "Write its number, or -1 for the layer before")
            continue
        theirs, mine = layers[other].attention, layer.attention
        if theirs.kv_shared_with is not None:
            yield Problem(name, stated, f"means layer {other}, which has no keys and values of its own")
        elif theirs.change(bias=(), n_heads=mine.n_heads) != mine.change(bias=(), kv_shared_with=None):
            yield Problem(name, stated, f"means layer {other}, whose attention is another")
