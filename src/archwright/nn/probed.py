"""ProbedSpec: the costs of a module that has no spec, found by building and running it on the meta device."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import nn

from ..arch.attention import AttentionSpec
from ..arch.attention.config import AttentionConfig
from ..arch.spec import Spec, field_types
from ..arch.weights import Weight
from ..errors import NOTHING, NotSupported, Problem

COMMON = tuple(f.name for f in dataclasses.fields(AttentionSpec))
"""Fields that every attention type has."""


@dataclasses.dataclass(frozen=True)
class ProbedSpec(AttentionSpec):
    """Base of the specs that `register_variant` makes for modules without one.

    Every figure is `probed`: parameters from the module on the meta device, scores from torch's counter (dense
    convention), cache bytes from its own cache.
    """

    probed: ClassVar[bool] = True
    OPEN: ClassVar[bool] = True
    """Whether any further field is accepted, as an option of the module."""
    module_type: ClassVar[type[nn.Module]] = nn.Module

    options: tuple[Any, ...] = ()
    """What the module's constructor gets beside the common fields: (name, value) pairs."""

    def visible(self, q: Any, k: Any) -> Any:
        raise NotSupported(Problem(f"attention type {self.type}", NOTHING, "has no spec that states what it sees"))

    def has_closed_form(self) -> bool:
        return False

    def build(self) -> nn.Module:
        """The module, on the meta device."""
        from .factory import CustomAttentionFactory

        return CustomAttentionFactory.create(self, device="meta")

    def weights(self) -> Iterator[Weight]:
        """Its parameters; matrices are multiplied with every token, everything else is a vector."""
        for name, tensor in self.build().named_parameters():
            output = name.startswith(("o_proj", "out"))
            part = "attention.output" if output else "attention.qkv"
            yield Weight(name, part, tuple(tensor.shape), "matrix" if tensor.dim() == 2 else "vector")

    def pairs(self, context: int) -> int:
        """Pairs of a sequence as torch's counter sees them: its FLOPs less those of the matrices, per pair."""
        from torch.utils.flop_counter import FlopCounterMode

        module = self.build().eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.empty(1, context, self.d_model, device="meta"))
        matrices = sum(w.flops for w in self.weights()) * context
        a_pair = 2 * self.n_heads * (self.key_dim + self.value_dim)
        return int(max(0, counter.get_total_flops() - matrices)) // a_pair

    def cache_slots(self, context: int) -> int:
        """Slots by the bytes of its own cache; 0 where it has none."""
        make = getattr(self.build(), "new_cache", None)
        if make is None or context < 1:
            return 0
        held = make(1, context, torch.bfloat16, "meta").nbytes
        return int(held) // (2 * self.cache_elements)


def probed_spec(name: str, cls: type[nn.Module]) -> type[AttentionSpec]:
    """The spec type of a module class."""
    doc = inspect.getdoc(cls) or f"The module {cls.__qualname__}."
    body = {"__doc__": doc, "__module__": cls.__module__, "__qualname__": cls.__qualname__, "module_type": cls}
    bare: type[ProbedSpec] = type(cls.__name__, (ProbedSpec,), body)
    made = dataclasses.dataclass(frozen=True, eq=True)(bare)
    made.type = name
    return made


def config_of(spec: AttentionSpec, name: str) -> AttentionConfig:
    """The configuration that resolves to a spec."""
    own = {n: getattr(spec, n) for n in field_types(type(spec)) if n not in COMMON and n != "options"}
    options = dict(getattr(spec, "options", ()))
    given = {n: getattr(spec, n) for n in ("n_heads", "n_kv_heads", "head_dim", "dropout", "d_model", "causal")}
    return AttentionConfig(name, **given, **own, **options)


__all__ = ["ProbedSpec", "Spec", "config_of", "probed_spec"]
