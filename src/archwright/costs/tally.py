"""Tally: the tensors of an architecture, grouped by distinct layer, ready to be summed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from ..arch.config import ArchitectureConfig
from ..arch.layer import Layer
from ..arch.weights import PARTS, Weight

Layers = frozenset[int] | None
"""The layers a metric is asked about; None is the whole model, with what lies outside the layers."""


@dataclass(frozen=True, slots=True)
class Group:
    """A distinct layer, how many of the selected layers are it, and its tensors."""

    layer: Layer
    numbers: tuple[int, ...]
    count: int
    weights: tuple[Weight, ...]
    flops: dict[str, int]
    """FLOP of the matrix products with one token, by part."""

    def times(self, count: int) -> Group:
        """The same layer, counted `count` times."""
        return Group(self.layer, self.numbers, count, self.weights, self.flops)


@dataclass(frozen=True, slots=True)
class Tally:
    """What is outside the layers, and the groups of equal layers."""

    outer: tuple[Weight, ...]
    groups: tuple[Group, ...]

    @property
    def layers(self) -> int:
        """How many layers are counted."""
        return sum(g.count for g in self.groups)

    def weights(self) -> Iterable[tuple[int, Weight]]:
        """Every tensor with how often it occurs."""
        for weight in self.outer:
            yield 1, weight
        for group in self.groups:
            for weight in group.weights:
                yield group.count, weight


_KEPT: OrderedDict[int, tuple[ArchitectureConfig, Tally]] = OrderedDict()
_MOST = 64


def tally(config: ArchitectureConfig, where: Layers = None) -> Tally:
    """The tally of an architecture, or of some of its layers alone. Kept for the last architectures asked for."""
    kept = _KEPT.get(id(config))
    if kept is None:
        groups = []
        for layer, numbers in config.groups:
            weights = tuple(layer.weights())
            groups.append(Group(layer, numbers, len(numbers), weights, matrix_flops(weights)))
        kept = _KEPT[id(config)] = (config, Tally(tuple(config.outer_weights()), tuple(groups)))
        if len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    whole = kept[1]
    if where is None:
        return whole
    chosen = ((g, sum(n in where for n in g.numbers)) for g in whole.groups)
    return Tally((), tuple(g.times(count) for g, count in chosen if count))


def matrix_flops(weights: Iterable[Weight]) -> dict[str, int]:
    """FLOP of the matrix products with one token, by part."""
    found: dict[str, int] = {}
    for weight in weights:
        if weight.flops:
            found[weight.part] = found.get(weight.part, 0) + weight.flops
    return found


def in_part(part: str, wanted: str | None) -> bool:
    """Whether a part is the wanted one or inside it: `attention` means all of attention."""
    return wanted is None or part == wanted or part.startswith(wanted + ".")


PART_NAMES = (*PARTS, "attention")
"""What the setting `part` accepts."""


def add(into: dict[str, int], part: str, amount: int) -> None:
    """Add to a part's sum."""
    if amount:
        into[part] = into.get(part, 0) + amount
