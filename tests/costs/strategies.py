"""Random small architectures for property tests: mixed layers, tied or not, every feed-forward and bias."""

from __future__ import annotations

from hypothesis import strategies as st

import archwright as aw

ATTENTIONS = st.one_of(
    st.just({"type": "full"}),
    st.builds(lambda w: {"type": "sliding", "window_size": w}, st.integers(0, 9)),
    st.builds(lambda w, d: {"type": "dilated", "window_size": w, "dilation": d}, st.integers(0, 5), st.integers(1, 4)),
)


@st.composite
def architectures(draw, causal: bool = True) -> aw.ArchitectureConfig:
    """A model of 1 to 5 layers whose layers may differ in attention, KV heads and width."""
    n_layers = draw(st.integers(1, 5))
    n_heads = draw(st.sampled_from([1, 2, 4, 6]))
    divisors = [d for d in range(1, n_heads + 1) if n_heads % d == 0]
    layers = []
    for i in range(n_layers):
        entry = {"layers": i, "attention": dict(draw(ATTENTIONS))}
        if not causal:
            entry["attention"]["causal"] = draw(st.booleans())
        if draw(st.booleans()):
            entry["n_kv_heads"] = draw(st.sampled_from(divisors))
        if draw(st.booleans()):
            entry["d_ff"] = draw(st.integers(1, 40))
        if draw(st.booleans()):
            entry["attention"]["bias"] = draw(st.lists(st.sampled_from("qkvo"), unique=True))
        layers.append(entry)
    return aw.ArchitectureConfig(
        d_model=draw(st.integers(1, 6)) * n_heads * 2,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=draw(st.sampled_from(divisors)),
        head_dim=draw(st.sampled_from([2, 4, 6])),
        d_ff=draw(st.integers(1, 40)),
        vocab_size=draw(st.integers(1, 60)),
        max_seq_len=draw(st.integers(1, 64)),
        use_rms_norm=draw(st.booleans()),
        tie_embeddings=draw(st.booleans()),
        feed_forward={"type": draw(st.sampled_from(["geglu", "swiglu", "gelu"])), "bias": draw(st.booleans())},
        layers=layers,
    )
