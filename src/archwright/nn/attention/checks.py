"""What an attention call must be: every problem of its arguments, found before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import NOTHING, InvalidValue, Problem
from ..caches import Cache, held_shape
from ..saying import Said, device_of, shape_of, type_of
from ..segments import Segments

if TYPE_CHECKING:
    from .module import AttentionModule


def check_call(
    module: AttentionModule,
    x: Tensor,
    kv_cache: Cache | None,
    positions: Tensor | None,
    cu_seqlens: Tensor | Segments | None,
    max_seqlen: int | None,
) -> Segments | None:
    """The segments of a packed call, None for a batch. InvalidValue: all problems at once."""
    problems = list(_input(module, x, cu_seqlens is not None))
    segments = None
    if isinstance(cu_seqlens, Segments):
        segments = cu_seqlens
        if isinstance(x, Tensor) and x.dim() == 2 and segments.total != x.shape[0]:
            rule = f"must end at the number of tokens ({x.shape[0]})"
            problems.append(Problem("cu_seqlens", segments.total, rule))
    elif cu_seqlens is not None and isinstance(x, Tensor):
        try:
            segments = Segments.read(cu_seqlens, max_seqlen, x.shape[0] if x.dim() else 0, x.device)
        except InvalidValue as error:
            problems.extend(error.problems)
    elif max_seqlen is not None and cu_seqlens is None:
        problems.append(Problem("max_seqlen", max_seqlen, "has a meaning only with cu_seqlens"))
    if not problems and kv_cache is not None:
        problems.extend(_cache(module, x, kv_cache, segments))
    if not problems and positions is not None:
        problems.extend(_positions(x, positions, kv_cache, segments))
    if problems:
        raise InvalidValue(problems)
    return segments


def _input(module: AttentionModule, x: object, packed: bool) -> Iterator[Problem]:
    if not isinstance(x, Tensor):
        yield Problem("x", type_of(x), "must be a tensor")
        return
    width = module.spec.d_model
    wanted = f"(total, {width}) with cu_seqlens" if packed else f"(B, T, {width})"
    shape = shape_of(x)
    if x.dim() != (2 if packed else 3):
        remedy = "" if packed or x.dim() != 2 else "Add a batch axis, or give cu_seqlens"
        yield Problem("x", shape, f"must be {wanted}", remedy)
    elif x.shape[-1] != width:
        yield Problem("x", shape, f"must be {wanted}: d_model is {width}, the last axis {x.shape[-1]}")
    elif x.numel() == 0:
        yield Problem("x", shape, "must have at least one sequence and one token")
    weight = next(module.parameters(), None)
    if weight is None:
        return
    if x.device != weight.device:
        yield Problem("x", device_of(x), f"must be on the device of the module ({weight.device})", "Move one of them")
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        rule = f"must have the type of the module ({weight.dtype})"
        yield Problem("x", type_of(x), rule, f"Convert one of them: x.to({weight.dtype})")


def _cache(module: AttentionModule, x: Tensor, cache: object, segments: Segments | None) -> Iterator[Problem]:
    if not isinstance(cache, Cache):
        yield Problem("kv_cache", type_of(cache), "must be a cache", "Make one with new_cache")
        return
    if module.training:
        rule = "cannot be used in training mode: it keeps no gradients"
        yield Problem("kv_cache", NOTHING, rule, "Call eval() first, or leave the cache out")
    if not module.spec.causal:
        yield Problem("kv_cache", NOTHING, "needs causal attention: later tokens would change earlier rows")
    heads, (width, _) = held_shape(module.spec)
    if (cache.k.shape[1], cache.k.shape[3]) != (heads, width):
        found = Said(f"for {cache.k.shape[1]} KV heads of {cache.k.shape[3]}")
        yield Problem("kv_cache", found, f"must be for {heads} KV heads of {width}")
    elif not module.cache_fits(cache):
        rule = "does not hold every key that this pattern sees"
        yield Problem("kv_cache", Said(f"with {cache.slots} slots"), rule, "Make it with this module's new_cache")
    if cache.k.device != x.device:
        yield Problem("kv_cache", device_of(cache.k), f"must be on the device of x ({x.device})")
    if cache.k.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
        yield Problem("kv_cache", type_of(cache.k), f"must have the type of x ({x.dtype})")
    rows = x.shape[0] if segments is None else segments.count
    if cache.batch != rows:
        what = "sequences" if segments is None else "segments"
        yield Problem("kv_cache", Said(f"for {cache.batch} sequences"), f"does not fit {rows} {what}")
        return
    if segments is not None and segments.lengths is None:
        rule = "must be known on the host to fill a cache"
        yield Problem("cu_seqlens", NOTHING, rule, "Pass Segments.from_tensor(cu_seqlens)")
        return
    try:
        cache.check_room(segments.lengths if segments is not None and segments.lengths else [x.shape[1]] * rows)
    except InvalidValue as error:
        yield from error.problems


def _positions(x: Tensor, positions: object, cache: Cache | None, segments: Segments | None) -> Iterator[Problem]:
    if not isinstance(positions, Tensor):
        yield Problem("positions", type_of(positions), "must be a tensor of whole numbers")
        return
    shapes = [tuple(x.shape[:-1]), (x.shape[-2],)] + ([(1, x.shape[1])] if segments is None else [])
    if tuple(positions.shape) not in shapes:
        yield Problem("positions", shape_of(positions), f"must be {shapes[0]}")
    elif positions.dtype not in (torch.int32, torch.int64):
        yield Problem("positions", type_of(positions), "must be whole numbers: torch.int64")
    elif positions.device != x.device:
        yield Problem("positions", device_of(positions), f"must be on the device of x ({x.device})")
    elif cache is not None and segments is not None:
        yield Problem("positions", NOTHING, "cannot be given with both kv_cache and cu_seqlens", "Leave them out")
    elif cache is not None:
        expected = cache.lengths[:, None] + torch.arange(x.shape[1], device=x.device)
        if not bool((positions == expected).all()):
            rule = f"must go on from the cache, which holds {list(cache.host_lengths)} tokens"
            yield Problem("positions", NOTHING, rule, "Leave them out")
    elif positions.device.type == "cpu" and bool((positions < 0).any()):
        yield Problem("positions", int(positions.min()), "must not be negative")
