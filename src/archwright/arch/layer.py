"""Layer: one explicit layer of a model: attention, feed-forward, norms and positions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from .attention import AttentionSpec
from .feed_forward import FeedForwardSpec
from .norm import NormSpec
from .position import Rope
from .weights import Weight


@dataclasses.dataclass(frozen=True)
class Layer:
    """x + attention(norm(x)), then x + feed_forward(norm(x)); (B, T, d_model) to the same."""

    attention: AttentionSpec
    """What a token sees and what is cached."""
    feed_forward: FeedForwardSpec
    """The position-wise part."""
    attention_norm: NormSpec
    """Before attention."""
    feed_forward_norm: NormSpec
    """Before the feed-forward part."""
    position: Rope | None
    """How queries and keys know their place."""

    def weights(self) -> Iterator[Weight]:
        """Every tensor of the layer, named as in the running module."""
        for name in ("attention_norm", "attention", "feed_forward_norm", "feed_forward"):
            for weight in getattr(self, name).weights():
                yield dataclasses.replace(weight, name=f"{name}.{weight.name}")

    def canonical(self) -> dict[str, Any]:
        """The layer without what is neutral, for fingerprints."""
        parts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: part.canonical() for name, part in parts.items() if part is not None}

    def value(self, path: str) -> Any:
        """A field by its path: `attention.window_size`, or a flat name such as `n_kv_heads`, `d_ff`, `rope_theta`.

        AttributeError where this layer has no such field.
        """
        head, _, rest = path.partition(".")
        if not rest:
            owner, _, name = FLAT_IN_LAYER.get(head, head).rpartition(".")
            target: Any = getattr(self, owner) if owner else self
            return getattr(target, name)
        target = getattr(self, head)
        for name in rest.split("."):
            target = target.type if name == "type" else getattr(target, name)
        return target


FLAT_IN_LAYER = {
    "n_heads": "attention.n_heads",
    "n_kv_heads": "attention.n_kv_heads",
    "head_dim": "attention.head_dim",
    "attention_dropout": "attention.dropout",
    "custom_attention": "attention.type",
    "d_ff": "feed_forward.d_ff",
    "ffn_dropout": "feed_forward.dropout",
    "rope_theta": "position.theta",
    "rope_scaling": "position.scaling",
    "norm_eps": "attention_norm.eps",
}
"""Where a flat field lands in a layer."""
