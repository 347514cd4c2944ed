"""The two ends of a model: what becomes of a token before the first layer, and how the last one becomes logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from ..errors import Problem, did_you_mean
from .spec import Spec
from .weights import Weight

POSITION_TABLES = ("learned", "sinusoidal")


@dataclasses.dataclass(frozen=True)
class End(Spec):
    """Base of both ends. The default of each option means "the feature is absent"."""

    def own(self) -> dict[str, Any]:
        """The options that are in use: what a fingerprint hashes."""
        options = (f for f in dataclasses.fields(self) if f.name not in self.TIED_TO_MODEL)
        return {f.name: getattr(self, f.name) for f in options if getattr(self, f.name) != f.default}


@dataclasses.dataclass(frozen=True)
class Embedding(End):
    """The token table, and what is done with its row: (B, T) tokens to (B, T, d_model)."""

    type = "embedding"
    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset({"d_model", "vocab_size", "max_seq_len"})

    d_model: int
    """Width of the residual stream."""
    vocab_size: int
    """Rows of the token table."""
    max_seq_len: int
    """Longest sequence."""
    width: int | None = None
    """Width of the token table where a projection leads to d_model and back; null is d_model."""
    multiplier: float = 1.0
    """Factor of the token's row."""
    positions: str | None = None
    """A table of positions that is added: learned or sinusoidal; null is none."""
    position_rows: int | None = None
    """Rows of the learned table; null is max_seq_len."""
    position_offset: int = 0
    """The row of the first position."""
    norm: bool = False
    """Whether a norm of the model's kind follows."""

    def base_problems(self) -> Iterator[Problem]:
        for name in ("width", "position_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield Problem(name, value, "must be positive")
        if self.multiplier == 0:
            yield Problem("multiplier", self.multiplier, "must not be zero")
        if self.positions is not None and self.positions not in POSITION_TABLES:
            hint = did_you_mean(self.positions, POSITION_TABLES, "Known")
            yield Problem("positions", self.positions, "is not a table of positions", hint)
        if self.position_offset < 0:
            yield Problem("position_offset", self.position_offset, "must not be negative")

    @property
    def rows(self) -> int:
        """Rows of the learned table of positions, 0 where there is none."""
        if self.positions != "learned":
            return 0
        return self.position_rows if self.position_rows is not None else self.max_seq_len + self.position_offset

    @property
    def table_width(self) -> int:
        """Width of the token table."""
        return self.d_model if self.width is None else self.width

    def weights(self) -> Iterator[Weight]:
        yield Weight("weight", "embedding", (self.vocab_size, self.table_width), "table")
        if self.rows:
            yield Weight("positions.weight", "embedding", (self.rows, self.d_model), "table")
        if self.width is not None:
            yield Weight("projection.weight", "embedding", (self.d_model, self.width))


@dataclasses.dataclass(frozen=True)
class Head(End):
    """The output head: (B, T, d_model) to logits (B, T, vocab_size)."""

    type = "head"
    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset({"d_model", "vocab_size", "width", "tied"})

    d_model: int
    """Width of the residual stream."""
    vocab_size: int
    """Number of logits."""
    width: int | None = None
    """Width of the head's input where a projection leads to it; null is d_model."""
    tied: bool = False
    """Whether the matrix is the token table."""
    bias: bool = False
    """Whether the logits have a bias."""
    multiplier: float = 1.0
    """Factor of the logits."""
    softcap: float | None = None
    """c in c * tanh(logit / c), after the factor; null is none."""
    norm: bool = True
    """Whether a norm of the model's kind stands before the head."""

    def base_problems(self) -> Iterator[Problem]:
        if self.multiplier == 0:
            yield Problem("multiplier", self.multiplier, "must not be zero")
        if self.softcap is not None and self.softcap <= 0:
            yield Problem("softcap", self.softcap, "must be positive", "Use null for none")

    def weights(self) -> Iterator[Weight]:
        if self.width is not None:
            yield Weight("projection.weight", "head", (self.width, self.d_model))
        shape = (self.vocab_size, self.d_model if self.width is None else self.width)
        yield Weight("weight", "head", shape, shared_with="embedding.weight" if self.tied else None)
        if self.bias:
            yield Weight("bias", "head", shape[:1], "vector")
