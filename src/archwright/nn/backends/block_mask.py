"""Block masks from intervals: which blocks of keys a block of queries touches, without looking at T * S pairs.

T query tokens at the end of S key tokens; blocks of `BLOCK` queries by `BLOCK` keys.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from ...arch.attention import AttentionSpec

BLOCK = 128


def counts(spec: AttentionSpec, q_len: int, k_len: int) -> Tensor:
    """(query blocks, key blocks) int64: visible pairs in each block, from the spec's intervals. O(T * S / BLOCK)."""
    edges = torch.arange(0, k_len + BLOCK, BLOCK)[: -(-k_len // BLOCK) + 1]
    rows = []
    for first in range(0, q_len, BLOCK):
        queries = range(k_len - q_len + first, k_len - q_len + min(first + BLOCK, q_len))
        parts = [part for q in queries for part in spec.key_set(q, k_len)]
        table = torch.tensor([(p.start, p.stop, p.step) for p in parts], dtype=torch.int64).reshape(-1, 3)
        start, stop, step = (column[:, None] for column in table.T)
        # keys of a range under each edge, so that neighbours differ by those in a block
        under = ((torch.minimum(edges, stop) - start + step - 1) // step).clamp(min=0)
        rows.append((under[:, 1:] - under[:, :-1]).sum(0))
    return torch.stack(rows)


def from_intervals(
    spec: AttentionSpec, q_len: int, k_len: int, mask_mod: Callable[..., Tensor], device: torch.device
) -> BlockMask:
    """The block mask of consecutive positions; blocks that are wholly visible need no `mask_mod`."""
    found = counts(spec, q_len, k_len)
    whole = found == BLOCK * BLOCK
    partial = (found > 0) & ~whole

    def listed(which: Tensor) -> tuple[Tensor, Tensor]:
        order = which.to(torch.int32).argsort(dim=-1, descending=True, stable=True)
        number = which.sum(-1)
        return number.to(device, torch.int32)[None, None], order.to(device, torch.int32)[None, None].contiguous()

    return BlockMask.from_kv_blocks(
        *listed(partial), *listed(whole), BLOCK_SIZE=BLOCK, mask_mod=mask_mod, seq_lengths=(q_len, k_len)
    )
