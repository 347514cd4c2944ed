"""FLOP: matrix products by part and phase, and the elementwise rest."""

from __future__ import annotations

from fractions import Fraction

from ...arch.attention.base import AttentionSpec
from ...arch.attention.mla import MLA
from ...arch.config import ArchitectureConfig
from ...arch.norm import NormSpec
from ...arch.position import Rope
from ..metric import metric
from ..tally import Group, Layers, add, in_part, matrix_flops, tally

SCORES = "attention.scores"


def pairs(spec: AttentionSpec, context: int, phase: str, convention: str) -> int:
    """(query, key) pairs that a layer multiplies for one sequence: of all its tokens, or of the last one."""
    if phase == "decode":
        return spec.cache_slots(context) if convention == "dense" else spec.visible_keys(context - 1)
    return context * context if convention == "dense" else spec.pairs(context)


def per_pair(spec: AttentionSpec, phase: str = "prefill", convention: str = "visible") -> int:
    """FLOP of one pair: the score (key width) and the weighted sum (value width), in every query head.

    A latent is decoded as it is cached: queries and outputs pass through the expanding matrix (counted once, with
    the projections), scores and sums have the latent's width.
    """
    if isinstance(spec, MLA) and phase == "decode" and convention == "visible":
        return 2 * spec.n_heads * (2 * spec.kv_lora_rank + spec.qk_rope_head_dim)
    return 2 * spec.n_heads * (spec.key_dim + spec.value_dim)


def expanded_again(group: Group, context: int, phase: str, convention: str) -> int:
    """FLOP of expanding the latents of all earlier tokens once more, as an eager implementation does to decode one."""
    if not isinstance(group.layer.attention, MLA) or phase != "decode" or convention != "dense":
        return 0
    earlier = group.layer.attention.cache_slots(context) - 1
    return earlier * sum(w.flops for w in group.weights if w.name.endswith("kv_b_proj.weight"))


def by_part(
    a: ArchitectureConfig, context: int, phase: str, convention: str = "visible", where: Layers = None
) -> dict[str, int]:
    """FLOP of one sequence by part: a whole prefill, or the token at position context - 1."""
    tokens = 1 if phase == "decode" else context
    found: dict[str, int] = {}
    counted = tally(a, where)
    for part, flops in matrix_flops(counted.outer).items():
        add(found, part, tokens * flops)
    for group in counted.groups:
        for part, flops in group.flops.items():
            add(found, part, group.count * tokens * flops)
        add(found, "attention.qkv", group.count * expanded_again(group, context, phase, convention))
        add(found, SCORES, group.count * attention(group, context, phase, convention))
    return found


def attention(group: Group, context: int, phase: str, convention: str) -> int:
    """FLOP of scores and weighted sum in one layer of a group, for one sequence."""
    spec = group.layer.attention
    return per_pair(spec, phase, convention) * pairs(spec, context, phase, convention)


def _total(
    a: ArchitectureConfig, context: int, phase: str, convention: str, where: Layers, part: str | None = None
) -> int:
    if phase == "train":
        return 3 * _total(a, context, "prefill", convention, where, part)
    found = by_part(a, context, phase, convention, where)
    return sum(flops for name, flops in found.items() if in_part(name, part))


@metric(unit="FLOP", better="less", label="forward pass")
def forward_flops(
    a: ArchitectureConfig, *, context: int, batch: int, flops_convention: str, part: str | None, where: Layers
) -> int:
    """Matrix-product FLOP of one forward pass over whole sequences, the output head at every position.

    Formula: batch x (context x 2 x matrix elements + the sum over layers of
    2 x n_heads x (key width + value width) x pairs).
    Unit: FLOP.
    Convention: a multiply-add is 2. `visible` counts the pairs that causality and windows leave, context x
    (context + 1) / 2 in a full layer; `dense` counts context x context in every layer, as PaLM, Megatron and
    torch's counter do. The embedding look-up is 0, the head counts tied or not. Norms, softmax, rotation and
    activations are `elementwise_flops`.
    Source: Kaplan et al. 2020, "Scaling Laws", table 1; Chowdhery et al. 2022, "PaLM", appendix B (dense).
    """
    return batch * _total(a, context, "prefill", flops_convention, where, part)


