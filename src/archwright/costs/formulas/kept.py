"""What each module of a layer keeps of its forward pass for its backward pass, tensor by tensor.

Bytes on one device, each storage once, as autograd saves them in our modules; or by the list of the Megatron paper.
A test holds every rule here to the tensors that autograd really saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...arch.attention.base import AttentionSpec
from ...arch.attention.full import Full
from ...arch.attention.mla import MLA
from ...arch.config import ArchitectureConfig
from ...arch.feed_forward import FeedForwardSpec
from ...arch.feed_forward.moe import MoE
from ...arch.layer import Layer
from ...arch.norm import NormSpec
from ...arch.position import Rope
from ..sharding import rows_on_device, split

WIDE = 4
"""Bytes of a float32: a norm's statistic, a softmax's log-sum-exp, a cosine, a router's score."""
INDEX = 8
"""Bytes of an int64: a token, a place, an expert's number."""
STATISTICS = {"rms": 1, "layer": 2}
"""Numbers a row that a norm keeps beside its input: the reciprocal root mean square, or mean and deviation."""
INSIDE = {"relu": (0, 0), "quick_gelu": (2, 0), "xielu": (4, 1)}
"""Tensors, and masks of a byte, that an activation keeps beside its result; the others keep their input alone."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What goes through a device at once, and how."""

    sequences: int
    queries: int
    """Tokens of a sequence on the device."""
    keys: int
    """Tokens of a sequence."""
    element: Fraction
    """Bytes of an activation."""
    backend: str | None = None
    checkpointing: str = "none"
    loss: str = "full"
    megatron: bool = False
    tp: int = 1

    @property
    def tokens(self) -> int:
        """Tokens on the device."""
        return self.sequences * self.queries

    @property
    def wide(self) -> Fraction:
        """Bytes of an activation where a module computes in at least float32."""
        return max(self.element, Fraction(WIDE))


def layer_bytes(layer: Layer, run: Pass) -> Fraction:
    """Bytes that one layer keeps, under the checkpointing of the pass."""
    if run.checkpointing == "full":
        return run.tokens * layer.attention.d_model * run.element
    if run.megatron:
        return _megatron(layer, run)
    if run.checkpointing == "selective":
        return _products(layer, run)
    return _residual(layer, run) + _attention(layer, run) + _feed_forward(layer.feed_forward, run)


# Norms and the residual stream ------------------------------------------------------------------------------------


def norm_bytes(norm: NormSpec, run: Pass, inputs: int = 1) -> Fraction:
    """What a norm keeps of `inputs` tensors of its width, with its statistics.

    With `one_plus` it computes in float32, on copies of its input and of its weight and one.
    """
    size = run.wide if norm.one_plus else run.element
    once = norm.width * run.wide if norm.one_plus else 0
    return run.tokens * (inputs * norm.width * size + WIDE * STATISTICS.get(norm.type, 2)) + once


def _residual(layer: Layer, run: Pass) -> Fraction:
    """The layer's input, the sums, and what norms read and give: what a norm does not read, a projection does."""
    wide = run.tokens * layer.attention.d_model * run.element
    before, between, part = layer.attention_norm, layer.feed_forward_norm, layer.feed_forward
    read = wide  # by the feed-forward part; experts alone read copies of theirs, and so does a router in float32
    if isinstance(part, MoE) and not part.shared_d_ff and run.wide > run.element:
        read = Fraction(0)
    if layer.residual == "post":
        assert before is not None and between is not None
        return wide + read + norm_bytes(before, run) + norm_bytes(between, run)
    total = wide if before is None else norm_bytes(before, run) + wide
    if layer.residual == "sequential":
        total += read if between is None else norm_bytes(between, run) + read
    elif between is not None:  # it reads what the other norm reads
        again = between.one_plus and run.wide > run.element
        total += norm_bytes(between, run, int(again)) + read
    after = (layer.attention_output_norm, layer.feed_forward_output_norm)
    return total + sum((norm_bytes(norm, run) for norm in after if norm is not None), Fraction(0))


# Attention ---------------------------------------------------------------------------------------------------------


def _widths(layer: Layer, run: Pass) -> tuple[int, int, int, int]:
    """Elements of a token on the device: queries, keys, values and the output; keys of another layer are not ours."""
    spec = layer.attention
    heads, kv = split(spec.n_heads, run.tp), split(spec.n_kv_heads, run.tp)
    if spec.kv_shared_with is not None:
        kv = 0
    return heads * spec.key_dim, kv * spec.key_dim, kv * spec.value_dim, heads * spec.value_dim


