"""Layer: one explicit layer of a model: attention, feed-forward, norms and positions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from .attention import AttentionSpec
from .feed_forward import FeedForwardSpec
from .norm import NormSpec
from .position import PositionSpec
from .weights import Weight

PLACEMENTS = ("pre", "post", "output", "sandwich", "parallel", "parallel_two")
"""Where a layer's norms stand; see `norm_placement`."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """x + attention(norm(x)), then x + feed_forward(norm(x)); (B, T, d_model) to the same.

    An input norm that is null is left out; an output norm stands between a part and the sum. `residual` says how
    the parts meet: sequential; parallel, both parts reading x; or post, the (input) norms standing after the sums.
    """

    attention: AttentionSpec
    """What a token sees and what is cached."""
    feed_forward: FeedForwardSpec
    """The position-wise part."""
    attention_norm: NormSpec | None
    """Before attention; with `residual` post, after its sum."""
    feed_forward_norm: NormSpec | None
    """Before the feed-forward part; null with `residual` parallel: it reads what attention reads."""
    position: PositionSpec | None
    """How queries and keys know their place."""
    attention_output_norm: NormSpec | None = None
    """On what attention adds."""
    feed_forward_output_norm: NormSpec | None = None
    """On what the feed-forward part adds."""
    residual: str = "sequential"
    """sequential, parallel or post."""
    residual_multiplier: float = 1.0
    """Factor of what each part adds."""

    def norms(self) -> Iterator[tuple[str, NormSpec]]:
        """The norms that there are, by name."""
        for name in ("attention_norm", "attention_output_norm", "feed_forward_norm", "feed_forward_output_norm"):
            norm = getattr(self, name)
            if norm is not None:
                yield name, norm

    def weights(self) -> Iterator[Weight]:
        """Every tensor of the layer, named as in the running module."""
        parts: list[tuple[str, AttentionSpec | FeedForwardSpec | NormSpec]] = [
            *self.norms(),
            ("attention", self.attention),
            ("feed_forward", self.feed_forward),
        ]
        for name, part in parts:
            for weight in part.weights():
                yield dataclasses.replace(weight, name=f"{name}.{weight.name}")

    def canonical(self) -> dict[str, Any]:
        """The layer without what is neutral, for fingerprints."""
        made: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in _NEUTRAL:
                if value != _NEUTRAL[field.name]:
                    made[field.name] = value
            elif value is not None:
                made[field.name] = value.canonical()
        return made

    @property
    def norm_placement(self) -> str:
        """Where the norms stand, by the name that files use."""
        if self.residual == "parallel":
            return "parallel" if self.feed_forward_norm is None else "parallel_two"
        if self.residual == "post":
            return "post"
        if self.attention_output_norm is None:
            return "pre"
        return "output" if self.attention_norm is None else "sandwich"

    @property
    def norm_eps(self) -> float:
        """The epsilon of the layer's norms."""
        return next(norm.eps for _, norm in self.norms())

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


_NEUTRAL: dict[str, Any] = {"residual": "sequential", "residual_multiplier": 1.0}

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
}
"""Where a flat field lands in a layer."""


def placed(placement: str, norm: NormSpec | None) -> dict[str, Any]:
    """The norms of a layer and how its parts meet, from the name of the placement."""
    return {
        "attention_norm": None if placement == "output" else norm,
        "feed_forward_norm": None if placement in ("output", "parallel") else norm,
        "attention_output_norm": norm if placement in ("output", "sandwich") else None,
        "feed_forward_output_norm": norm if placement in ("output", "sandwich") else None,
        "residual": "post" if placement == "post" else "parallel" if placement.startswith("parallel") else "sequential",
    }
