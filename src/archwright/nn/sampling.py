"""Sampling: from the logits of one position to the next token. B sequences, V vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InvalidValue, Problem


@dataclass(frozen=True)
class Sampler:
    """How the next token is chosen. `temperature` 0 is greedy: the most likely one, the first of equals.

    `top_k` keeps the k most likely; `top_p` the fewest whose probabilities reach p (after temperature and top_k).
    Each row draws from a generator of its own, seeded by `seed` and its number, so that a row does not depend on
    its neighbours.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        problems = []
        if not isinstance(self.temperature, int | float) or not 0 <= self.temperature < float("inf"):
            problems.append(Problem("temperature", self.temperature, "must be a number of at least 0", "0 is greedy"))
        if self.top_k is not None and (not isinstance(self.top_k, int) or self.top_k < 1):
            rule = "must be a whole number of at least 1"
            problems.append(Problem("top_k", self.top_k, rule, "Leave it out for all"))
        if self.top_p is not None and not (isinstance(self.top_p, int | float) and 0 < self.top_p <= 1):
            problems.append(Problem("top_p", self.top_p, "must be over 0 and at most 1", "Leave it out for all"))
        if problems:
            raise InvalidValue(problems)

    def generators(self, rows: int) -> list[torch.Generator]:
        """One for each row, on the CPU; without a seed they differ from call to call."""
        made = [torch.Generator() for _ in range(rows)]
        base = int(torch.seed()) if self.seed is None and self.temperature else self.seed or 0
        for row, generator in enumerate(made):
            generator.manual_seed((base * 1_000_003 + row) % 2**63)
        return made

    def choose(self, logits: Tensor, generators: Sequence[torch.Generator]) -> list[int]:
        """The next token of each row of logits (B, V)."""
        if not self.temperature:
            return [int(t) for t in logits.argmax(-1)]
        shares = self.probabilities(logits).cpu()
        drawn = [torch.multinomial(s, 1, generator=g) for s, g in zip(shares, generators, strict=True)]
        return [int(t) for t in drawn]

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, V) float32: what `choose` draws from, for a temperature over 0."""
        wide = logits.float() / self.temperature
        if self.top_k is not None and self.top_k < wide.shape[-1]:
            least = wide.topk(self.top_k, -1).values[..., -1:]
            wide = wide.masked_fill(wide < least, float("-inf"))
        if self.top_p is not None and self.top_p < 1:
            ordered, order = wide.sort(-1, descending=True)
            shares = ordered.softmax(-1)
            beyond = shares.cumsum(-1) - shares >= self.top_p  # what comes before already reaches p
            hidden = torch.zeros_like(beyond).scatter(-1, order, beyond)
            wide = wide.masked_fill(hidden, float("-inf"))
        return wide.softmax(-1)
