"""Costs of two architectures beside each other, as a reviewer asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arch.config import ArchitectureConfig
from ..costs.metric import metrics
from ..costs.table import change, shared
from ..errors import InvalidValue
from ..units import Quantity

DEVICE = "h100-sxm"
"""What time bounds are for where the project does not say."""
COSTS = ("parameters", "weights", "kv_cache", "prefill_time", "decode_time")


@dataclass(frozen=True, slots=True)
class CostChange:
    """One metric before and after, with the settings it holds for and how the two relate."""

    metric: str
    label: str
    before: Quantity
    after: Quantity
    settings: tuple[tuple[str, Any], ...]

    @property
    def texts(self) -> tuple[str, str]:
        """Both values in one unit."""
        a, b = shared([self.before, self.after])
        return a, b

    @property
    def relation(self) -> str:
        """`2.0x smaller`, `-2.3 %`, `same`."""
        less, more = ("faster", "slower") if self.before.unit == "s" else ("smaller", "larger")
        return change(self.before, self.after).replace("x less", f"x {less}").replace("x more", f"x {more}")

    @property
    def differs(self) -> bool:
        """Whether the two values are not the same."""
        return self.before.value != self.after.value


def cost_changes(before: ArchitectureConfig, after: ArchitectureConfig, device: str = DEVICE) -> list[CostChange]:
    """Parameters, weights, cache at the longest context that both take, and the time bounds on a device."""
    context = min(before.max_seq_len, after.max_seq_len)
    found = []
    for name in COSTS:
        definition = metrics.get(name)
        given: dict[str, Any] = {"context": context, "dtype": "bf16", "device": device}
        own = {k: v for k, v in given.items() if k in definition.settings}
        try:
            a, b = definition(before, **own), definition(after, **own)
        except InvalidValue:
            continue  # a variant or device without that bound
        found.append(CostChange(name, _label(name, context, device), a, b, tuple(own.items())))
    return found


def _label(name: str, context: int, device: str) -> str:
    words = {
        "parameters": "parameters",
        "weights": "weights (bf16)",
        "kv_cache": f"KV cache at {context:,} (bf16)",
        "prefill_time": f"prefill of {context:,}, bound on {device}",
        "decode_time": f"decoding a token at {context:,}, bound on {device}",
    }
    return words[name]
