"""Transformer: a decoder-only model built from an architecture, top to bottom.

B batch, T tokens, D d_model, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..arch.attention import AttentionSpec
from ..arch.config import ArchitectureConfig
from ..arch.layer import Layer as LayerSpec
from ..errors import NOTHING, InvalidValue, NotSupported, Problem
from .attention import AttentionModule
from .caches import Cache
from .ends import Embedding, Head
from .factory import CustomAttentionFactory
from .feed_forward import build_feed_forward
from .initialisation import initialise
from .norm import build_norm
from .padding import Unpadded, unpad
from .saying import device_of, shape_of, type_of
from .segments import Segments
from .supported import require_supported

Checkpointing = Literal["none", "selective", "full"]


class Layer(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); or both parts in parallel; or norms after the sums."""

    def __init__(self, spec: LayerSpec, backend: str, eps: float = 1e-5, **factory: Any) -> None:
        super().__init__()
        self.residual = spec.residual
        self.multiplier = spec.residual_multiplier
        self.attention_norm = build_norm(spec.attention_norm, **factory)
        attention = with_eps(spec, eps)
        self.attention = CustomAttentionFactory.create(attention, position=spec.position, backend=backend, **factory)
        self.attention_output_norm = build_norm(spec.attention_output_norm, **factory)
        shared = spec.residual == "parallel" and spec.feed_forward_norm is None
        self.feed_forward_norm = None if shared else build_norm(spec.feed_forward_norm, **factory)
        self.feed_forward = build_feed_forward(spec.feed_forward, **factory)
        self.feed_forward_output_norm = build_norm(spec.feed_forward_output_norm, **factory)

    def forward(self, x: Tensor, cache: Cache | None = None, segments: Segments | None = None) -> Tensor:
        given: dict[str, Any] = {} if segments is None else {"cu_seqlens": segments}
        if cache is not None:
            given["kv_cache"] = cache
        if self.residual == "parallel":
            seen = self.attention_norm(x)
            read = seen if self.feed_forward_norm is None else self.feed_forward_norm(x)
            return self._add(x, self._attend(seen, given) + self._feed(read))
        assert self.feed_forward_norm is not None
        if self.residual == "post":
            x = self.attention_norm(self._add(x, self._attend(x, given)))
            out: Tensor = self.feed_forward_norm(self._add(x, self._feed(x)))
            return out
        x = self._add(x, self._attend(self.attention_norm(x), given))
        return self._add(x, self._feed(self.feed_forward_norm(x)))

    def _attend(self, x: Tensor, given: dict[str, Any]) -> Tensor:
        out: Tensor = self.attention_output_norm(self.attention(x, **given))
        return out

    def _feed(self, x: Tensor) -> Tensor:
        out: Tensor = self.feed_forward_output_norm(self.feed_forward(x))
        return out

    def _add(self, x: Tensor, part: Tensor) -> Tensor:
        return x + part if self.multiplier == 1.0 else x + self.multiplier * part


def with_eps(spec: LayerSpec, eps: float) -> AttentionSpec:
    """The attention of a layer with the model's epsilon in norms of its own that state none."""
    attention = spec.attention
    if attention.qk_norm is not None and attention.qk_norm_eps is None:
        attention = attention.change(qk_norm_eps=eps)
    if getattr(attention, "latent_eps", eps) is None:
        attention = attention.change(latent_eps=eps)
    return attention


