"""Layouts: how one published tensor holds one or several of ours, each a pair of inverse functions.

`split` goes from theirs to ours, `join` from ours to theirs; both are pure views and copies of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..arch.attention import AttentionSpec

Shapes = Sequence[tuple[int, ...]]
Split = Callable[[Tensor, Shapes, AttentionSpec | None], list[Tensor]]
Join = Callable[[list[Tensor], AttentionSpec | None], Tensor]


@dataclass(frozen=True)
class Layout:
    """Two inverse functions; the shapes are those of our tensors, the attention that of their layer."""

    split: Split
    join: Join


def _parts(sizes: list[int], axis: int) -> Callable[[Tensor], list[Tensor]]:
    return lambda tensor: list(torch.split(tensor, sizes, axis))


def _rows(tensor: Tensor, shapes: Shapes, _: AttentionSpec | None) -> list[Tensor]:
    return _parts([s[0] for s in shapes], 0)(tensor)


def _groups(tensor: Tensor, shapes: Shapes, spec: AttentionSpec | None) -> list[Tensor]:
    """Each group of heads in turn: its queries, its key, its value."""
    assert spec is not None
    each = spec.n_heads // spec.n_kv_heads
    whole = tensor.reshape(spec.n_kv_heads, each + 2, spec.head_dim, *tensor.shape[1:])
    found = (whole[:, :each], whole[:, each], whole[:, each + 1])
    return [part.reshape(shape) for part, shape in zip(found, shapes, strict=True)]


def _from_groups(parts: list[Tensor], spec: AttentionSpec | None) -> Tensor:
    assert spec is not None
    rest, each = parts[0].shape[1:], spec.n_heads // spec.n_kv_heads
    shaped = [p.reshape(spec.n_kv_heads, n, spec.head_dim, *rest) for p, n in zip(parts, (each, 1, 1), strict=True)]
    return torch.cat(shaped, 1).reshape(-1, *rest)


CODEGEN_BLOCKS = 4
"""Of the machine that codegen was trained on: its rows are laid out for as many devices."""


def _codegen(tensor: Tensor, shapes: Shapes, _: AttentionSpec | None) -> list[Tensor]:
    """In each block queries, values, keys."""
    whole = tensor.reshape(CODEGEN_BLOCKS, 3, -1, *tensor.shape[1:])
    return [whole[:, at].reshape(shape) for at, shape in zip((0, 2, 1), shapes, strict=True)]


def _to_codegen(parts: list[Tensor], _: AttentionSpec | None) -> Tensor:
    q, k, v = (p.reshape(CODEGEN_BLOCKS, 1, -1, *p.shape[1:]) for p in parts)
    return torch.cat((q, v, k), 1).reshape(-1, *parts[0].shape[1:])


def _turned(tensor: Tensor) -> Tensor:
    return tensor.transpose(-1, -2) if tensor.dim() > 1 else tensor


def _alternate(tensor: Tensor, shapes: Shapes, _: AttentionSpec | None) -> list[Tensor]:
    """Stacked: gate and up take turns on the last axis, matrices the other way round."""
    found = [tensor[..., at::2] for at in range(2)]
    return [part.transpose(-1, -2) if len(shapes[0]) == 3 else part for part in found]


def _to_alternate(parts: list[Tensor], _: AttentionSpec | None) -> Tensor:
    laid = [p.transpose(-1, -2) if p.dim() == 3 else p for p in parts]
    return torch.stack(laid, -1).flatten(-2)


LAYOUTS: dict[str, Layout] = {
    "same": Layout(lambda t, s, a: [t], lambda p, a: p[0]),
    "turned": Layout(lambda t, s, a: [_turned(t)], lambda p, a: _turned(p[0])),
    "rows": Layout(_rows, lambda p, a: torch.cat(p, 0)),
    "rows turned": Layout(lambda t, s, a: _rows(_turned(t), s, a), lambda p, a: _turned(torch.cat(p, 0))),
    "groups": Layout(_groups, _from_groups),
    "codegen": Layout(_codegen, _to_codegen),
    "middle": Layout(lambda t, s, a: _parts([x[1] for x in s], 1)(t), lambda p, a: torch.cat(p, 1)),
    "alternate": Layout(_alternate, _to_alternate),
    "stacked turned": Layout(
        lambda t, s, a: [t.transpose(-1, -2) if len(s[0]) == 3 else t],
        lambda p, a: p[0].transpose(-1, -2) if p[0].dim() == 3 else p[0],
    ),
    "flat": Layout(lambda t, s, a: [t.reshape(s[0])], lambda p, a: p[0].flatten(0, 1)),
    "flat turned": Layout(
        lambda t, s, a: [t.reshape(s[0][0], s[0][2], s[0][1]).transpose(1, 2)],
        lambda p, a: p[0].transpose(1, 2).flatten(0, 1),
    ),
    "row": Layout(lambda t, s, a: [t[0]], lambda p, a: p[0][None]),
}
"""Every layout by its name in the key maps."""
