"""Mixture of experts: each token passes through a few of many gated networks, and through shared ones."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problem, did_you_mean
from ..weights import Weight
from .activations import activation_problem
from .base import FeedForwardSpec, feed_forward
from .gated import gated_weights

ROUTINGS = ("softmax", "sigmoid", "sparsemixer")
GROUP_SCORES = ("max", "top2")
CORRECTIONS = ("buffer", "parameter")


@feed_forward("moe")
class MoE(FeedForwardSpec):
    """sum of weight_e * expert_e(x) over the `top_k` best experts, plus the shared network.

    `d_ff` is the width of one expert. Softmax over the chosen scores alone is softmax over all with `normalize`.
    Source: Jiang et al. 2024, "Mixtral of Experts"; DeepSeek-AI 2024, "DeepSeek-V3", section 2.1.2.
    """

    n_experts: int = 8
    """Routed experts."""
    top_k: int = 2
    """Experts that a token passes through."""
    activation: str = "silu"
    """What an expert's gate passes through."""
    routing: str = "softmax"
    """How scores become weights: softmax, sigmoid, or sparsemixer (a softmax for each choice, over what is near it)."""
    normalize: bool = True
    """Whether the weights of the chosen experts are divided by their sum."""
    routed_scale: float = 1.0
    """Factor of the weights after that."""
    n_groups: int = 1
    """Groups into which the experts are cut for a first choice."""
    top_groups: int = 1
    """Groups that may give experts to a token."""
    group_score: str = "top2"
    """What a group is chosen by: the sum of its two best scores (top2) or its best (max)."""
    correction_bias: str | None = None
    """A bias on the choice, not on the weights: buffer (kept up to date in training, not counted) or parameter."""
    router_bias: bool = False
    """Whether the router's matrix has a bias."""
    shared_d_ff: int = 0
    """Width of the network that every token passes through; 0 is none."""
    shared_gate: bool = False
    """Whether the shared network's output is scaled by a learned sigmoid of the token."""
    limit: float | None = None
    """The gate is clamped above to this, the other projection on both sides; null is no clamp."""
    up_plus_one: bool = False
    """Whether one is added to the other projection before the product."""
    jitter: float = 0.0
    """Of sparsemixer: how near the best a score must be, as twice this share."""

    def problems(self) -> Iterator[Problem]:
        for name in ("n_experts", "top_k", "n_groups", "top_groups"):
            if getattr(self, name) < 1:
                yield Problem(name, getattr(self, name), "must be positive")
        if self.top_k > self.n_experts > 0:
            yield Problem("top_k", self.top_k, f"must be at most n_experts ({self.n_experts})")
        if self.n_groups > 0 and self.n_experts % self.n_groups:
            yield Problem("n_groups", self.n_groups, f"must divide n_experts ({self.n_experts})")
        if self.top_groups > self.n_groups > 0:
            yield Problem("top_groups", self.top_groups, f"must be at most n_groups ({self.n_groups})")
        if self.shared_d_ff < 0:
            yield Problem("shared_d_ff", self.shared_d_ff, "must not be negative", "Use 0 for no shared network")
        if self.shared_gate and not self.shared_d_ff:
            yield Problem("shared_gate", True, "has nothing to scale: shared_d_ff is 0", "Give shared_d_ff")
        for name, known in (("routing", ROUTINGS), ("group_score", GROUP_SCORES), ("correction_bias", CORRECTIONS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                yield Problem(name, value, "is not known", did_you_mean(value, known, "Known"))
        yield from activation_problem(self.activation)

    def weights(self) -> Iterator[Weight]:
        yield Weight("router.weight", "router", (self.n_experts, self.d_model))
        if self.router_bias:
            yield Weight("router.bias", "router", (self.n_experts,), "vector")
        if self.correction_bias == "parameter":
            yield Weight("router.correction_bias", "router", (self.n_experts,), "vector")
        yield from gated_weights(self.d_model, self.d_ff, self.bias, "experts.", "experts", self.n_experts, self.top_k)
        if self.shared_d_ff:
            yield from gated_weights(self.d_model, self.shared_d_ff, self.bias, "shared.")
        if self.shared_gate:
            yield Weight("shared_gate.weight", "router", (1, self.d_model))
