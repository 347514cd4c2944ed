"""MixtureOfExperts: a router, many gated networks of which each token passes through a few, and a shared one.

T tokens in all, D d_model, F width of an expert, E experts, k experts a token.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..arch.feed_forward.moe import MoE
from .activations import build_activation
from .routing import Router


class Stacked(nn.Module):
    """The same matrix of every expert: weight (E, out, in), bias (E, out)."""

    stacked = True
    """Starts as a linear layer of each expert."""

    def __init__(self, experts: int, inner: int, outer: int, bias: bool, device: Any, dtype: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outer, inner, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(experts, outer, device=device, dtype=dtype)) if bias else None

    def of(self, expert: int, x: Tensor) -> Tensor:
        """(n, out) from (n, in) by one expert."""
        return nn.functional.linear(x, self.weight[expert], None if self.bias is None else self.bias[expert])

    def gathered(self, experts: Tensor, x: Tensor) -> Tensor:
        """(n, out) from (n, in), each row by its own expert (n,); reads a copy of its matrix for every row."""
        out = torch.bmm(self.weight[experts], x[:, :, None])[:, :, 0]
        return out if self.bias is None else out + self.bias[experts]

    def extra_repr(self) -> str:
        return f"experts={self.weight.shape[0]}, in={self.weight.shape[2]}, out={self.weight.shape[1]}"


class Experts(nn.Module):
    """down(activation(gate(x)) * up(x)) of each expert, with the clamps that a spec states."""

    def __init__(self, spec: MoE, device: Any, dtype: Any) -> None:
        super().__init__()
        self.spec = spec
        self.activation = build_activation(spec.activation)
        self.gate_proj = Stacked(spec.n_experts, spec.d_model, spec.d_ff, spec.bias, device, dtype)
        self.up_proj = Stacked(spec.n_experts, spec.d_model, spec.d_ff, spec.bias, device, dtype)
        self.down_proj = Stacked(spec.n_experts, spec.d_ff, spec.d_model, spec.bias, device, dtype)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, x: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        """(T, D) from (T, D), the experts (T, k) of each token and their weights (T, k)."""
        if x.is_meta or torch.compiler.is_compiling():  # shapes that no value decides
            rows = x.repeat_interleave(experts.shape[1], 0)
            at = experts.flatten()
            hidden = self._hidden(self.gate_proj.gathered(at, rows), self.up_proj.gathered(at, rows))
            out = self.down_proj.gathered(at, hidden).view(*experts.shape, -1)
            return (out * weights[..., None].to(out.dtype)).sum(1)
        order = experts.flatten().argsort(stable=True)
        counts = torch.bincount(experts.flatten(), minlength=self.spec.n_experts).tolist()
        tokens, scale = order // experts.shape[1], weights.flatten()[order][:, None]
        out, end = torch.zeros_like(x), 0
        for expert, count in enumerate(counts):
            if not count:
                continue
            mine, end = slice(end, end + count), end + count
            rows = x[tokens[mine]]
            hidden = self._hidden(self.gate_proj.of(expert, rows), self.up_proj.of(expert, rows))
            made = self.down_proj.of(expert, hidden)
            out = out.index_add(0, tokens[mine], made * scale[mine].to(made.dtype))
        return out

    def _hidden(self, gate: Tensor, up: Tensor) -> Tensor:
        limit = self.spec.limit
        if limit is not None:
            gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
        if self.spec.up_plus_one:
            up = up + 1
        out: Tensor = self.dropout(self.activation(gate) * up)
        return out


class MixtureOfExperts(nn.Module):
    """sum of weight_e * expert_e(x) over the chosen experts, plus the shared network; (..., D) to the same."""

    def __init__(
        self, spec: MoE, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        from .feed_forward import GatedNetwork
        from .initialisation import empty_linear, initialise

        self.spec = spec
        self.router = Router(spec, device=device, dtype=dtype)
        self.experts = Experts(spec, device, dtype)
        self.shared = None
        if spec.shared_d_ff:
            shape = (spec.d_model, spec.shared_d_ff, spec.activation, spec.bias, spec.dropout)
            self.shared = GatedNetwork(*shape, device, dtype)
        self.shared_gate = empty_linear(spec.d_model, 1, False, device, dtype) if spec.shared_gate else None
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        out = self.experts(rows, *self.router.choose(rows))
        if self.shared is not None:
            shared = self.shared(rows)
            out = out + (shared if self.shared_gate is None else shared * torch.sigmoid(self.shared_gate(rows)))
        result: Tensor = out.view(x.shape)
        return result
