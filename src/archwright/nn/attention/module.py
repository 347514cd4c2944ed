"""AttentionModule: projections, rotary positions, cache and output projection around one call of a backend.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim, D d_model.
"""

from __future__ import annotations

import dataclasses
from abc import ABC
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...arch.attention import AttentionSpec
from ...arch.attention.config import AttentionConfig
from ...arch.attention.dilated import Dilated
from ...arch.attention.full import Full
from ...arch.attention.sliding import Sliding
from ...arch.position import Alibi, NoPosition, PositionSpec, Rope
from ...errors import NOTHING, InvalidValue, NotSupported, Problem
from ..backends.base import Explanation, Layout, Request, View, backends, choose, explain
from ..backends.reference import probabilities
from ..caches import Cache, Held, RollingCache, layout_of, new_cache
from ..initialisation import empty_linear, initialise
from ..rotary import Rotary, rotate
from ..saying import type_of
from ..segments import Segments
from .checks import check_call
from .qk_norm import QKNorm

Device = torch.device | str | None
_SHIFTABLE = (Full, Sliding, Dilated)
"""Patterns that look only at the distance between positions."""


class AttentionModule(nn.Module, ABC):
    """Base of all attention modules. A variant with a kernel of its own overrides `attend` and nothing else.

    `config` is an `AttentionConfig` or an attention spec; or give the fields of `AttentionConfig` by name
    (`GroupedQueryAttention(n_heads=32, n_kv_heads=8)`). `position` is a `Rope`, an `Alibi` or None; `backend` a name
    or "auto".
    """

    kind: ClassVar[str] = ""
    """The type in an `AttentionConfig`."""

    def __init__(
        self,
        config: AttentionConfig | AttentionSpec | None = None,
        /,
        *,
        position: PositionSpec | None = None,
        backend: str = "auto",
        device: Device = None,
        dtype: torch.dtype | None = None,
        **fields: Any,
    ) -> None:
        super().__init__()
        if type(self) is AttentionModule:
            raise TypeError("AttentionModule is abstract: use one of its variants, or CustomAttentionFactory.create")
        if config is None:
            config = AttentionConfig(self.kind, **fields)
        elif fields:
            raise InvalidValue(Problem("fields", ", ".join(fields), "must not be given beside a config"))
        if not isinstance(config, AttentionConfig | AttentionSpec):
            raise InvalidValue(Problem("config", type_of(config), "must be an AttentionConfig or an attention spec"))
        self.spec: AttentionSpec = config.spec if isinstance(config, AttentionConfig) else config
        self.check_spec(self.spec)
        if backend not in ("auto", *backends.names()):  # loads them too, which a traced call could not
            backends.get(backend, "backend")
        self.backend = backend
        self._check_position(position)
        self._build(device, dtype)
        norms = self._norms(device, dtype)
        self.q_norm = norms[0] if norms else None
        self.k_norm = norms[1] if norms else None
        sinks = torch.zeros(self.spec.n_heads, device=device, dtype=dtype) if self.spec.sinks else None
        self.sinks = None if sinks is None else nn.Parameter(sinks)
        self.rotary = Rotary(position, device) if isinstance(position, Rope) else None
        self.alibi = position if isinstance(position, Alibi) else None
        initialise(self)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        """The projections."""
        spec = self.spec
        self.q_proj = empty_linear(spec.d_model, spec.n_heads * spec.key_dim, "q" in spec.bias, device, dtype)
        self.k_proj = empty_linear(spec.d_model, spec.n_kv_heads * spec.key_dim, "k" in spec.bias, device, dtype)
        self.v_proj = empty_linear(spec.d_model, spec.n_kv_heads * spec.value_dim, "v" in spec.bias, device, dtype)
        self.o_proj = empty_linear(spec.n_heads * spec.value_dim, spec.d_model, "o" in spec.bias, device, dtype)

    def _norms(self, device: Device, dtype: torch.dtype | None) -> tuple[QKNorm, QKNorm] | None:
        spec = self.spec
        if spec.qk_norm is None:
            return None
        eps = 1e-5 if spec.qk_norm_eps is None else spec.qk_norm_eps
        return QKNorm(spec, spec.n_heads, eps, device, dtype), QKNorm(spec, spec.n_kv_heads, eps, device, dtype)

    def _check_position(self, position: PositionSpec | None) -> None:
        spec = self.spec
        if isinstance(position, Rope) and position.dims > spec.rotary_dim:
            rule = f"must be at most {spec.rotary_dim}, what positions may rotate of a head"
            raise InvalidValue(Problem("position.dims", position.dims, rule))
        if position is not None and not isinstance(position, Rope | Alibi | NoPosition):
            raise NotSupported(Problem(f"position {position.type}", NOTHING, "has no module here"))
        stated = [n for n in ("scale", "softcap") if getattr(spec, n) is not None] + ["sinks"] * spec.sinks
        stated += ["alibi"] * isinstance(position, Alibi)
        if stated and not self.scores_as_stated:
            rule = f"{type(self).__name__} has a kernel of its own, which does not compute it"
            raise NotSupported(Problem(name, NOTHING, rule) for name in stated)

    @property
    def scores_as_stated(self) -> bool:
        """Whether scale, softcap, sinks and slopes are computed: a kernel of its own must say so itself."""
        return type(self).attend is AttentionModule.attend

    @classmethod
    def check_spec(cls, spec: AttentionSpec) -> None:
        """InvalidValue where a spec is not this class's."""

    # One call -----------------------------------------------------------------------------------------------

    def forward(
        self,
        x: Tensor,
        kv_cache: Cache | None = None,
        *,
        positions: Tensor | None = None,
        cu_seqlens: Tensor | Segments | None = None,
        max_seqlen: int | None = None,
    ) -> Tensor:
        """One tensor shaped like x: (B, T, D), or (total, D) with `cu_seqlens`; the cache is changed in place.

        `positions` default to `kv_cache.lengths[:, None] + arange(T)`, packed they restart in each segment. With a
        cache, segment i of a packed call goes to row i. InvalidValue: all problems of the arguments at once.
        NotSupported: no backend runs this, with the reasons of each.
        """
        segments = check_call(self, x, kv_cache, positions, cu_seqlens, max_seqlen)
        rows = x if segments is None else x[None]
        q, k, v = self._project(rows)
        if kv_cache is not None and segments is not None:
            out = self._packed_into_cache(q, k, v, kv_cache, segments)
        elif kv_cache is not None:
            q, k = self._turn(q, k, self._next_positions(kv_cache, x.shape[1]), _end(kv_cache, x.shape[1]))
            out = self._attend_held(q, kv_cache.extend(k, v), kv_cache, x.shape[1])
        else:
            view = self._own_view(rows, positions, segments)
            q, k = self._turn(q, k, view.q_positions, self._context(rows, positions, segments))
            out = self.attend(q, k, v, view)
        result: Tensor = self.o_proj(out.transpose(1, 2).flatten(2))
        return result if segments is None else result[0]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, view: View) -> Tensor:
        """(B, N, T, H) from q (B, N, T, H) and k, v (B, K, S, H): what a variant with its own kernel overrides."""
        dropout = self.spec.dropout if self.training else 0.0
        view = self._with_score_terms(view)
        backend = choose(view.request(q, k, dropout), self.backend)
        return backend.run(q, k, v, view, scale=self.scale, dropout=dropout)

    def weights(
        self,
        x: Tensor,
        *,
        positions: Tensor | None = None,
        cu_seqlens: Tensor | Segments | None = None,
        max_seqlen: int | None = None,
    ) -> Tensor:
        """(B, N, T, T) attention probabilities by the reference, dropout aside; packed: (1, N, total, total)."""
        segments = check_call(self, x, None, positions, cu_seqlens, max_seqlen)
        rows = x if segments is None else x[None]
        q, k, held = self._project(rows)
        view = self._own_view(rows, positions, segments)
        q, k = self._turn(q, k, view.q_positions, self._context(rows, positions, segments))
        q, k = self._compared(q, k, held)
        return probabilities(q, k, self._with_score_terms(view), self.scale).flatten(1, 2)

    def explain(self, tokens: int, keys: int | None = None, *, batch: int = 1, packed: bool = False) -> Explanation:
        """Which backend a call of that shape gets on this module's device, and why not the others."""
        weight = self.o_proj.weight
        keys = tokens if keys is None else keys
        request = Request(
            self.spec,
            batch,
            tokens,
            keys,
            weight.dtype,
            weight.device.type,
            layout="packed" if packed else "rows",
            cached=keys != tokens,
            needs_grad=self.training and torch.is_grad_enabled(),
            dropout=self.spec.dropout if self.training else 0.0,
            slopes=self.alibi is not None,
        )
        return explain(request, self.backend)

    # Caches --------------------------------------------------------------------------------------------------

    def new_cache(self, batch: int, max_len: int, dtype: torch.dtype | None = None, device: Device = None) -> Cache:
        """An empty cache for `batch` sequences of at most `max_len` tokens; by default as this module."""
        weight = self.o_proj.weight
        where = weight.device if device is None else device
        return new_cache(self.spec, batch, max_len, weight.dtype if dtype is None else dtype, where)

    def cache_fits(self, cache: Cache) -> bool:
        """Whether a cache holds every key that a later query sees."""
        layout = layout_of(self.spec, cache.max_len)
        if isinstance(cache, RollingCache):
            return layout is not None and (cache.pinned, cache.slots) == layout
        return cache.slots >= cache.max_len

    # Parts of a call -----------------------------------------------------------------------------------------

    @property
    def scale(self) -> float | None:
        """The factor of the scores; None is 1 / sqrt(width of a query)."""
        return self.spec.scale

    def _with_score_terms(self, view: View) -> View:
        if self.sinks is None and self.alibi is None:
            return view
        slopes = None
        if self.alibi is not None:
            exact = alibi_slopes(self.alibi, self.spec)
            slopes = torch.tensor(exact, dtype=torch.float64, device=view.q_positions.device)
        return dataclasses.replace(view, sinks=self.sinks, slopes=slopes)

    def _compared(self, q: Tensor, k: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys as scores compare them, from what is cached."""
        return q, k

    def _project(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        spec = self.spec
        made = [self.q_proj(rows), self.k_proj(rows), self.v_proj(rows)]
        if spec.clip is not None:
            made = [x.clamp(-spec.clip, spec.clip) for x in made]
        q = made[0].unflatten(-1, (spec.n_heads, spec.key_dim)).transpose(1, 2)
        k = made[1].unflatten(-1, (spec.n_kv_heads, spec.key_dim)).transpose(1, 2)
        v = made[2].unflatten(-1, (spec.n_kv_heads, spec.value_dim)).transpose(1, 2)
        return q, k, v

    def _turn(self, q: Tensor, k: Tensor, positions: Tensor, context: int) -> tuple[Tensor, Tensor]:
        """Queries and keys with their norms and their rotation, in the order that the spec says."""
        if not self.spec.qk_norm_after_rope:
            q, k = self._normed(q, k)
        if self.rotary is not None:
            cos, sin = self.rotary(positions, context)
            paired = self.rotary.spec.interleaved
            q, k = rotate(q, cos, sin, paired), rotate(k, cos, sin, paired)
        return self._normed(q, k) if self.spec.qk_norm_after_rope else (q, k)

    def _normed(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        return (q, k) if self.q_norm is None or self.k_norm is None else (self.q_norm(q), self.k_norm(k))

    def _context(self, rows: Tensor, positions: Tensor | None, segments: Segments | None) -> int:
        if self.rotary is None or not self.rotary.grows:
            return 0
        if positions is not None:
            return int(positions.max()) + 1
        return rows.shape[1] if segments is None else segments.max_seqlen

    def _own_view(self, rows: Tensor, positions: Tensor | None, segments: Segments | None) -> View:
        """Of a call without a cache: the tokens see one another."""
        if positions is None:
            if segments is None:
                place = torch.arange(rows.shape[1], device=rows.device)[None]
                return View(self.spec, place, place, "rows")
            place, numbers = segments.positions[None], segments.numbers[None]
            return View(self.spec, place, place, "packed", None, numbers, numbers, segments)
        place = positions.long() if positions.dim() == 2 else positions.long()[None]
        if segments is not None:
            numbers = segments.numbers[None]
            return View(self.spec, place, place, "general", None, numbers, numbers)
        readable = place.device.type == "cpu" and not torch.compiler.is_compiling()
        consecutive = readable and type(self.spec) in _SHIFTABLE
        if consecutive:  # on a device, looking would mean waiting for it
            consecutive = bool((place[:, 1:] - place[:, :-1] == 1).all())
        return View(self.spec, place, place, "rows" if consecutive else "general")

    def _next_positions(self, cache: Cache, added: int) -> Tensor:
        device, length = cache.k.device, cache.uniform
        if length is not None:
            return torch.arange(length, length + added, device=device)[None]
        return cache.lengths[:, None] + torch.arange(added, device=device)

    def _attend_held(self, q: Tensor, held: Held, cache: Cache, added: int) -> Tensor:
        """Attention of the last `added` tokens to what the cache held before and they brought."""
        length = cache.uniform
        k, v, positions, valid = held.k, held.v, held.positions, held.valid
        plain = valid is None and self.alibi is None  # slopes need the true positions
        if added == 1 and length is not None and plain and self.spec.has_closed_form():
            k, v, unmasked = self._only_visible(k, v, held, cache, length - 1)
            if unmasked:
                place = positions.new_full((1, 1), length - 1)
                seen = View(self.spec, place, place.expand(1, k.shape[2]), "general", cached=True, unmasked=True)
                return self.attend(q, k, v, seen)
        lengths = positions.new_full((1,), length) if length is not None else cache.lengths
        place = lengths[:, None] - added + torch.arange(added, device=positions.device)
        layout: Layout = "rows" if held.ordered else "general"
        return self.attend(q, k, v, View(self.spec, place, positions, layout, valid, cached=True))

    def _only_visible(self, k: Tensor, v: Tensor, held: Held, cache: Cache, query: int) -> tuple[Tensor, Tensor, bool]:
        """The keys that one query sees, where that is all of them or needs few copies."""
        parts = self.spec.key_set(query, query + 1)
        seen, keys = sum(map(len, parts)), k.shape[2]
        if seen == keys:
            return k, v, True
        if held.ordered and len(parts) == 1 and parts[0].step == 1:
            start, stop = parts[0].start, parts[0].stop
            first = query + 1 - keys
            return k[:, :, start - first : stop - first], v[:, :, start - first : stop - first], True
        if 0 < 2 * seen <= keys and len(parts) <= 8:
            wanted = torch.cat([torch.arange(p.start, p.stop, p.step, device=k.device) for p in parts])
            at = wanted - (query + 1 - keys) if held.ordered else cache.slots_of(wanted)
            return k.index_select(2, at), v.index_select(2, at), True
        return k, v, False

    def _packed_into_cache(self, q: Tensor, k: Tensor, v: Tensor, cache: Cache, segments: Segments) -> Tensor:
        """Segment i of one packed row goes to row i of the cache; (1, N, total, H)."""
        counts = segments.lengths
        assert counts is not None, "checked before"
        longest, numbers, inner = max(counts), segments.numbers, segments.positions
        place = inner + cache.lengths[numbers]
        q, k = self._turn(q, k, place[None], max(cache.host_lengths) + longest)

        def to_rows(packed: Tensor) -> Tensor:
            rows = packed.new_zeros(cache.batch, longest, packed.shape[1], packed.shape[3])
            rows[numbers, inner] = packed[0].transpose(0, 1)
            return rows.transpose(1, 2)

        fresh = cache.uniform == 0
        held = cache.extend(to_rows(k), to_rows(v), counts)
        if fresh:  # nothing earlier: the segments see only themselves, without padding
            own, of = inner[None], numbers[None]
            return self.attend(q, k, v, View(self.spec, own, own, "packed", None, of, of, segments))
        first = cache.lengths - torch.tensor(counts, device=q.device)
        queries = first[:, None] + torch.arange(longest, device=q.device)
        view = View(self.spec, queries, held.positions, "general", held.valid, cached=True)
        out = self.attend(to_rows(q), held.k, held.v, view)
        return out.transpose(1, 2)[numbers, inner].transpose(0, 1)[None]

    def extra_repr(self) -> str:
        shown = {"n_heads": self.spec.n_heads, "n_kv_heads": self.spec.n_kv_heads, "head_dim": self.spec.head_dim}
        for name in ("window_size", "dilation", "causal"):
            if hasattr(self.spec, name):
                shown[name] = getattr(self.spec, name)
        return ", ".join(f"{k}={v}" for k, v in shown.items()) + f", backend={self.backend}"


def alibi_slopes(position: Alibi, spec: AttentionSpec) -> list[float]:
    """By how much the scores of each head fall a token. Between powers of two, every other one of the next power.

    Source: Press et al. 2022, section 3 and its code.
    """
    n = spec.n_heads
    power = 1 << (n - 1).bit_length()
    slopes = [2.0 ** (-position.max_bias * (h + 1) / power) for h in range(power)]
    if power != n:
        slopes = [*slopes[1::2], *slopes[::2]][:n]
    scale = spec.key_dim**-0.5 if spec.scale is None else spec.scale
    return [s * scale for s in slopes] if position.scaled else slopes


def _end(cache: Cache, added: int) -> int:
    return max(cache.host_lengths) + added
