"""What training keeps of the forward pass for the backward pass: of our modules exactly, or by Megatron's list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.attention.full import Full
from ...arch.attention.mla import MLA
from ...arch.config import ArchitectureConfig
from ...arch.feed_forward import FeedForwardSpec
from ...arch.feed_forward.moe import MoE
from ...arch.layer import Layer
from ...arch.norm import NormSpec
from ...arch.position import Rope
from ...errors import InvalidValue, Problem
from ...units import Quantity
from ..dtypes import Dtype
from ..metric import metric
from ..sharding import rows_on_device, split, stages
from ..tally import Group, Layers, tally
from .cache import whole

STATISTIC = 4
"""Bytes of a float32 number: of a norm's statistic, a softmax's log-sum-exp, an angle's cosine."""
INDEX = 8
"""Bytes of an int64 token."""
STATISTICS = {"rms": 1, "layer": 2}
"""Numbers a token that a norm keeps beside its input: the reciprocal root mean square, or mean and deviation."""
BACKENDS = ("auto", "chunked", "flash", "flex", "reference", "sdpa")
ACTIVATIONS_PER = ("model", "layer", "device")


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


# One layer -----------------------------------------------------------------------------------------------------


def layer_bytes(layer: Layer, run: Pass) -> Fraction:
    """Bytes that one layer keeps, under the checkpointing of the pass."""
    if run.checkpointing == "full":
        return run.tokens * layer.attention.d_model * run.element
    if run.megatron:
        return _megatron(layer, run)
    if run.checkpointing == "selective":
        return _products(layer, run)
    return _residual(layer, run) + _attention(layer, run) + _feed_forward(layer.feed_forward, run)


def _norm(norm: NormSpec, run: Pass, inputs: int = 1) -> Fraction:
    """A norm's statistics, and `inputs` tensors of its width."""
    return run.tokens * (inputs * norm.width * run.element + STATISTIC * STATISTICS.get(norm.type, 2))


