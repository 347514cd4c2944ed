"""Full attention: every token sees every earlier one; GQA and MQA are the same with fewer KV heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .base import AttentionSpec, attention, attention_types


@attention("full")
class Full(AttentionSpec):
    """Attention over the whole sequence.

    `gqa` and `mqa` are the same variant under the names people use for fewer KV heads; `mqa` has one.
    Source of the cache law: Ainslie et al. 2023, "GQA", section 2.2.
    """

    type = "full"

    def visible(self, q: Any, k: Any) -> Any:
        return (k <= q) | (k > q)

    def ranges(self, q: int) -> Iterator[range]:
        yield range(2**62)

    def pairs(self, context: int) -> int:
        return context * (context + 1) // 2 if self.causal else context * context

    def cache_slots(self, context: int) -> int:
        return max(0, context)


attention_types.register("gqa", Full)
attention_types.register("mqa", Full)