@metric(unit="FLOP", better="less", label="prefill")
def prefill_flops(
    a: ArchitectureConfig, *, context: int, batch: int, flops_convention: str, part: str | None, where: Layers
) -> int:
    """Matrix-product FLOP of reading whole prompts, the output head at every position.

    Formula: `forward_flops`.
    Unit: FLOP.
    Convention: that of `forward_flops`.
    Source: as `forward_flops`.
    """
    return batch * _total(a, context, "prefill", flops_convention, where, part)


@metric(unit="FLOP", better="less", label="decode, one token")
def decode_flops(
    a: ArchitectureConfig, *, context: int, batch: int, flops_convention: str, part: str | None, where: Layers
) -> int:
    """Matrix-product FLOP of generating one token in every sequence, at position context - 1.

    Formula: batch x (2 x matrix elements + the sum over layers of 2 x n_heads x (key width + value width) x keys).
    Unit: FLOP.
    Convention: `visible` counts the keys that the token sees, itself among them; `dense` every slot of the
    layer's cache, which is more only where a dilation leaves gaps. Latent attention: `visible` multiplies with the
    cached latents (absorbed), `dense` expands all of them again, as an eager implementation does.
    Source: as `forward_flops`.
    """
    return batch * _total(a, context, "decode", flops_convention, where, part)


@metric(unit="FLOP", better="less", label="FLOP a token")
def flops_per_token(
    a: ArchitectureConfig, *, context: int, flops_convention: str, part: str | None, where: Layers
) -> Fraction:
    """Matrix-product FLOP of one token in a prefill of `context` tokens, on average.

    Formula: `prefill_flops` of one sequence / context.
    Unit: FLOP.
    Convention: that of `forward_flops`.
    Source: as `forward_flops`.
    """
    return Fraction(_total(a, context, "prefill", flops_convention, where, part), context)


@metric(unit="FLOP", better="less", label="attention scores")
def attention_flops(
    a: ArchitectureConfig, *, context: int, batch: int, phase: str, flops_convention: str, where: Layers
) -> int:
    """FLOP of attention scores and weighted sums alone: the part that grows with the square of the context.

    Formula: batch x the sum over layers of 2 x n_heads x (key width + value width) x pairs.
    Unit: FLOP.
    Convention: projections are not attention here. `phase: decode` is the token at context - 1, `train` three
    times the prefill.
    Source: as `forward_flops`.
    """
    return batch * _total(a, context, phase, flops_convention, where, SCORES)


@metric(unit="%", better="less", label="attention share of FLOP")
def attention_flops_share(
    a: ArchitectureConfig, *, context: int, phase: str, flops_convention: str, where: Layers
) -> Fraction:
    """Share of attention scores and weighted sums in all matrix products.

    Formula: 100 x `attention_flops` / all FLOP of the phase.
    Unit: %.
    Convention: that of `attention_flops`; the same for every batch.
    Source: definition.
    """
    whole = _total(a, context, phase, flops_convention, where)
    return Fraction(100 * _total(a, context, phase, flops_convention, where, SCORES), whole or 1)


# What is not a matrix product ---------------------------------------------------------------------------------

NORM = {"rms": 4, "layer": 7}
"""Operations an element: square, add, scale, weight; LayerNorm also subtracts the mean it sums, and adds a bias."""
ACTIVATION = {"silu": 4, "quick_gelu": 5, "gelu": 5, "gelu_tanh": 8, "relu": 1, "relu2": 2}
"""Operations an element, an exponential, tangent or error function being one; 5 for any other."""
SOFTMAX = 5
"""Operations a pair and head: scale, subtract the maximum, exponential, sum, divide."""
ROTATION = 3
"""Operations a rotated element: two products and one sum."""


def _norm(spec: NormSpec) -> int:
    return NORM.get(spec.type, 7) * spec.width


@metric(unit="FLOP", better="less", label="elementwise")
def elementwise_flops(a: ArchitectureConfig, *, context: int, batch: int, phase: str, where: Layers) -> int:
    """Operations that are no matrix products: norms, softmax, rotation, activations, biases, residual sums.

    Formula: batch x (tokens x (norms + biases + rotation + activation + 2 d_model residual) + 5 x n_heads x pairs).
    Unit: FLOP.
    Convention: ours, because papers have none: 4 an element for RMSNorm, 7 for LayerNorm, 5 a score for softmax,
    3 a rotated element, 5 for GELU and 4 for SiLU with one more for a gate. Never part of the other FLOP metrics.
    Source: the operations of each definition, counted by hand.
    """
    repeats = 3 if phase == "train" else 1
    return repeats * batch * _elementwise(a, context, "decode" if phase == "decode" else "prefill", where)


