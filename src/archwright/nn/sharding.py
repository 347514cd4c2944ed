"""Sharding a model over processes with torch's FSDP2: one group a layer, and one for what stands around them."""

from __future__ import annotations

from typing import Any

import torch

from .transformer import Transformer


def shard(model: Transformer, mesh: Any = None, *, compute_dtype: torch.dtype | None = None) -> Transformer:
    """Shard all parameters in place over `mesh` (default: all processes); forward and backward then gather them.

    `compute_dtype` is the type of products and communication, by default that of the parameters. Embedding, final
    norm and head are one group: FSDP2 refuses a tied table that lies in two.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    options: dict[str, Any] = {"mesh": mesh}
    if compute_dtype is not None:
        options["mp_policy"] = MixedPrecisionPolicy(param_dtype=compute_dtype, reduce_dtype=torch.float32)
    for layer in model.layers:
        fully_shard(layer, **options)
    fully_shard(model, **options)
    return model
