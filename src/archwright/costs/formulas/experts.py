"""Routed experts: how many choices a token has, and how many experts a batch touches."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb

from ...arch.config import ArchitectureConfig
from ...errors import NOTHING, InvalidValue, Problem
from ...units import Quantity
from ..metric import metric
from ..tally import Group, Layers, tally

EXACT = 64
"""Up to this many tokens the expected number is an exact fraction; beyond, it is computed to 50 digits."""


def touched(experts: int, active: int, tokens: int) -> Fraction:
    """Expected number of distinct experts that `tokens` tokens use when each chooses `active` at random."""
    if tokens <= EXACT:
        return experts * (1 - (1 - Fraction(active, experts)) ** tokens)
    with localcontext() as context:
        context.prec = 50
        return Fraction(experts * (1 - (1 - Decimal(active) / Decimal(experts)) ** tokens))


def _routed(a: ArchitectureConfig, where: Layers) -> list[tuple[Group, int, int]]:
    """The selected layers that have routed experts, with their number and how many a token uses."""
    found = []
    for group in tally(a, where).groups:
        for weight in group.weights:
            if weight.part == "experts":
                found.append((group, weight.copies, weight.active))
                break
    if not found:
        raise InvalidValue(Problem("experts", NOTHING, "are absent: no selected layer has routed experts"))
    return found


@metric(unit="", better=None, label="expert combinations")
def expert_combinations(a: ArchitectureConfig, *, where: Layers) -> Quantity:
    """Sets of experts that a token can be routed to in one layer.

    Formula: n_experts over top_k.
    Unit: a plain number.
    Convention: groups of experts do not restrict the choice. Where layers differ, the largest, with a note.
    Source: DeepSeek-AI 2024, "DeepSeekMoE", section 3.1.
    """
    counts = [comb(copies, active) for _, copies, active in _routed(a, where)]
    notes = ("the most of layers that differ",) if len(set(counts)) > 1 else ()
    return Quantity(max(counts), "", notes=notes)


@metric(unit="experts", better=None, label="experts touched")
def experts_touched(a: ArchitectureConfig, *, tokens: int, where: Layers) -> Quantity:
    """Distinct routed experts that a number of tokens uses in one layer, on average.

    Formula: n_experts x (1 - (1 - top_k / n_experts) ^ tokens).
    Unit: experts.
    Convention: every token chooses at random, independent of the others; trained routers touch fewer. Where layers
    differ, the largest, with a note.
    Source: linearity of expectation.
    """
    counts = [touched(copies, active, tokens) for _, copies, active in _routed(a, where)]
    notes = ("the most of layers that differ",) if len(set(counts)) > 1 else ()
    most = max(counts)
    return Quantity(int(most) if most.denominator == 1 else most, "experts", notes=notes)
