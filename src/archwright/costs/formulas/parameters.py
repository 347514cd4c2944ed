"""How many scalars a model has: in all, in use for one token, by part and by layer."""

from __future__ import annotations

from fractions import Fraction

from ...arch.config import ArchitectureConfig
from ...arch.weights import Weight
from ...errors import NOTHING, InvalidValue, Problem
from ..metric import metric
from ..settings import REQUIRED
from ..tally import Layers, add, in_part, tally


def by_part(
    a: ArchitectureConfig, embedding: str = "all", where: Layers = None, active: bool = False
) -> dict[str, int]:
    """Scalars of each part. `embedding` says which of the two vocabulary matrices count."""
    found: dict[str, int] = {}
    counted = tally(a, where)
    tied = {w.shared_with for w in counted.outer if w.shared_with}
    for times, weight in counted.weights():
        if _counts(weight, embedding, tied):
            add(found, weight.part, times * (weight.active_parameters if active else weight.parameters))
    return found


def _counts(weight: Weight, embedding: str, tied: set[str]) -> bool:
    if embedding == "all" or weight.name.endswith("projection.weight"):
        return True
    if weight.part == "embedding" and weight.role == "table":
        return embedding == "output" and weight.name in tied  # a tied table is the output head as well
    return weight.part != "head" or embedding == "output"


def _total(parts: dict[str, int], part: str | None) -> int:
    return sum(amount for name, amount in parts.items() if in_part(name, part))


@metric(unit="params", better=None)
def parameters(a: ArchitectureConfig, *, embedding: str, part: str | None, where: Layers) -> int:
    """Distinct scalars of the model, a tied matrix once.

    Formula: the sum over all tensors of the product of their sizes.
    Unit: params.
    Convention: `embedding: all` counts the embedding table and the output head, `output` the head alone (a tied
    table is the head), `none` neither, nor a table of positions, because papers differ. `part` and `where` count a
    part, or some layers without what lies outside them. The parts sum to the whole.
    Source: the shapes of the tensors, as the running module has them.
    """
    return _total(by_part(a, embedding, where), part)


@metric(unit="params", better=None)
def active_parameters(a: ArchitectureConfig, *, embedding: str, part: str | None, where: Layers) -> int:
    """Distinct scalars that the forward pass of one token uses.

    Formula: as `parameters`, with the routed experts that one token uses in place of all of them.
    Unit: params.
    Convention: routers and shared experts count in full; a dense model uses every parameter.
    Source: Jiang et al. 2024, "Mixtral of Experts", section 2.1 ("active parameter count").
    """
    return _total(by_part(a, embedding, where, active=True), part)


@metric(unit="params", better=None, label="non-embedding parameters")
def non_embedding_parameters(a: ArchitectureConfig, *, part: str | None, where: Layers) -> int:
    """Distinct scalars without the embedding table and the output head.

    Formula: `parameters` with `embedding: none`.
    Unit: params.
    Convention: norms count.
    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1 (which leaves norms out).
    """
    return _total(by_part(a, "none", where), part)


@metric(unit="%", better=None, label="share of the parameters")
def parameters_share(
    a: ArchitectureConfig,
    *,
    part: str = REQUIRED,
    embedding: str,
    where: Layers,
) -> Fraction:
    """Share of the parameters that a part has.

    Formula: 100 x `parameters` of the part / `parameters`.
    Unit: %.
    Convention: that of `parameters`; a tied output head has no parameters of its own.
    Source: definition.
    """
    parts = by_part(a, embedding, where)
    whole = _total(parts, None)
    if not whole:
        raise InvalidValue(Problem("where", NOTHING, "selects no parameters", "Select other layers"))
    return Fraction(100 * _total(parts, part), whole)


NAMES = {
    "embedding": "embedding",
    "attention.qkv": "query, key, value",
    "attention.output": "attention output",
    "feed_forward": "feed-forward",
    "experts": "experts",
    "router": "router",
    "norms": "norms",
    "head": "output head",
}
"""How people read a part's name."""


def _spelled(parts: dict[str, int], part: str | None) -> str:
    shown = [f"{amount:,} {NAMES.get(name, name)}" for name, amount in parts.items() if in_part(name, part) and amount]
    return " + ".join(shown) or "0"


@parameters.explain
def _how_parameters(a: ArchitectureConfig, *, embedding: str, part: str | None, where: Layers) -> str:
    return _spelled(by_part(a, embedding, where), part)


@active_parameters.explain
def _how_active(a: ArchitectureConfig, *, embedding: str, part: str | None, where: Layers) -> str:
    return _spelled(by_part(a, embedding, where, active=True), part)


@non_embedding_parameters.explain
def _how_non_embedding(a: ArchitectureConfig, *, part: str | None, where: Layers) -> str:
    return _spelled(by_part(a, "none", where), part)
