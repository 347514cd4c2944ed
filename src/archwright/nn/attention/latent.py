"""LatentAttention: keys and values expanded from one small latent, which is all that is cached.

B batch, T query tokens, S key tokens, N heads, R width of the rotary key, C width of the latent, U width of a head's
query and key without positions, V width of a head's value.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

from ...arch.attention import AttentionSpec
from ...arch.attention.mla import MLA
from ...errors import InvalidValue, Problem
from ..backends.base import View
from ..initialisation import empty_linear
from ..norm import RMSNorm
from ..rotary import rotate
from .module import AttentionModule, Device


@final
class LatentAttention(AttentionModule):
    """Multi-head latent attention. Source: DeepSeek-AI 2024, "DeepSeek-V2", section 2.1.

    The cache holds the rotary key (B, 1, S, R) where others hold keys, and the latent (B, 1, S, C) where they hold
    values. A call with few queries against many keys compares and sums in the latent ("absorbed"); any other
    expands keys and values for every head first.
    """

    kind = "mla"
    spec: MLA

    @classmethod
    def check_spec(cls, spec: AttentionSpec) -> None:
        if not isinstance(spec, MLA):
            raise InvalidValue(Problem("config.type", spec.type, f"is not the type of {cls.__name__}"))

    @property
    def scores_as_stated(self) -> bool:
        return True

    @property
    def scale(self) -> float | None:
        return self.spec.key_dim**-0.5 if self.spec.scale is None else self.spec.scale

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        queries, eps = spec.n_heads * spec.key_dim, 1e-6 if spec.latent_eps is None else spec.latent_eps
        low = spec.q_lora_rank
        self.q_proj = empty_linear(spec.d_model, queries, False, **where) if low is None else None  # type: ignore[assignment]  # absent
        self.q_a_proj = None if low is None else empty_linear(spec.d_model, low, spec.latent_bias, **where)
        self.q_a_norm = None if low is None else RMSNorm(low, eps, **where)
        self.q_b_proj = None if low is None else empty_linear(low, queries, False, **where)
        held = spec.kv_lora_rank + spec.qk_rope_head_dim
        self.kv_a_proj = empty_linear(spec.d_model, held, spec.latent_bias, **where)
        self.kv_a_norm = RMSNorm(spec.kv_lora_rank, eps, **where)
        expanded = spec.n_heads * (spec.qk_nope_head_dim + spec.v_head_dim)
        self.kv_b_proj = empty_linear(spec.kv_lora_rank, expanded, False, **where)
        self.o_proj = empty_linear(spec.n_heads * spec.v_head_dim, spec.d_model, "o" in spec.bias, **where)

    def _project(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, N, T, U + R), the rotary key (B, 1, T, R) and the latent (B, 1, T, C)."""
        spec = self.spec
        if self.q_a_proj is None or self.q_a_norm is None or self.q_b_proj is None:
            q = self.q_proj(rows)
        else:
            q = self.q_b_proj(self.q_a_norm(self.q_a_proj(rows)))
        latent, key = self.kv_a_proj(rows).split((spec.kv_lora_rank, spec.qk_rope_head_dim), -1)
        q = q.unflatten(-1, (spec.n_heads, spec.key_dim)).transpose(1, 2)
        return q, key[:, None], self.kv_a_norm(latent)[:, None]

    def _turn(self, q: Tensor, k: Tensor, positions: Tensor, context: int) -> tuple[Tensor, Tensor]:
        if self.rotary is None:
            return q, k
        cos, sin = self.rotary(positions, context)
        paired = self.rotary.spec.interleaved
        still, moved = q.split((self.spec.qk_nope_head_dim, self.spec.qk_rope_head_dim), -1)
        return torch.cat((still, rotate(moved, cos, sin, paired)), -1), rotate(k, cos, sin, paired)

    def _matrices(self) -> tuple[Tensor, Tensor]:
        """From the latent to each head's key (N, U, C) and value (N, V, C)."""
        spec = self.spec
        whole = self.kv_b_proj.weight.view(spec.n_heads, -1, spec.kv_lora_rank)
        keys, values = whole.split((spec.qk_nope_head_dim, spec.v_head_dim), 1)
        return keys, values

    def _expanded(self, k: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (B, N, S, U + R) and values (B, N, S, V) of every head, from rotary keys and latents.

        One product for all heads: one for each would keep a copy of the latent for every head in training.
        """
        spec = self.spec
        both = self.kv_b_proj(held[:, 0]).unflatten(-1, (spec.n_heads, -1)).transpose(1, 2)
        own, values = both.split((spec.qk_nope_head_dim, spec.v_head_dim), -1)
        return torch.cat((own, k.expand(-1, spec.n_heads, -1, -1)), -1), values

    def _compared(self, q: Tensor, k: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        return q, self._expanded(k, held)[0]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, view: View) -> Tensor:
        """(B, N, T, V) from queries (B, N, T, U + R), rotary keys (B, 1, S, R) and latents (B, 1, S, C)."""
        if view.k_valid is not None:  # what is dead may be NaN, and would be multiplied below
            dead = ~view.k_valid[:, None, :, None]
            k, v = k.masked_fill(dead, 0), v.masked_fill(dead, 0)
        if view.cached and 2 * q.shape[2] <= k.shape[2]:
            keys, values = self._matrices()
            still, moved = q.split((self.spec.qk_nope_head_dim, self.spec.qk_rope_head_dim), -1)
            absorbed = torch.cat((still @ keys, moved), -1)
            held = torch.cat((v, k), -1)  # values are the front of the keys: one tensor serves as both
            summed = super().attend(absorbed, held, held, view)[..., : v.shape[3]]
            return summed @ values.transpose(1, 2)
        own, carried = self._expanded(k, v)
        if not view.cached:
            return super().attend(q, own, carried, view)
        wide = max(own.shape[3], carried.shape[3])  # decoding kernels know one width
        q, own, padded = (F.pad(t, (0, wide - t.shape[3])) for t in (q, own, carried))
        return super().attend(q, own, padded, view)[..., : carried.shape[3]]
