"""Multi-head latent attention: keys and values are expanded from one small latent, which is all that is cached."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problem
from ..weights import Weight
from .base import attention
from .full import Full


@attention("mla")
class MLA(Full):
    """Latent attention over the whole sequence.

    A head's query and key have a part without positions (`qk_nope_head_dim`) and a rotary part
    (`qk_rope_head_dim`), whose key all heads share. Source: DeepSeek-AI 2024, "DeepSeek-V2", section 2.1.
    """

    kv_lora_rank: int = 512
    """Width of the latent from which keys and values are expanded."""
    q_lora_rank: int | None = None
    """Width of the latent of queries; null: queries have one matrix."""
    qk_nope_head_dim: int = 128
    """Width of a head's query and key without positions."""
    qk_rope_head_dim: int = 64
    """Width of a head's rotary query, and of the one rotary key."""
    v_head_dim: int = 128
    """Width of a head's value."""
    latent_eps: float | None = None
    """Epsilon of the RMSNorms of the latents; null is the model's."""
    latent_bias: bool = False
    """Whether the matrices into the latents have biases."""

    def problems(self) -> Iterator[Problem]:
        for name in ("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield Problem(name, value, "must be positive")
        if self.latent_eps is not None and self.latent_eps <= 0:
            yield Problem("latent_eps", self.latent_eps, "must be positive")
        if set(self.bias) - {"o"}:
            yield Problem("bias", ", ".join(self.bias), "may name o alone in latent attention", "Use latent_bias")
        if self.qk_norm is not None:
            yield Problem("qk_norm", self.qk_norm, "has no place in latent attention, whose latents are normed")
        if self.kv_shared_with is not None:
            yield Problem("kv_shared_with", self.kv_shared_with, "is not defined for latent attention")

    @property
    def key_dim(self) -> int:
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def value_dim(self) -> int:
        return self.v_head_dim

    @property
    def rotary_dim(self) -> int:
        return self.qk_rope_head_dim

    @property
    def cache_elements(self) -> int:
        """Scalars held for one token: the latent and the rotary key."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def materialised_elements(self) -> int:
        """Scalars for one token where keys and values are held expanded for every head."""
        return self.n_heads * (self.key_dim + self.value_dim)

    def weights(self) -> Iterator[Weight]:
        """The matrices into and out of the latents, named as in the running module."""
        shapes: list[tuple[str, tuple[int, int]]] = []
        queries = self.n_heads * self.key_dim
        if self.q_lora_rank is None:
            shapes.append(("q_proj", (queries, self.d_model)))
        else:
            shapes.append(("q_a_proj", (self.q_lora_rank, self.d_model)))
            shapes.append(("q_b_proj", (queries, self.q_lora_rank)))
        shapes.append(("kv_a_proj", (self.kv_lora_rank + self.qk_rope_head_dim, self.d_model)))
        shapes.append(("kv_b_proj", (self.n_heads * (self.qk_nope_head_dim + self.v_head_dim), self.kv_lora_rank)))
        for name, shape in shapes:
            yield Weight(f"{name}.weight", "attention.qkv", shape)
            if self.latent_bias and name in ("q_a_proj", "kv_a_proj"):
                yield Weight(f"{name}.bias", "attention.qkv", shape[:1], "vector")
        if self.q_lora_rank is not None:
            yield Weight("q_a_norm.weight", "norms", (self.q_lora_rank,), "vector")
        yield Weight("kv_a_norm.weight", "norms", (self.kv_lora_rank,), "vector")
        yield Weight("o_proj.weight", "attention.output", (self.d_model, self.n_heads * self.v_head_dim))
        if "o" in self.bias:
            yield Weight("o_proj.bias", "attention.output", (self.d_model,), "vector")
        if self.sinks:
            yield Weight("sinks", "attention.scores", (self.n_heads,), "vector")
