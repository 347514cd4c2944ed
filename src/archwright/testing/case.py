"""Case: one configuration of a variant under test, with modules and inputs made for it.

B batch, T tokens, N query heads, K key/value heads, H head_dim, D d_model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ..arch.attention import AttentionSpec
from ..arch.attention.config import AttentionConfig
from ..arch.config import ArchitectureConfig
from ..arch.position import Rope
from ..nn import CustomAttentionFactory, Transformer
from ..nn.backends import Backend, View, backends

THETA = 10000.0
SMALL: dict[str, Any] = {"n_heads": 4, "head_dim": 16}


class Case:
    """A variant with options, on one device. Everything made from it starts from the same seed."""

    def __init__(self, variant: str, options: Mapping[str, Any], device: str = "cpu") -> None:
        self.variant = variant
        self.options = dict(options)
        self.device = device
        fields = {**SMALL, **self.options}
        if "n_kv_heads" not in fields:
            fields["n_kv_heads"] = {"full": fields["n_heads"], "mqa": 1}.get(variant, max(1, fields["n_heads"] // 2))
        self.config = AttentionConfig(variant, **fields)

    def __repr__(self) -> str:
        shown = "-".join(f"{k}={v}" for k, v in self.options.items()) or "defaults"
        return shown if self.device == "cpu" else f"{self.device}-{shown}"

    @property
    def spec(self) -> AttentionSpec:
        """What the configuration resolves to."""
        return self.config.spec

    @property
    def probed(self) -> bool:
        """Whether the variant is a module without a spec: what it sees is then unknown."""
        return bool(getattr(type(self.spec), "probed", False))

    @property
    def projected(self) -> bool:
        """Whether the module is four projections around attention, and nothing else that has weights."""
        names = {w.name.rpartition(".")[0] for w in self.spec.weights()}
        return names == {"q_proj", "k_proj", "v_proj", "o_proj"}

    @cached_property
    def width(self) -> int:
        """W: neighbours on each side where the pattern is a window; else a number that makes it show."""
        return int(getattr(self.spec, "window_size", 7))

    @cached_property
    def step(self) -> int:
        """The dilation, 1 where there is none."""
        return int(getattr(self.spec, "dilation", 1))

    @cached_property
    def tokens(self) -> int:
        """T: more than twice the pattern's reach, so that a broken window shows."""
        return min(3 * self.width * self.step + 5, 64) if self.width else 9

    @cached_property
    def lengths(self) -> list[int]:
        """T in {1, W - 1, W, W + 1, 3 W + 5}, and just over the reach of a dilated window."""
        w, reach = self.width, self.width * self.step
        return sorted({n for n in (1, w - 1, w, w + 1, reach + 1, self.tokens) if 1 <= n <= 64})

    def module(
        self,
        *,
        dtype: torch.dtype = torch.float32,
        rope: bool = False,
        backend: str = "auto",
        seed: int = 0,
        **fields: Any,
    ) -> Any:
        """A module in evaluation mode; `fields` replace those of the configuration."""
        config: AttentionConfig | AttentionSpec = self.spec.change(**fields) if fields else self.config
        position = Rope(self.spec.rotary_dim, THETA) if rope else None
        torch.manual_seed(seed)
        made = CustomAttentionFactory.create(
            config, position=position, backend=backend, device=self.device, dtype=dtype
        )
        return made.eval()

    def inputs(
        self, tokens: int | None = None, *, batch: int = 2, dtype: torch.dtype = torch.float32, seed: int = 1
    ) -> Tensor:
        """x (B, T, D), standard normal."""
        generator = torch.Generator().manual_seed(seed)
        length = self.tokens if tokens is None else tokens
        x = torch.randn(batch, length, self.spec.d_model, generator=generator, dtype=torch.float64)
        return x.to(self.device, dtype)

    def heads(
        self, tokens: int | None = None, *, batch: int = 2, dtype: torch.dtype = torch.float32, seed: int = 2
    ) -> tuple[Tensor, Tensor, Tensor]:
        """q (B, N, T, H), k and v (B, K, T, H), standard normal."""
        generator = torch.Generator().manual_seed(seed)
        length = self.tokens if tokens is None else tokens
        spec = self.spec

        def draw(heads: int, width: int) -> Tensor:
            made = torch.randn(batch, heads, length, width, generator=generator, dtype=torch.float64)
            return made.to(self.device, dtype)

        return (
            draw(spec.n_heads, spec.key_dim),
            draw(spec.n_kv_heads, spec.key_dim),
            draw(spec.n_kv_heads, spec.value_dim),
        )

    def upstream(self, tokens: int, batch: int, dtype: torch.dtype, seed: int = 11) -> Tensor:
        """A gradient (B, N, T, H) of a backend's result, standard normal."""
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, self.spec.n_heads, tokens, self.spec.value_dim)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(self.device, dtype)

    def view(self, tokens: int | None = None) -> View:
        """Of a call in which the tokens see one another."""
        place = torch.arange(self.tokens if tokens is None else tokens, device=self.device)[None]
        return View(self.spec, place, place, "rows")

    def willing(self, q: Tensor, k: Tensor, view: View) -> list[Backend]:
        """Every backend without reasons against a call, except flex, which compiles for seconds a shape."""
        request = view.request(q, k)
        return [b for name, b in backends.items() if name != "flex" and not b.why_not(request)]

    def weights(self, module: nn.Module, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """The module's parameters in another type, for the oracle."""
        return {name: tensor.detach().to(dtype) for name, tensor in module.named_parameters()}

    def architecture(self, n_layers: int = 2, **fields: Any) -> ArchitectureConfig:
        """A small model of which every layer has this attention."""
        spec = self.spec
        own = {k: v for k, v in self.options.items() if k not in ("n_heads", "n_kv_heads", "head_dim", "d_model")}
        if self.variant == "sliding" and "dilation" in own:
            own["type"] = "dilated"
        return ArchitectureConfig(
            **{
                "d_model": spec.d_model,
                "n_layers": n_layers,
                "n_heads": spec.n_heads,
                "n_kv_heads": spec.n_kv_heads,
                "head_dim": spec.head_dim,
                "d_ff": 32,
                "vocab_size": 61,
                "max_seq_len": 128,
                "attention": {"type": self.variant, **own},
                **fields,
            }
        )

    def transformer(self, n_layers: int = 2, **fields: Any) -> Transformer:
        """That model, in evaluation mode."""
        return Transformer(self.architecture(n_layers, **fields), device=self.device, seed=3).eval()

    def tokens_for(self, model: Transformer, length: int | None = None, batch: int = 2) -> Tensor:
        """Random token numbers (B, T)."""
        generator = torch.Generator().manual_seed(5)
        shape = (batch, self.tokens if length is None else length)
        return torch.randint(0, model.config.vocab_size, shape, generator=generator).to(self.device)