def _attention(layer: Layer, run: Pass) -> Fraction:
    """Latents, queries, keys, values, the softmax, the output as the kernel gave it and as its projection reads it."""
    spec = layer.attention
    q, k, v, out = _widths(layer, run)
    heads, element = split(spec.n_heads, run.tp), run.element
    once = Fraction(0)
    if isinstance(layer.position, Rope):  # a cosine and a sine for every pair of dimensions and position
        once += run.queries * layer.position.dims * WIDE
    if run.backend == "reference":
        token = (q + k + v) * run.wide + out * element
        token += heads * (2 * run.keys * WIDE + WIDE + 1)  # exponentials, probabilities, their sum, whether it is 0
        token += heads * run.keys if spec.dropout else 0
        token += heads * run.keys * WIDE if spec.softcap is not None else 0
        token += heads * WIDE if spec.sinks else 0
        once += run.queries * run.keys
    else:
        if isinstance(spec, MLA):  # values are a view of what one product expanded for keys and values
            v += heads * spec.qk_nope_head_dim
        token = (q + k + v + (2 if _by_head(layer) else 1) * out) * element + heads * WIDE
        if run.backend == "sdpa" and type(spec) is not Full:  # an additive mask, and which rows see nothing
            once += spec.n_heads // spec.n_kv_heads * run.queries * run.keys * element + run.queries
    if spec.clip is not None:
        token += (q + k + v) * element
    if isinstance(spec, MLA):  # each latent before and after its norm; the rotary key lies beside its latent
        token += (2 * spec.kv_lora_rank + spec.qk_rope_head_dim) * element + WIDE
        if spec.q_lora_rank is not None:
            token += 2 * spec.q_lora_rank * element + WIDE
    elif spec.qk_norm is not None:
        for width, all_heads in ((q, spec.n_heads), (k, spec.n_kv_heads)):
            per_token, at_once = _qk_norm(spec, width, all_heads, run) if width else (Fraction(0), Fraction(0))
            token += per_token
            once += at_once
    return run.tokens * token + once


def _by_head(layer: Layer) -> bool:
    """Whether queries, and so the output, lie head by head: the output projection then needs a copy.

    A rotation and a norm of heads leave them so; the projection and a norm over all heads, token by token.
    """
    spec, rotated = layer.attention, isinstance(layer.position, Rope)
    if spec.qk_norm is not None and (spec.qk_norm_after_rope or not rotated):
        return spec.qk_norm != "width"
    return rotated


def _qk_norm(spec: AttentionSpec, width: int, heads: int, run: Pass) -> tuple[Fraction, Fraction]:
    """Of a token and at once: the input and the normed rows in float32, statistics, and a copy of the weight."""
    kind = spec.qk_norm_type
    rows = 1 if spec.qk_norm == "width" else width // spec.key_dim
    token = width * run.wide + rows * WIDE * (2 if "layer" in kind else 1)
    if kind == "unit":
        return token, Fraction(0)
    weight = spec.key_dim * (1 if spec.qk_norm == "head" else heads)
    copied = kind == "rms_one_plus" or run.wide > run.element
    return token + width * run.wide, weight * run.wide if copied else Fraction(0)


# Feed-forward ------------------------------------------------------------------------------------------------------


def _network(spec: FeedForwardSpec, d_ff: int, gated: bool, run: Pass, clamped: bool = False) -> Fraction:
    """Bytes a row of one network: what the activation keeps, its result, the other projection, their product."""
    tensors, masks = INSIDE.get(getattr(spec, "activation", ""), (1, 0))
    tensors += 3 if gated else 1
    if clamped:  # both projections as they were before
        tensors += 2
    return split(d_ff, run.tp) * (tensors * run.element + masks + (1 if spec.dropout else 0))


def _feed_forward(spec: FeedForwardSpec, run: Pass) -> Fraction:
    """A network, or the router and the networks that each token goes through."""
    if isinstance(spec, MoE):
        return _experts(spec, run)
    gated = any(w.name == "gate_proj.weight" for w in spec.weights())
    scalars = 2 * run.element if getattr(spec, "activation", "") == "xielu" else 0  # its two slopes
    return run.tokens * _network(spec, spec.d_ff, gated, run) + scalars


