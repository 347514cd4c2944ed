"""What the fullest device holds when a model is split by tensor and expert parallelism and pipeline stages."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ..arch.attention.base import AttentionSpec
from ..arch.attention.mla import MLA
from ..arch.config import ArchitectureConfig
from ..arch.weights import Weight
from ..errors import InvalidValue, Problem
from ..units import Number
from .tally import Group, tally

UNSPLIT = ("norms", "router")
"""Parts that every device of a tensor-parallel group holds whole."""
WHOLE = ("o_proj.bias", "down_proj.bias", "_a_proj.weight", "_a_proj.bias")
"""Also held whole: biases added after the sum over devices, and the matrices into latents, which are not split."""


def split(amount: int, ways: int) -> int:
    """The largest piece of an amount that is split as evenly as whole pieces allow."""
    return -(-amount // ways)


def elements_on_device(weight: Weight, attention: AttentionSpec | None, tp: int, ep: int = 1) -> int:
    """Stored scalars of a tensor on the fullest device of `tp` ways, and `ep` ways for routed experts.

    Heads and columns are split; key and value heads are replicated beyond their number; norms, routers, latents
    and the biases of row-parallel matrices are held whole. Routed experts are split whole first.
    """
    stored = weight.parameters
    if weight.part == "experts" and weight.copies > 1:
        stored = stored * split(weight.copies, ep) // weight.copies
    if tp == 1 or not stored or weight.part in UNSPLIT or weight.name.endswith(WHOLE):
        return stored
    if attention is not None and weight.part.startswith("attention."):
        keys = weight.name.endswith(("k_proj.weight", "v_proj.weight", "k_proj.bias", "v_proj.bias"))
        pieces = attention.n_kv_heads if keys else attention.n_heads
    else:
        pieces = weight.shape[-1 if weight.name.endswith("down_proj.weight") else 0]
    return stored * split(pieces, tp) // pieces


def rows_on_device(weight: Weight, attention: AttentionSpec, tp: int) -> int:
    """Outputs of a matrix on the fullest of `tp` devices: all of them where its inputs are split, or nothing is."""
    if weight.name.endswith(("o_proj.weight", "down_proj.weight")):
        return weight.shape[0]
    return elements_on_device(weight, attention, tp) // (prod(weight.shape[1:]) * weight.copies)


def cached_elements(attention: AttentionSpec, cache: str) -> int:
    """Cached scalars of one token: the latent of latent attention, unless the cache is `materialised`."""
    if cache == "materialised" and isinstance(attention, MLA):
        return attention.materialised_elements
    return attention.cache_elements


def cache_elements_on_device(attention: AttentionSpec, tp: int, cache: str = "needed") -> int:
    """Cached scalars of one token on the fullest of `tp` devices: whole KV heads, replicated beyond their number.

    A layout that is not one of heads (a latent) is never split.
    """
    elements, by_head = cached_elements(attention, cache), attention.key_dim + attention.value_dim
    for heads in (attention.n_kv_heads, attention.n_heads):
        if elements == heads * by_head:
            return split(heads, tp) * by_head
    return elements


def stages(
    a: ArchitectureConfig, pp: int, per_layer: Callable[[Group], Number], first: Number, last: Number
) -> list[Number]:
    """The sum over the layers of each of `pp` stages, with what the first and the last hold besides.

    The first stages have one layer more where the layers do not divide evenly.
    """
    if pp > a.n_layers:
        rule = f"must be at most the number of layers ({a.n_layers})"
        raise InvalidValue(Problem("pp", pp, rule, f"Use 1 to {a.n_layers}"))
    groups = tally(a).groups
    costs = [per_layer(g) for g in groups]
    if pp == 1:
        return [sum((c * g.count for c, g in zip(costs, groups, strict=True)), first + last)]
    of_layer: list[Number] = [0] * a.n_layers
    for cost, group in zip(costs, groups, strict=True):
        for number in group.numbers:
            of_layer[number] = cost
    base, extra = divmod(a.n_layers, pp)
    start = 0
    found: list[Number] = []
    for stage in range(pp):
        stop = start + base + (stage < extra)
        outside = (first if stage == 0 else 0) + (last if stage == pp - 1 else 0)
        found.append(sum(of_layer[start:stop], outside))
        start = stop
    return found


def fullest_stage(
    a: ArchitectureConfig, pp: int, per_layer: Callable[[Group], Number], first: Number, last: Number
) -> Number:
    """The largest of `stages`."""
    return max(stages(a, pp, per_layer, first, last))


FIRST_STAGE = "embedding"
"""The part outside the layers that the first pipeline stage holds; the last holds the rest."""


def ends(a: ArchitectureConfig, pp: int) -> tuple[list[Weight], list[Weight]]:
    """The tensors outside the layers that the first stage holds, and the last; a tied table is on both."""
    outer = tally(a).outer
    first = [w for w in outer if w.part == FIRST_STAGE]
    last = [w for w in outer if w.part != FIRST_STAGE]
    if pp > 1:
        shared = {w.shared_with for w in last}
        last += [w for w in first if w.name in shared]
    return first, last
