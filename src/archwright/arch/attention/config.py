"""AttentionConfig: one attention mechanism by itself, with the documented fields and defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from ...errors import InvalidValue, Problem
from ..canonical import canonical_attention
from ..fields import known_names
from ..spec import build, field_types
from .base import AttentionSpec, attention_types

_WINDOWED = ("sliding", "dilated")


class AttentionConfig:
    """Configuration of an attention mechanism; `spec` is what it resolves to.

    `n_kv_heads` defaults to `n_heads` (to 1 for mqa), `d_model` to `n_heads * head_dim`. Other names in
    `options` are the variant's own fields. All problems are reported at once, as a ValueError.
    """

    SUPPORTED_TYPES: ClassVar[list[str]] = ["full", "gqa", "mqa", "sliding", "dilated"]

    def __init__(
        self,
        type: str,
        n_heads: int,
        n_kv_heads: int | None = None,
        window_size: int | None = None,
        head_dim: int = 128,
        dropout: float = 0.0,
        *,
        d_model: int | None = None,
        dilation: int | None = None,
        causal: bool = True,
        **options: Any,
    ) -> None:
        problems: list[Problem] = []
        cls = attention_types.find(type) if isinstance(type, str) else None
        if cls is None:
            hint = known_names(type, attention_types.names())
            problems.append(Problem("type", type, f"must be one of {self.SUPPORTED_TYPES} or a registered name", hint))
            cls = attention_types.get("full")
            type = "full" if not isinstance(type, str) else type
        if type == "mqa" and n_kv_heads not in (None, 1):
            problems.append(Problem("n_kv_heads", n_kv_heads, "must be 1 for mqa", "Leave it out, or use type gqa"))
            n_kv_heads = 1
        if n_kv_heads is None:
            n_kv_heads = 1 if type == "mqa" else n_heads
        if d_model is None and isinstance(n_heads, int) and isinstance(head_dim, int):
            d_model = max(1, n_heads * head_dim)
        target = cls
        if type == "sliding" and dilation is not None:
            target = attention_types.get("dilated")
        fields = dict(options)
        known_fields = field_types(target)
        for name, value in (("window_size", window_size), ("dilation", dilation)):
            if value is None:
                continue
            if name in known_fields or target.OPEN:
                fields[name] = value
            elif not problems or problems[0].field != "type":
                rule = f"is not a field of {type}, which has no {name.partition('_')[0]}"
                problems.append(Problem(name, value, rule, f"Leave it out, or use type {' or '.join(_WINDOWED)}"))
        given = {
            "d_model": d_model,
            "n_heads": n_heads,
            "n_kv_heads": n_kv_heads,
            "head_dim": head_dim,
            "dropout": dropout,
            "causal": causal,
        }
        spec, found = build(target, fields, given)
        own = [p for p in found if not (p.field == "d_model" and head_dim_is_wrong(head_dim))]
        problems += own
        if problems or not isinstance(spec, AttentionSpec):
            raise InvalidValue(problems or [Problem("type", type, "could not be built")])
        self.type = type
        self.n_heads = n_heads
        self.n_kv_heads = n_kv_heads
        self.window_size: int | None = getattr(spec, "window_size", None)
        self.head_dim = head_dim
        self.dropout = dropout
        self.d_model = spec.d_model
        self.dilation: int = getattr(spec, "dilation", 1)
        self.causal = causal
        self.options: dict[str, Any] = options
        self.spec: AttentionSpec = canonical_attention(spec)

    def __eq__(self, other: object) -> bool:
        return self.spec == other.spec if isinstance(other, AttentionConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        return f"AttentionConfig(type={self.type!r}, spec={self.spec!r})"


def head_dim_is_wrong(head_dim: object) -> bool:
    """Whether the width of a head is itself a problem, so that the derived width need not be one too."""
    return not isinstance(head_dim, int) or isinstance(head_dim, bool) or head_dim < 1
