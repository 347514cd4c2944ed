"""The two ends of a model: token and position tables, and the head. B batch, T tokens, D d_model, V vocab_size."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..arch.ends import Embedding as EmbeddingSpec
from ..arch.ends import Head as HeadSpec
from ..arch.norm import NormSpec
from .norm import build_norm


class Embedding(nn.Embedding):
    """Tokens (...) to (..., D): the row of the table, times a factor, projected, with a position and a norm."""

    def __init__(self, spec: EmbeddingSpec, norm: NormSpec | None, **factory: Any) -> None:
        super().__init__(spec.vocab_size, spec.table_width, **factory)
        self.spec = spec
        self.projection = None if spec.width is None else nn.Linear(spec.width, spec.d_model, bias=False, **factory)
        self.positions = nn.Embedding(spec.rows, spec.d_model, **factory) if spec.rows else None
        self.norm = build_norm(norm, **factory) if spec.norm else None

    @property
    def placed(self) -> bool:
        """Whether the rows depend on the place of the token."""
        return self.spec.positions is not None

    def forward(self, tokens: Tensor, places: Tensor | None = None) -> Tensor:
        """`places` are needed where `placed`: the place of each token in its sequence."""
        x = super().forward(tokens)
        if self.spec.multiplier != 1.0:  # rounded as the table is, as published models do
            x = x * torch.tensor(self.spec.multiplier, dtype=x.dtype).item()
        if self.projection is not None:
            x = self.projection(x)
        if places is not None and self.positions is not None:
            x = x + self.positions(places + self.spec.position_offset)
        elif places is not None and self.placed:
            x = x + sinusoids(places + self.spec.position_offset, self.spec.d_model).to(x.dtype)
        return x if self.norm is None else self.norm(x)


def sinusoids(places: Tensor, width: int) -> Tensor:
    """(..., width) float32: sines, then cosines, of wavelengths from 2 pi to 10,000 times that; an odd width ends in 0.

    Source: Vaswani et al. 2017, section 3.5, laid out in halves as in tensor2tensor.
    """
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=places.device)
    frequencies = torch.exp(steps * (-math.log(10000.0) / max(1, half - 1)))
    angles = places[..., None].float() * frequencies
    table = torch.cat((angles.sin(), angles.cos()), -1)
    return F.pad(table, (0, 1)) if width % 2 else table


class Head(nn.Linear):
    """(..., D) to logits (..., V): projected to the table's width, times a factor, capped."""

    def __init__(self, spec: HeadSpec, **factory: Any) -> None:
        width = spec.d_model if spec.width is None else spec.width
        super().__init__(width, spec.vocab_size, bias=spec.bias, **factory)
        self.spec = spec
        self.projection = None if spec.width is None else nn.Linear(spec.d_model, width, bias=False, **factory)

    def forward(self, features: Tensor) -> Tensor:
        x = features if self.projection is None else self.projection(features)
        logits = super().forward(x)
        if self.spec.multiplier != 1.0:
            logits = logits * self.spec.multiplier
        if self.spec.softcap is not None:
            logits = self.spec.softcap * torch.tanh(logits / self.spec.softcap)
        return logits
