"""AttentionSpec: what an attention variant sees, stores and costs, without running it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, ClassVar

from ...errors import InvalidValue, Problem
from ...registry import Registry
from ..spec import Spec
from ..weights import Weight

PROJECTIONS = ("q", "k", "v", "o")
QK_NORMS = ("head", "heads", "width")
QK_NORM_TYPES = ("rms", "rms_one_plus", "layer", "layer_no_bias", "unit")


def divisors(n: int) -> list[int]:
    """All divisors of a positive number, ascending."""
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return small + [n // d for d in reversed(small) if d * d != n]


def either(values: Iterable[object]) -> str:
    """`1, 2, 4 or 8`."""
    texts = [str(v) for v in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


@dataclasses.dataclass(frozen=True)
class AttentionSpec(Spec):
    """Base of all attention variants. Positions are absolute; a variant states its pattern in `visible`.

    The framework adds causality and segments, so a variant's pattern is two-sided. `ranges` is the same
    pattern as intervals: with it all costs have a closed form; without it they are counted up to
    `COUNTED` tokens. Shapes: q (B, T, n_heads, head_dim), k and v (B, S, n_kv_heads, head_dim).
    """

    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset({"d_model"})
    COUNTED: ClassVar[int] = 4096
    """The longest context for which a variant without `ranges` is counted pair by pair."""

    d_model: int
    """Width of the residual stream."""
    n_heads: int
    """Query heads."""
    n_kv_heads: int
    """Key and value heads; query head h reads KV head h // (n_heads / n_kv_heads)."""
    head_dim: int
    """Width of one head."""
    dropout: float = 0.0
    """Share of attention probabilities dropped in training."""
    causal: bool = True
    """Whether a token sees no later token."""
    bias: tuple[str, ...] = ()
    """Projections with a bias: any of q, k, v, o."""
    scale: float | None = None
    """Factor of the scores; null is 1 / sqrt(key width)."""
    softcap: float | None = None
    """c in c * tanh(score / c), before the mask; null is none."""
    sinks: bool = False
    """A learned score a head that takes part in the softmax and carries no value."""
    clip: float | None = None
    """Queries, keys and values are clamped to this size after their projections."""
    qk_norm: str | None = None
    """Norm of queries and keys: head (one weight for all heads), heads (each its own) or width (all heads at once)."""
    qk_norm_type: str = "rms"
    """rms, rms_one_plus (weight stored less one), layer, layer_no_bias, or unit (no weight)."""
    qk_norm_eps: float | None = None
    """Epsilon of that norm; null is the model's."""
    qk_norm_after_rope: bool = False
    """Whether the norm comes after the rotary positions."""
    kv_shared_with: int | None = None
    """The layer whose keys and values this one reads: its number, or -1 for the layer before, and so on."""

    def base_problems(self) -> Iterator[Problem]:
        for name in ("d_model", "n_heads", "n_kv_heads", "head_dim"):
            if getattr(self, name) < 1:
                yield Problem(name, getattr(self, name), "must be positive")
        if self.n_heads > 0 and self.n_kv_heads > 0 and self.n_heads % self.n_kv_heads:
            yield Problem(
                "n_kv_heads",
                self.n_kv_heads,
                f"n_heads ({self.n_heads}) must be divisible by n_kv_heads ({self.n_kv_heads})",
                f"Use {either(divisors(self.n_heads))}",
            )
        if not 0 <= self.dropout <= 1:
            yield Problem("dropout", self.dropout, "must be in [0, 1]")
        unknown = [b for b in self.bias if b not in PROJECTIONS]
        if unknown or len(set(self.bias)) != len(self.bias):
            yield Problem("bias", ", ".join(self.bias), "must name each of q, k, v, o at most once")
        for name in ("scale", "softcap", "clip", "qk_norm_eps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                yield Problem(name, value, "must be positive", "Use null for none")
        if self.qk_norm is not None and self.qk_norm not in QK_NORMS:
            yield Problem("qk_norm", self.qk_norm, "is not a norm of queries and keys", f"Known: {', '.join(QK_NORMS)}")
        if self.qk_norm_type not in QK_NORM_TYPES:
            yield Problem("qk_norm_type", self.qk_norm_type, "is not a norm", f"Known: {', '.join(QK_NORM_TYPES)}")

    # What a query sees -------------------------------------------------------------------------------------

    def visible(self, q: Any, k: Any) -> Any:
        """Whether query position q may see key position k, causality aside; ints or integer tensors."""
        raise NotImplementedError

    def ranges(self, q: int) -> Iterator[range] | None:
        """The keys that query position q sees, as ranges that may overlap or run over the ends; None: no such form."""
        return None

    def key_set(self, q: int, context: int) -> list[range]:
        """The visible keys of position q in a sequence of `context` tokens: clipped, disjoint where steps allow.

        Overlaps of ranges with unlike steps are resolved key by key.
        """
        end = min(q + 1, context) if self.causal else context
        parts = self.ranges(q)
        if parts is None:
            return [range(k, k + 1) for k in range(end) if bool(self.visible(q, k))]
        clipped = []
        for part in parts:
            start = part.start if part.start >= 0 else part.start + -(part.start // part.step) * part.step
            stop = min(part.stop, end)
            if start < stop:
                clipped.append(range(start, stop, part.step))
        clipped.sort(key=lambda r: (r.start, r.stop))
        merged: list[range] = []
        for part in clipped:
            if merged and part.start < merged[-1].stop:
                last = merged[-1]
                if last.step == part.step == 1:
                    merged[-1] = range(last.start, max(last.stop, part.stop))
                    continue
                keys = sorted(set(last) | set(part))
                merged[-1:] = [range(k, k + 1) for k in keys]
                continue
            merged.append(part)
        return merged

    def has_closed_form(self) -> bool:
        """Whether costs hold at any context, not only up to `COUNTED` tokens."""
        return self.ranges(0) is not None

    def visible_keys(self, position: int, context: int | None = None) -> int:
        """How many keys the query at `position` sees in a sequence of `context` tokens (default: up to it)."""
        return sum(len(r) for r in self.key_set(position, position + 1 if context is None else context))

    def pairs(self, context: int) -> int:
        """Visible (query, key) pairs of a sequence of `context` tokens."""
        return _pairs(self, context)

    def reach(self, position: int) -> int:
        """Distance to the farthest earlier key that the query at `position` sees."""
        keys = self.key_set(position, position + 1)
        return max((position - r.start for r in keys), default=0)

    # What it stores ---------------------------------------------------------------------------------------

    def cache_slots(self, context: int) -> int:
        """Tokens whose keys and values must be held once `context` tokens were seen.

        By default every token from the first key of each range on: right for patterns whose ranges never
        move back. A test holds that every key a later query sees is still held.
        """
        if context <= 0:
            return 0
        parts = self.ranges(context - 1)
        if parts is None:
            return context
        hulls = sorted((max(0, r.start), min(context, r.stop)) for r in parts if len(r))
        held, covered = 0, 0
        for start, stop in hulls:
            start = max(start, covered)
            if stop > start:
                held += stop - start
                covered = stop
        return held

    @property
    def cache_elements(self) -> int:
        """Scalars held for one token: keys and values of every KV head, none where another layer holds them."""
        if self.kv_shared_with is not None:
            return 0
        return self.n_kv_heads * (self.key_dim + self.value_dim)

    # What it computes with --------------------------------------------------------------------------------

    @property
    def key_dim(self) -> int:
        """Width of a head's query and key in the score product."""
        return self.head_dim

    @property
    def value_dim(self) -> int:
        """Width of a head's value in the weighted sum."""
        return self.head_dim

    @property
    def rotary_dim(self) -> int:
        """Width of the part of a head that positions may rotate."""
        return self.head_dim

    def weights(self) -> Iterator[Weight]:
        """The projections: (out, in) matrices and biases, named as in the running module; norms and sinks."""
        widths = {
            "q": (self.n_heads * self.key_dim, self.d_model),
            "k": (self.n_kv_heads * self.key_dim, self.d_model),
            "v": (self.n_kv_heads * self.value_dim, self.d_model),
            "o": (self.d_model, self.n_heads * self.value_dim),
        }
        for name, shape in widths.items():
            if name in ("k", "v") and self.kv_shared_with is not None:
                continue
            part = "attention.output" if name == "o" else "attention.qkv"
            yield Weight(f"{name}_proj.weight", part, shape)
            if name in self.bias:
                yield Weight(f"{name}_proj.bias", part, shape[:1], "vector")
        yield from self.norm_weights()
        if self.sinks:
            yield Weight("sinks", "attention.scores", (self.n_heads,), "vector")

    def norm_weights(self) -> Iterator[Weight]:
        """The weights of the norms of queries and keys."""
        if self.qk_norm is None or self.qk_norm_type == "unit":
            return
        for name, heads in (("q_norm", self.n_heads), ("k_norm", self.n_kv_heads)):
            if name == "k_norm" and self.kv_shared_with is not None:
                continue
            width = self.key_dim
            shape = {"head": (width,), "heads": (heads, width), "width": (heads * width,)}[self.qk_norm]
            yield Weight(f"{name}.weight", "norms", shape, "vector")
            if self.qk_norm_type == "layer":
                yield Weight(f"{name}.bias", "norms", shape, "vector")


@lru_cache(maxsize=512)
def _pairs(spec: AttentionSpec, context: int) -> int:
    if spec.ranges(0) is None and context > spec.COUNTED:
        raise InvalidValue(
            Problem(
                f"{spec.type}.ranges",
                None,
                f"there is no closed form, and {context:,} tokens are more than the {spec.COUNTED:,} that are counted",
                "Give the variant `ranges`",
            )
        )
    return sum(spec.visible_keys(q, context) for q in range(context))


def _load_builtin() -> None:
    from . import chunked, dilated, full, mla, sliding  # noqa: F401  (each registers itself)


attention_types: Registry[type[AttentionSpec]] = Registry("attention type", "archwright.attention", _load_builtin)
"""Every attention variant by its name in files."""


def attention(name: str) -> Callable[[type[Any]], type[Any]]:
    """Class decorator: makes a variant known by name to files, the factory, costs, tests and pages.

    The class becomes a frozen dataclass; its annotated fields are the variant's options.
    """

    def register(cls: type[Any]) -> type[Any]:
        if "__dataclass_params__" not in cls.__dict__:
            cls = dataclasses.dataclass(frozen=True, eq=True)(cls)
        cls.type = cls.__dict__.get("type", name) or name
        attention_types.register(name, cls)
        return cls

    return register