def _residual(layer: Layer, run: Pass) -> Fraction:
    """The layer's input, the sums, and what norms read and give."""
    wide = run.tokens * layer.attention.d_model * run.element
    before, between = layer.attention_norm, layer.feed_forward_norm
    total = wide  # the input: a norm reads it, or a projection
    if layer.residual == "post":
        assert before is not None and between is not None
        total += _norm(before, run, 2) + _norm(between, run)  # the next layer counts what the second one gives
    else:
        total += wide if layer.residual == "sequential" else 0  # the sum between the parts
        total += sum((_norm(norm, run) for norm in (before, between) if norm is not None), Fraction(0))
    after = (layer.attention_output_norm, layer.feed_forward_output_norm)
    return total + sum((_norm(norm, run) for norm in after if norm is not None), Fraction(0))


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
    heads = split(spec.n_heads, run.tp)
    element = run.element
    once = Fraction(0)
    outputs = 1  # laid out as the queries are, which is how the output projection reads it
    if isinstance(layer.position, Rope):  # a cosine and a sine for every pair of dimensions and position
        once += run.queries * layer.position.dims * STATISTIC
        outputs = 2  # rotated queries lie head by head, and the output projection needs a copy
    if run.backend == "reference":
        wide = max(element, Fraction(STATISTIC))
        token = (q + k + v) * wide + out * element
        token += heads * (2 * run.keys * STATISTIC + STATISTIC + 1)  # exponentials, probabilities, their sum, is it 0
        token += heads * run.keys if spec.dropout else 0
        once += run.queries * run.keys
    else:
        token = (q + k + v + outputs * out) * element + heads * STATISTIC
        if run.backend == "sdpa" and type(spec) not in (Full, MLA):  # an additive mask, and which rows see nothing
            group = spec.n_heads // spec.n_kv_heads
            once += group * run.queries * run.keys * element + run.queries
    if spec.clip is not None:
        token += (q + k + v) * element
    if spec.qk_norm is not None:
        rows = 1 if spec.qk_norm == "width" else 0
        count = STATISTICS.get(spec.qk_norm_type.split("_")[0], 1)
        for width in (q, k):
            token += width * element + STATISTIC * count * (rows or width // spec.key_dim) if width else 0
    if isinstance(spec, MLA):
        token += (2 * spec.kv_lora_rank + spec.qk_rope_head_dim) * element + STATISTIC
        if spec.q_lora_rank is not None:
            token += 2 * spec.q_lora_rank * element + STATISTIC
    return run.tokens * token + once


def _feed_forward(spec: FeedForwardSpec, run: Pass) -> Fraction:
    """The projections, the activation, their product, and the mask of a dropout."""
    element = run.element

    def network(d_ff: int, gated: bool) -> Fraction:
        width = split(d_ff, run.tp)
        inside = 4 if gated else 1 if getattr(spec, "activation", "") == "relu" else 2
        return width * (inside * element + (1 if spec.dropout else 0))

    if not isinstance(spec, MoE):
        gated = any(w.name == "gate_proj.weight" for w in spec.weights())
        return run.tokens * network(spec.d_ff, gated)
    # each token once for every expert it goes through: gathered, computed, and weighted by the router's softmax
    token = spec.top_k * (network(spec.d_ff, True) + 2 * spec.d_model * element + STATISTIC)
    token += spec.n_experts * STATISTIC
    if spec.shared_d_ff:
        token += network(spec.shared_d_ff, True)
    return run.tokens * token


def _products(layer: Layer, run: Pass) -> Fraction:
    """Selective checkpointing of our modules: the input, and the results of projections and of fused attention."""
    token = Fraction(layer.attention.d_model)
    token += sum(rows_on_device(w, layer.attention, run.tp) * w.active for w in layer.weights() if w.role == "matrix")
    token *= run.element
    if run.backend != "reference":
        token += _widths(layer, run)[3] * run.element + split(layer.attention.n_heads, run.tp) * STATISTIC
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


# What is outside the layers -------------------------------------------------------------------------------------


def outer_bytes(a: ArchitectureConfig, run: Pass) -> tuple[Fraction, Fraction]:
    """Bytes kept before the layers, and after them with the loss."""
    embedding, head = a.token_embedding, a.output_head
    vocab = split(a.vocab_size, run.tp)
    if run.megatron:
        after = 2 * a.d_model * run.element + (STATISTIC * vocab if run.loss == "full" else STATISTIC)
        return Fraction(run.tokens * a.d_model), run.tokens * after
    first = Fraction(run.tokens * INDEX)
    if embedding.positions == "learned":
        first += run.queries * INDEX
    if embedding.width is not None:
        first += run.tokens * embedding.width * run.element
    if embedding.norm:
        first += _norm(a.norm_spec, run)
    last = run.tokens * (a.d_model * run.element + INDEX)  # what the head reads, and the targets
    if a.final_norm is not None:
        last += _norm(a.final_norm, run)
    if head.width is not None:
        last += run.tokens * head.width * run.element
    if run.loss == "fused":
        return first, last + run.tokens * STATISTIC
    capped = vocab * run.element if head.softcap is not None else 0
    return first, last + run.tokens * (vocab * STATISTIC + capped)


# The metric ------------------------------------------------------------------------------------------------------


class Trained(TypedDict):
    """The settings of one training step on a device."""

    context: int
    batch: int
    activation_dtype: Dtype
    checkpointing: str
    loss: str
    backend: str | None
    tp: int
    pp: int
    dp: int
    cp: int
    fsdp: int


def pass_of(asked: Trained, megatron: bool, whole_model: bool = False) -> Pass:
    """What goes through one device; through all of them as one, for a whole model."""
    ways = (1, 1, 1) if whole_model else (asked["dp"] * asked["fsdp"], asked["cp"], asked["tp"])
    return Pass(
        split(asked["batch"], ways[0]),
        split(asked["context"], ways[1]),
        asked["context"],
        asked["activation_dtype"].bytes,
        asked["backend"],
        asked["checkpointing"],
        asked["loss"],
        megatron,
        ways[2],
    )


def by_stage(a: ArchitectureConfig, run: Pass, pp: int) -> list[Fraction]:
    """Bytes on a device of each pipeline stage: stage i of p holds p - i micro-batches (one forward, one backward)."""
    kept: Callable[[Group], Fraction] = lambda group: layer_bytes(group.layer, run)  # noqa: E731
    return [Fraction(size) * (pp - i) for i, size in enumerate(stages(a, pp, kept, *outer_bytes(a, run)))]


def again(a: ArchitectureConfig, run: Pass) -> Fraction:
    """Bytes of the one layer that checkpointing computes again: what it keeps beyond what was kept."""
    if run.checkpointing == "none":
        return Fraction(0)
    plain = Pass(run.sequences, run.queries, run.keys, run.element, run.backend, "none", run.loss, run.megatron, run.tp)
    return max(layer_bytes(g.layer, plain) - layer_bytes(g.layer, run) for g in tally(a).groups)


@metric(
    unit="B",
    better="less",
    choices={"per": ACTIVATIONS_PER, "approximation": ("megatron",), "backend": BACKENDS},
    takes=Trained,
)
def activations(
    a: ArchitectureConfig, *, approximation: str | None, per: str, where: Layers, **asked: Unpack[Trained]
) -> Quantity:
    """Memory of what a training step keeps of its forward pass for its backward pass.

    Formula: the sum over layers of the tensors that autograd saves in our modules, each storage once: the layer's
    input, sums and norms (4 bytes a statistic), queries, keys, values, the attention output (twice after rotary
    positions: as the kernel gave it and as its projection reads it), 4 bytes a head and token of the softmax, angles,
    and 4 hidden widths of a gated feed-forward part (2 of a plain one). Outside the layers: tokens, the final norm,
    the head's input, and the loss: `full` keeps float32 log-probabilities over the vocabulary, `fused` one number a
    token.
    Unit: B.
    Convention: everything computes in `activation_dtype`, without copies in another type; a norm is one kernel, as on
    an accelerator (on a CPU, RMSNorm keeps its normalised input as well, and a dropout's mask is as wide as what it
    masks). `backend: reference` keeps the scores as well; `sdpa` keeps a mask of window layers; the others keep none.
    `checkpointing: selective` keeps the results of projections and of fused attention, `full` the inputs of layers.
    `approximation: megatron` is the list of the paper: s b h (34 + 5 a s / h) bytes of a GPT layer in 16 bits, with
    unfused attention and three dropouts; its selective leaves out what has s x s elements. `per: device` is the
    fullest device: dp and fsdp split the batch, cp the context, tp heads and columns (not what norms and dropouts on
    the residual stream keep), and the first of pp stages holds pp micro-batches of `batch` sequences. `per: layer`
    is the mean of the layers. Routed experts and latents are counted by the same rules.
    Source: the operators of each module; Korthikanti et al. 2022, "Reducing Activation Recomputation in Large
    Transformer Models", arXiv:2205.05198, equations 1 and 2 and section 4.3 (Megatron's list).
    """
    run = pass_of(asked, approximation == "megatron", per != "device")
    if per == "device":
        if where is not None:
            raise InvalidValue(Problem("where", "some layers", "cannot be combined with per=device", "Leave one out"))
        return Quantity(whole(max(by_stage(a, run, asked["pp"]))), "B")
    notes: tuple[str, ...] = ()
    if any(asked[name] > 1 for name in ("tp", "pp", "dp", "cp", "fsdp")):
        notes = (f"tp, pp, dp, cp and fsdp change nothing of an amount per {per}: per=device is split",)
    chosen = tally(a, frozenset(range(a.n_layers)) if per == "layer" and where is None else where)
    total = sum((g.count * layer_bytes(g.layer, run) for g in chosen.groups), Fraction(0))
    if per == "layer":
        if not chosen.layers:
            raise InvalidValue(Problem("where", "no layer", "selects no layer to average over"))
        if len({layer_bytes(g.layer, run) for g in chosen.groups}) > 1:
            notes += ("mean of layers that differ",)
        return Quantity(whole(total / chosen.layers), "B", notes=notes)
    if where is None:
        total += sum(outer_bytes(a, run))
    return Quantity(whole(total), "B", notes=notes)


@activations.explain
def _how(a: ArchitectureConfig, *, approximation: str | None, per: str, where: Layers, **asked: Unpack[Trained]) -> str:
    run = pass_of(asked, approximation == "megatron", per != "device")
    terms = []
    for group in tally(a, where).groups:
        each = Quantity(whole(layer_bytes(group.layer, run)), "B")
        layers = f"{group.count} layer{'s' if group.count != 1 else ''} x "
        terms.append(f"{layers}{each} ({int(each.value) // run.tokens:,} B a token)")
    if per == "layer":
        return f"({' + '.join(terms)}) / {tally(a, where).layers} layers"
    if where is None:
        first, last = (Quantity(whole(size), "B") for size in outer_bytes(a, run))
        terms.append(f"{first} before and {last} after the layers")
    text = " + ".join(terms)
    return f"{text}, on the fullest device" if per == "device" else text
