"""Plan: for each published tensor its shape, and which of our tensors it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..arch.attention import AttentionSpec
from ..arch.config import ArchitectureConfig
from ..errors import NotSupported, Problem, UnknownName, did_you_mean
from ..nn import Transformer
from .keymaps import KEYMAPS, KeyMap, Table
from .layouts import LAYOUTS


def weight_types() -> tuple[str, ...]:
    """The model types whose weights can be read and written, sorted."""
    return tuple(sorted(KEYMAPS))


def key_map(model_type: str) -> KeyMap:
    """The key map of a model type. UnknownName: there is none."""
    if model_type not in KEYMAPS:
        hint = did_you_mean(model_type, KEYMAPS, "Known")
        raise UnknownName(Problem("model_type", model_type, "is not a model type whose weights are known", hint))
    return KEYMAPS[model_type]


@dataclass(frozen=True)
class Entry:
    """One published tensor: its name and shape, our tensors that it holds (all, or entry `index` of a stack)."""

    theirs: str
    shape: tuple[int, ...]
    ours: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    layout: str = "same"
    index: int | None = None
    attention: AttentionSpec | None = None

    def split(self, tensor: Tensor) -> list[Tensor]:
        """Ours, in the order of `ours`."""
        return LAYOUTS[self.layout].split(tensor, self.shapes, self.attention)

    def join(self, parts: list[Tensor]) -> Tensor:
        """Theirs."""
        return LAYOUTS[self.layout].join(parts, self.attention)


def plan(config: ArchitectureConfig, model_type: str) -> list[Entry]:
    """The published tensors of an architecture, in the order of ours; a tied head is none.

    UnknownName: the type has no key map. NotSupported: a tensor of ours that it has no name for.
    """
    names = key_map(model_type)
    state = Transformer(config, device="meta").state_dict()
    if config.tie_embeddings:
        state.pop("head.weight", None)
    left = dict(state)
    made: list[Entry] = []
    made += _entries(names.outer, "", "", left, None)
    for number, layer in enumerate(config.layers):
        ours, theirs = f"layers.{number}.", names.prefix.replace("{l}", str(number))
        table = {**names.layer, **names.placed.get(layer.norm_placement, {})}
        made += _entries(table, ours, theirs, left, layer.attention)
    if left:
        rule = f"has no name among the tensors of {model_type}"
        raise NotSupported(Problem(name, tuple(t.shape), rule) for name, t in left.items())
    order = {name: number for number, name in enumerate(state)}
    return sorted(made, key=lambda e: (order[e.ours[0]], -1 if e.index is None else e.index))


def _entries(
    table: Table, ours: str, theirs: str, left: dict[str, Tensor], attention: AttentionSpec | None
) -> Iterator[Entry]:
    for left_side, right_side in table.items():
        stems = (left_side,) if isinstance(left_side, str) else left_side
        name, layout = (right_side, "same") if isinstance(right_side, str) else right_side
        for ending in (".weight", ".bias") if stems[0].endswith(".*") else ("",):
            mine = tuple(f"{ours}{s.removesuffix('.*')}{ending}" for s in stems)
            if not all(m in left for m in mine):
                continue
            tensors = [left.pop(m) for m in mine]
            full = f"{theirs}{name.removesuffix('.*')}{ending}"
            if "{e}" in full:
                for index in range(tensors[0].shape[0]):
                    shape = tuple(tensors[0].shape[1:])
                    yield Entry(full.replace("{e}", str(index)), shape, mine, (shape,), layout, index, attention)
                continue
            shapes = tuple(tuple(t.shape) for t in tensors)
            joined = LAYOUTS[layout].join([torch.empty(s, device="meta") for s in shapes], attention)
            yield Entry(full, tuple(joined.shape), mine, shapes, layout, None, attention)
