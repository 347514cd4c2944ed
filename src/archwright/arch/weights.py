"""Weight: one named tensor of a part, from which parameters, FLOPs and bytes are all counted."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

Role = Literal["matrix", "table", "vector"]

PARTS = (
    "embedding",
    "attention.qkv",
    "attention.scores",
    "attention.output",
    "feed_forward",
    "experts",
    "router",
    "norms",
    "head",
)
"""Every cost belongs to exactly one of these; the parts sum to the whole."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One parameter tensor.

    `role` says what it costs: a `matrix` is multiplied with every token (2 FLOP an element), a `table` is
    looked up (0 FLOP), a `vector` (norm, bias) is added or scaled (no matrix product). `copies` tensors of
    that shape exist (routed experts), of which one token uses `active`. A weight with `shared_with` is the
    same storage as another: it counts its FLOPs, and no parameters.
    """

    name: str
    part: str
    shape: tuple[int, ...]
    role: Role = "matrix"
    copies: int = 1
    active: int = 1
    shared_with: str | None = None

    @property
    def elements(self) -> int:
        """Scalars that one token's forward pass uses (all copies in use), stored here or elsewhere."""
        return prod(self.shape) * self.active

    @property
    def parameters(self) -> int:
        """Scalars stored."""
        return 0 if self.shared_with else prod(self.shape) * self.copies

    @property
    def active_parameters(self) -> int:
        """Scalars stored that one token's forward pass uses."""
        return 0 if self.shared_with else prod(self.shape) * self.active

    @property
    def flops(self) -> int:
        """FLOP of the matrix product with one token, a multiply-add being 2."""
        return 2 * prod(self.shape) * self.active if self.role == "matrix" else 0
