"""The attention variants under the names people use. All are final; the implementation is `AttentionModule`."""

from __future__ import annotations

from typing import final

from ...arch.attention import AttentionSpec
from ...arch.attention.full import Full
from ...arch.attention.sliding import Sliding
from ...errors import InvalidValue, Problem
from .module import AttentionModule


def _must_be(spec: AttentionSpec, kind: type[AttentionSpec], name: str) -> None:
    if not isinstance(spec, kind):
        remedy = "Use CustomAttentionFactory.create, which finds the module of a type"
        raise InvalidValue(Problem("config.type", spec.type, f"is not the type of {name}", remedy))


@final
class FullAttention(AttentionModule):
    """Attention to the whole sequence (causal by default), with any number of key/value heads."""

    kind = "full"

    @classmethod
    def check_spec(cls, spec: AttentionSpec) -> None:
        _must_be(spec, Full, cls.__name__)


@final
class GroupedQueryAttention(AttentionModule):
    """Full attention in which groups of query heads share key/value heads. Source: Ainslie et al. 2023, "GQA"."""

    kind = "gqa"

    @classmethod
    def check_spec(cls, spec: AttentionSpec) -> None:
        _must_be(spec, Full, cls.__name__)


@final
class MultiQueryAttention(AttentionModule):
    """Full attention with a single key/value head. Source: Shazeer 2019, "Fast Transformer Decoding"."""

    kind = "mqa"

    @classmethod
    def check_spec(cls, spec: AttentionSpec) -> None:
        _must_be(spec, Full, cls.__name__)
        if spec.n_kv_heads != 1:
            raise InvalidValue(Problem("n_kv_heads", spec.n_kv_heads, "must be 1 for mqa", "Use GroupedQueryAttention"))


@final
class SlidingWindowAttention(AttentionModule):
    """Attention to the `window_size` nearest tokens on each side, every `dilation`-th of them.

    Causal (the default): the token itself and `window_size` earlier ones; `causal=False`: later ones too.
    The cache holds `window_size * dilation + 1` tokens.
    """

    kind = "sliding"

    @classmethod
    def check_spec(cls, spec: AttentionSpec) -> None:
        _must_be(spec, Sliding, cls.__name__)


@final
class PatternAttention(AttentionModule):
    """Attention of any registered spec, by its pattern alone."""

    kind = "pattern"