def _experts(spec: MoE, run: Pass) -> Fraction:
    """A row for every expert that a token goes through: gathered, computed, weighted; and the router's choice."""
    stream = spec.d_model * run.element
    scale = WIDE if run.element > WIDE else run.element  # the weight of a row, in the type of the row
    row = _network(spec, spec.d_ff, True, run, spec.limit is not None) + 3 * stream + scale + 2 * INDEX
    token, once = Fraction(0), Fraction(0)
    if spec.routing == "sparsemixer":  # for every choice the softmax, what it left out, and the index
        row += spec.n_experts * (WIDE + 1) + INDEX
    else:
        token += spec.n_experts * run.wide  # the scores
        row += INDEX
        if spec.normalize:
            row += run.wide
            token += 2 * run.wide  # the sum of the chosen scores, as it is and not too small
    if run.wide > run.element:  # the router computes in float32, on copies of its input and its matrix
        token += spec.d_model * run.wide
        once += spec.n_experts * spec.d_model * run.wide
    token += spec.top_k * row
    if spec.shared_d_ff:
        token += _shared(spec, run)
    return run.tokens * token + once


def _shared(spec: MoE, run: Pass) -> Fraction:
    """The network of every token, and its result where a gate scales it."""
    gate = (spec.d_model + 1) * run.element if spec.shared_gate else Fraction(0)
    return _network(spec, spec.shared_d_ff, True, run) + gate


# Checkpointing, and Megatron's list ---------------------------------------------------------------------------------


def _products(layer: Layer, run: Pass) -> Fraction:
    """Selective checkpointing of our modules: the input, and the results of projections and of fused attention."""
    token = layer.attention.d_model * run.element
    for weight in layer.weights():
        if weight.role == "matrix":
            size = run.wide if weight.name.endswith("router.weight") else run.element
            token += rows_on_device(weight, layer.attention, run.tp) * weight.active * size
    if run.backend != "reference":
        token += _widths(layer, run)[3] * run.element + split(layer.attention.n_heads, run.tp) * WIDE
    return run.tokens * token


def _megatron(layer: Layer, run: Pass) -> Fraction:
    """The tensors that the paper lists, with this layer's widths: 34 + 5 a s / h times s b h in GPT's."""
    spec, element = layer.attention, run.element
    q, k, v, out = _widths(layer, run)
    norms = sum(1 for _ in layer.norms())
    token = (norms + 2) * spec.d_model * element  # inputs of the norms and of both parts
    token += (q + k + v + out) * element
    token += 2 * spec.d_model  # the masks of both dropouts on the residual stream
    if run.checkpointing == "none":
        token += split(spec.n_heads, run.tp) * run.keys * (2 * element + 1)  # softmax, its dropout's mask and result
    for weight in layer.feed_forward.weights():
        if weight.role == "matrix" and weight.name.endswith(("up_proj.weight", "gate_proj.weight")):
            token += 2 * split(weight.shape[0], run.tp) * weight.active * element
    return run.tokens * token


# What is outside the layers -----------------------------------------------------------------------------------------


def outer_bytes(a: ArchitectureConfig, run: Pass) -> tuple[Fraction, Fraction]:
    """Bytes kept before the layers, and after them with the loss."""
    embedding, head = a.token_embedding, a.output_head
    vocab = split(a.vocab_size, run.tp)
    if run.megatron:
        after = 2 * a.d_model * run.element + (WIDE * vocab if run.loss == "full" else WIDE)
        return Fraction(run.tokens * a.d_model), run.tokens * after
    first = Fraction(run.tokens * INDEX)
    if embedding.positions == "learned":
        first += run.queries * INDEX
    if embedding.width is not None:
        first += run.tokens * embedding.width * run.element
    if embedding.norm:
        first += norm_bytes(a.norm_spec, run)
    last = run.tokens * (a.d_model * run.element + INDEX)  # what the head reads, and the targets
    if a.final_norm is not None:
        last += norm_bytes(a.final_norm, run)
    if head.width is not None:
        last += run.tokens * head.width * run.element
    if run.loss == "fused":
        return first, last + run.tokens * WIDE
    capped = vocab * run.element if head.softcap is not None else 0
    return first, last + run.tokens * (vocab * WIDE + capped)