def _hidden(group: Group, name: str) -> int:
    """Hidden elements that one token passes through, in all experts it uses."""
    return sum(w.shape[0] * w.active for w in group.weights if w.name.endswith(name))


def _elementwise(a: ArchitectureConfig, context: int, phase: str, where: Layers) -> int:
    tokens = 1 if phase == "decode" else context
    total = tokens * _norm(a.final_norm) if where is None and a.final_norm is not None else 0
    for group in tally(a, where).groups:
        layer = group.layer
        spec = layer.attention
        one = sum(_norm(norm) for _, norm in layer.norms()) + 2 * a.d_model
        if spec.qk_norm is not None:
            one += NORM["rms"] * spec.key_dim * (spec.n_heads + spec.n_kv_heads)
        one += sum(w.elements for w in group.weights if w.role == "vector" and w.part != "norms")
        if isinstance(layer.position, Rope):
            one += ROTATION * layer.position.dims * (spec.n_heads + spec.n_kv_heads)
        activation = ACTIVATION.get(str(getattr(layer.feed_forward, "activation", "gelu")), 5)
        hidden = {name: _hidden(group, name) for name in ("up_proj.weight", "gate_proj.weight")}
        one += activation * hidden["up_proj.weight"] + hidden["gate_proj.weight"]
        scores = SOFTMAX * spec.n_heads * pairs(spec, context, phase, "visible")
        total += group.count * (tokens * one + scores)
    return total


# How ----------------------------------------------------------------------------------------------------------


def spelled(
    a: ArchitectureConfig, context: int, phase: str, convention: str, where: Layers, part: str | None = None
) -> str:
    """The FLOP of one sequence in words: matrix elements and pairs."""
    counted = tally(a, where)
    tokens = 1 if phase == "decode" else context
    matrices = 0
    for times, weight in counted.weights():
        if in_part(weight.part, part):
            matrices += times * weight.flops // 2
    terms = []
    if matrices:
        each = "" if tokens == 1 else f" x {tokens:,} tokens"
        terms.append(f"2 x {matrices:,} matrix elements{each}")
    if in_part(SCORES, part):
        what = "keys" if phase == "decode" else "pairs"
        for group in counted.groups:
            spec = group.layer.attention
            number = pairs(spec, context, phase, convention)
            layers = f"{group.count} layer{'s' if group.count != 1 else ''}"
            width = per_pair(spec, phase, convention) // (2 * spec.n_heads)
            terms.append(f"{layers} x 2 x {spec.n_heads} heads x {width} x {number:,} {what}")
            again = group.count * expanded_again(group, context, phase, convention)
            if again and part is None:
                terms.append(f"{again:,} to expand latents again")
    return " + ".join(terms) or "0"


@forward_flops.explain
@prefill_flops.explain
def _how_prefill(
    a: ArchitectureConfig, *, context: int, batch: int, flops_convention: str, part: str | None, where: Layers
) -> str:
    text = spelled(a, context, "prefill", flops_convention, where, part)
    return f"({text}) x {batch:,} sequences" if batch > 1 else text


@decode_flops.explain
def _how_decode(
    a: ArchitectureConfig, *, context: int, batch: int, flops_convention: str, part: str | None, where: Layers
) -> str:
    text = spelled(a, context, "decode", flops_convention, where, part)
    return f"({text}) x {batch:,} sequences" if batch > 1 else text


@flops_per_token.explain
def _how_token(a: ArchitectureConfig, *, context: int, flops_convention: str, part: str | None, where: Layers) -> str:
    return f"({spelled(a, context, 'prefill', flops_convention, where, part)}) / {context:,} tokens"


@attention_flops.explain
def _how_attention(
    a: ArchitectureConfig, *, context: int, batch: int, phase: str, flops_convention: str, where: Layers
) -> str:
    text = spelled(a, context, phase, flops_convention, where, SCORES)
    times = " x 3 (forward and backward)" if phase == "train" else ""
    times += f" x {batch:,} sequences" if batch > 1 else ""
    return f"({text}){times}" if times else text
