"""Routing: which experts a token passes through, and with what weights. T tokens, E experts, k chosen ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..arch.feed_forward.moe import MoE


class Router(nn.Linear):
    """(T, D) to the chosen experts (T, k) int64 and their weights (T, k), computed in at least float32."""

    correction_bias: Tensor | nn.Parameter | None

    def __init__(
        self, spec: MoE, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(spec.d_model, spec.n_experts, spec.router_bias, device="meta", dtype=dtype)
        self.to_empty(device=torch.get_default_device() if device is None else device)
        self.spec = spec
        zeros = None if spec.correction_bias is None else torch.zeros(spec.n_experts, device=device)
        if zeros is not None and spec.correction_bias == "parameter":
            self.correction_bias = nn.Parameter(zeros, requires_grad=False)  # it moves a choice alone
        else:
            self.register_buffer("correction_bias", zeros)

    def choose(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The experts of each token, and what their outputs are multiplied with."""
        spec = self.spec
        wide = torch.promote_types(x.dtype, torch.float32)
        bias = None if self.bias is None else self.bias.to(wide)
        logits = F.linear(x.to(wide), self.weight.to(wide), bias)
        if spec.routing == "sparsemixer":
            return self._sparsemixer(logits)
        scores = logits.sigmoid() if spec.routing == "sigmoid" else logits.softmax(-1)
        ranked = scores if self.correction_bias is None else scores + self.correction_bias
        if spec.n_groups > 1:
            ranked = self._in_groups(ranked)
        experts = ranked.topk(spec.top_k, dim=-1).indices
        weights = scores.gather(-1, experts)
        if spec.normalize:
            weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-20)
        return experts, weights * spec.routed_scale

    def _in_groups(self, ranked: Tensor) -> Tensor:
        """Scores with -inf in all but the best groups."""
        spec = self.spec
        grouped = ranked.unflatten(-1, (spec.n_groups, -1))
        size = min(2, grouped.shape[-1]) if spec.group_score == "top2" else 1
        best = grouped.topk(size, dim=-1).values.sum(-1).topk(spec.top_groups, dim=-1).indices
        kept = torch.zeros(grouped.shape[:-1], dtype=torch.bool, device=ranked.device).scatter(-1, best, True)
        out: Tensor = grouped.masked_fill(~kept[..., None], float("-inf")).flatten(-2)
        return out

    def _sparsemixer(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """One softmax a choice over the scores near the best one. Source: Liu et al. 2024, "GRIN", section 2.2."""
        experts, weights, left = [], [], logits
        for _ in range(self.spec.top_k):
            top, index = left.max(-1, keepdim=True)
            apart = (top - logits) / logits.abs().clamp(min=top)
            near = left.masked_fill(apart > 2 * self.spec.jitter, float("-inf"))
            experts.append(index)
            weights.append(near.softmax(-1).gather(-1, index))
            left = left.scatter(-1, index, float("-inf"))
        return torch.cat(experts, -1), torch.cat(weights, -1) * self.spec.routed_scale