class Transformer(nn.Module):
    """A model from an `ArchitectureConfig`, with parameters named as in `config.weights()`.

    `device="meta"` builds shapes alone. `backend` is a name or "auto" for every layer. `seed` starts the weights.
    NotSupported: the architecture says something that no module here computes, each named.
    """

    def __init__(
        self,
        config: ArchitectureConfig,
        *,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        require_supported(config)
        self.config = config
        self.checkpointing: Checkpointing = "none"
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.embedding = Embedding(config.token_embedding, config.norm_spec, **factory)
        self.layers = nn.ModuleList(Layer(spec, backend, config.norm_eps, **factory) for spec in config.layers)
        self.final_norm = build_norm(config.final_norm, **factory)
        self.head = Head(config.output_head, **factory)
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight
        self.initialise(seed)

    def initialise(self, seed: int | None = None) -> None:
        """Start all weights by `config.init_method`; with a seed, always the same ones on a device."""
        generator = None
        if seed is not None and not self.embedding.weight.is_meta:
            generator = torch.Generator(self.embedding.weight.device).manual_seed(seed)
        initialise(self, self.config.init_method, n_layers=self.config.n_layers, generator=generator)

    def forward(
        self,
        tokens: Tensor,
        kv_caches: Sequence[Cache] | None = None,
        *,
        attention_mask: Tensor | None = None,
        segments: Segments | None = None,
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T) int64; packed, (total, V) of (total,) with `segments`.

        `attention_mask` (B, T), or with caches (B, earlier + T), is Hugging Face's: 0 marks padding on the left or
        right, whose logits are 0. With caches, padding is not stored and rows may differ in length.
        InvalidValue: shapes and types that do not fit, tokens outside the vocabulary (on a CPU), sequences past
        `max_seq_len`, caches in training mode.
        """
        padded = self._check(tokens, kv_caches, attention_mask, segments)
        if padded is not None:
            return padded.restore(self.logits(self._run(padded.tokens, kv_caches, padded.segments)))
        return self.logits(self._run(tokens, kv_caches, segments))

    def features(
        self, tokens: Tensor, kv_caches: Sequence[Cache] | None = None, *, segments: Segments | None = None
    ) -> Tensor:
        """What the head reads, (B, T, D) or packed (total, D): for those who need logits of a few positions only."""
        self._check(tokens, kv_caches, None, segments)
        return self._run(tokens, kv_caches, segments)

    def logits(self, features: Tensor) -> Tensor:
        """(..., V) from (..., D)."""
        out: Tensor = self.head(features)
        return out

    def _run(self, tokens: Tensor, kv_caches: Sequence[Cache] | None, segments: Segments | None) -> Tensor:
        x = self.embedding(tokens, self._places(tokens, kv_caches, segments) if self.embedding.placed else None)
        for number, layer in enumerate(self.layers):
            cache = None if kv_caches is None else kv_caches[number]
            if self.checkpointing == "none" or not self.training:
                x = layer(x, cache, segments)
            else:
                x = checkpoint(layer, x, cache, segments, use_reentrant=False, **self._kept())
        out: Tensor = self.final_norm(x)
        return out

    def _places(self, tokens: Tensor, kv_caches: Sequence[Cache] | None, segments: Segments | None) -> Tensor:
        """The place of each token in its sequence, shaped as tokens or (1, T)."""
        if segments is not None:
            places = segments.positions
            return places if kv_caches is None else places + kv_caches[0].lengths[segments.numbers]
        places = torch.arange(tokens.shape[1], device=tokens.device)[None]
        return places if kv_caches is None else places + kv_caches[0].lengths[:, None]

    def _kept(self) -> dict[str, Any]:
        """What checkpointing keeps: nothing inside a layer, or (selective) the results of matrix products."""
        if self.checkpointing == "full":
            return {}
        from .recompute import keep_matrix_products

        return {"context_fn": keep_matrix_products}

    def new_caches(
        self, batch: int, max_len: int | None = None, dtype: torch.dtype | None = None, device: Any = None
    ) -> list[Cache]:
        """One empty cache a layer, for `batch` sequences of `max_len` (default `max_seq_len`) tokens."""
        length = self.config.max_seq_len if max_len is None else max_len
        made = []
        for number, layer in enumerate(self.layers):
            make = getattr(layer.attention, "new_cache", None)
            if make is None:
                rule = f"{type(layer.attention).__name__} has no new_cache, so it cannot decode with one"
                raise NotSupported(Problem(f"layers[{number}].attention", NOTHING, rule))
            made.append(make(batch, length, dtype, device))
        return made

    def set_backend(self, name: str) -> None:
        """The backend of every layer from now on."""
        for layer in self.layers:
            if isinstance(layer.attention, AttentionModule):
                layer.attention.backend = name

    def _check(
        self,
        tokens: Tensor,
        kv_caches: Sequence[Cache] | None,
        attention_mask: Tensor | None,
        segments: Segments | None,
    ) -> Unpadded | None:
        found: list[Problem] = []
        if not isinstance(tokens, Tensor) or tokens.dtype not in (torch.int64, torch.int32):
            raise InvalidValue(Problem("tokens", type_of(tokens), "must be whole numbers: torch.int64"))
        wanted = "(B, T)" if segments is None else "(total,) with segments"
        if tokens.dim() != (2 if segments is None else 1) or not tokens.numel():
            rule = f"must be {wanted} with at least one token"
            raise InvalidValue(Problem("tokens", shape_of(tokens), rule))
        if tokens.device != self.embedding.weight.device:
            rule = f"must be on the device of the model ({self.embedding.weight.device})"
            found.append(Problem("tokens", device_of(tokens), rule, "Move one of them"))
        elif tokens.device.type == "cpu" and not torch.compiler.is_compiling():
            low, high = (int(n) for n in torch.aminmax(tokens))
            if low < 0 or high >= self.config.vocab_size:
                rule = f"must be from 0 to {self.config.vocab_size - 1} (vocab_size {self.config.vocab_size})"
                found.append(Problem("tokens", low if low < 0 else high, rule))
        if segments is not None and attention_mask is not None:
            found.append(Problem("attention_mask", NOTHING, "and segments exclude each other", "Keep one of them"))
        if segments is not None and segments.total != tokens.shape[0]:
            found.append(Problem("segments", segments.total, f"must hold {tokens.shape[0]} tokens"))
        found += self._cache_problems(kv_caches)
        if found:
            raise InvalidValue(found)
        earlier = [0] if not kv_caches else list(kv_caches[0].host_lengths)
        padded = None
        if attention_mask is not None:
            padded = unpad(tokens, attention_mask, earlier if kv_caches else None)
        counts = padded.lengths if padded else None
        if counts is None:
            counts = [tokens.shape[1]] if segments is None else list(segments.lengths or [segments.max_seqlen])
        longest = (
            max(a + b for a in set(earlier) for b in counts)
            if len(earlier) != len(counts)
            else max(a + b for a, b in zip(earlier, counts, strict=True))
        )
        if longest > self.config.max_seq_len:
            rule = f"a sequence of {longest} tokens is longer than max_seq_len ({self.config.max_seq_len})"
            raise InvalidValue(Problem("tokens", NOTHING, rule, "Cut it, or change max_seq_len of the architecture"))
        return padded

    def _cache_problems(self, kv_caches: Sequence[Cache] | None) -> list[Problem]:
        if kv_caches is None:
            return []
        if self.training:
            rule = "cannot be used in training mode: they keep no gradients"
            return [Problem("kv_caches", NOTHING, rule, "Call eval() first, or leave them out")]
        if len(kv_caches) != len(self.layers):
            rule = f"must be one a layer ({len(self.layers)})"
            return [Problem("kv_caches", len(kv_caches), rule, "Make them with new_caches")]
        lengths = {c.host_lengths for c in kv_caches}
        if len(lengths) > 1:
            return [Problem("kv_caches", NOTHING, "hold different numbers of tokens", "Reset or crop all of them")]
        return []
