"""Flex: torch's compiled flex_attention for any pattern, one compiled function a shape class.

torch falls back to eager dense attention, without a word, once one function was compiled for too many shapes
(32 GiB for one call were seen). So every shape class gets a function of its own, compiled as a full graph, which
raises instead.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim.
"""

from __future__ import annotations

import shutil
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from .base import Backend, Reason, Request, View
from .block_mask import from_intervals

DENSE = 2**26
"""Pairs up to which a block mask may be found by looking at each."""

CLASSES = 64
"""Compiled functions kept; the least used goes first."""


@lru_cache(maxsize=1)
def cpp_compiler() -> str | None:
    """The C++ compiler that torch would use on this machine, or None."""
    import os

    named = os.environ.get("CXX")
    return next((found for c in (named, "g++", "clang++") if c and (found := shutil.which(c))), None)


def _attend(q: Tensor, k: Tensor, v: Tensor, blocks: BlockMask, scale: float | None, grouped: bool) -> Any:
    return flex_attention(q, k, v, block_mask=blocks, scale=scale, enable_gqa=grouped)


ShapeClass = tuple[Any, ...]


class Flex(Backend):
    """`flex_attention` with a block mask from the pattern; blocks that see nothing are skipped."""

    name = "flex"

    def __init__(self) -> None:
        self._compiled: OrderedDict[ShapeClass, Callable[..., Tensor]] = OrderedDict()
        self._blocks: OrderedDict[ShapeClass, BlockMask] = OrderedDict()

    def why_not(self, request: Request) -> list[Reason]:
        reasons = []
        if request.device_type == "cpu":
            if cpp_compiler() is None:
                reasons.append(Reason("on a CPU it needs a C++ compiler, and there is none"))
            if request.needs_grad:
                reasons.append(Reason("on a CPU it has no backward pass"))
        elif request.device_type != "cuda":
            reasons.append(Reason(f"runs on cpu and cuda, not on {request.device_type}"))
        if request.dtype == torch.float64:
            reasons.append(Reason("has no float64"))
        if request.cached:
            reasons.append(Reason("a cache gives every step another shape, and each would be compiled"))
        if request.dropout:
            reasons.append(Reason("has no dropout"))
        consecutive = request.layout == "rows" and request.spec.has_closed_form()
        if request.device_type == "cpu" and not consecutive and request.q_len * request.k_len > DENSE:
            reasons.append(Reason(f"without intervals it would look at each of over {DENSE:,} pairs"))
        for width in sorted({request.spec.key_dim, request.spec.value_dim}):
            if width < 16 or width & (width - 1):
                reasons.append(Reason(f"head_dim must be a power of 2 from 16 on, not {width}"))
        return reasons

    def run(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, *, scale: float | None = None, dropout: float = 0.0
    ) -> Tensor:
        grad = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
        shapes = (q.shape, k.shape, q.dtype, q.device, grad, scale)
        key = (view.spec, view.layout, *shapes)
        new, function = key not in self._compiled, self._function(key)
        blocks, grouped = self._mask(view, q, k), q.shape[1] != k.shape[1]
        if not new or torch.compiler.is_compiling():
            return function(q, k, v, blocks, scale, grouped)
        with warnings.catch_warnings():  # while it compiles, torch warns about parts of its own
            warnings.simplefilter("ignore")
            return function(q, k, v, blocks, scale, grouped)

    def _function(self, key: ShapeClass) -> Callable[..., Tensor]:
        """The compiled function of a shape class; each has a code object of its own, by which torch counts."""
        function = self._compiled.pop(key, None)
        if function is None:
            code = _attend.__code__.replace(co_name=f"attend_{abs(hash(key)):x}")
            function = torch.compile(types.FunctionType(code, globals()), fullgraph=True, dynamic=False)
            while len(self._compiled) >= CLASSES:
                self._compiled.popitem(last=False)
        self._compiled[key] = function
        return function

    def _mask(self, view: View, q: Tensor, k: Tensor) -> BlockMask:
        """The block mask of a view; of consecutive positions it depends on lengths alone and is kept."""
        q_len, k_len = q.shape[2], k.shape[2]
        key = (view.spec, q_len, k_len, q.device)
        if view.layout == "rows" and key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        if view.layout == "rows" and view.spec.has_closed_form():
            made = from_intervals(view.spec, q_len, k_len, _mask_mod(view), q.device)
        else:
            rows = max(view.q_positions.shape[0], view.k_positions.shape[0])
            many = rows if rows > 1 else None
            # compiled, it makes no tensor of all pairs; small ones are not worth it
            compiled = q.device.type == "cuda" and q_len * k_len > DENSE
            made = create_block_mask(_mask_mod(view), many, None, q_len, k_len, device=q.device, _compile=compiled)
        if view.layout == "rows":
            self._blocks[key] = made
            while len(self._blocks) > CLASSES:
                self._blocks.popitem(last=False)
        return made


def _mask_mod(view: View) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """The view as a function of indices, for flex."""
    spec, q_at, k_at = view.spec, view.q_positions, view.k_positions
    q_rows, k_rows = q_at.shape[0] > 1, k_at.shape[0] > 1
    valid, q_of, k_of = view.k_valid, view.q_segments, view.k_segments

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        q_position = q_at[b, q] if q_rows else q_at[0, q]
        k_position = k_at[b, k] if k_rows else k_at[0, k]
        seen: Tensor = spec.visible(q_position, k_position)
        if spec.causal:
            seen = seen & (k_position <= q_position)
        if q_of is not None and k_of is not None:
            seen = seen & (q_of[0, q] == k_of[0, k])
        if valid is not None:
            seen = seen & valid[b, k]
        return seen

    return sees


backend = Flex()
"""The one instance in the registry."""
