"""Chunked: exact sliding and dilated windows in O(T * W) time and memory, and decoding without repeated keys.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim.
"""

from __future__ import annotations

from torch import Tensor

from ..kernels import grouped_decode, sliding_attention, sliding_attention_varlen
from .base import Backend, Reason, Request, View, window_of

DECODED = 16
"""Query tokens up to which a call is a decoding step: their mask is small whatever the pattern."""


class Chunked(Backend):
    """Blocks of queries against the keys of their window, forward and backward; nothing of size T * S is made.

    On a CPU in float32 the blocks run on kernels compiled for this machine, where a C++ compiler is found
    (`archwright.nn.kernels.native.status()`), else in torch. A few query tokens against a cache are decoded with the
    heads of a group as rows, so that keys and values are read once, whatever the pattern and the layout.
    """

    name = "chunked"

    def why_not(self, request: Request) -> list[Reason]:
        reasons = []
        if request.dropout:
            reasons.append(Reason("has no dropout of probabilities"))
        if request.device_type == "meta":
            reasons.append(Reason("shapes on the meta device are the reference's"))
        spec = request.spec
        if spec.key_dim != spec.value_dim:
            reasons.append(Reason(f"keys are {spec.key_dim} and values {spec.value_dim} wide, and it takes one width"))
        if self._decodes(request):
            return reasons
        if request.window is None:
            reasons.append(Reason(f"knows windows, not the pattern of {request.spec.type}"))
        if request.layout == "general":
            reasons.append(Reason("positions are not consecutive, or rows of a cache differ in length"))
        return reasons

    def run(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, *, scale: float | None = None, dropout: float = 0.0
    ) -> Tensor:
        if self._decodes(view.request(q, k)):
            visible = None if view.unmasked else view.mask()
            return grouped_decode(q, k, v, visible=visible, scale=scale)
        found = window_of(view.spec)
        assert found is not None, "why_not was not asked"
        window, dilation = found
        causal = view.spec.causal
        if view.segments is None:
            return sliding_attention(q, k, v, window=window, dilation=dilation, causal=causal, scale=scale)
        q, k, v = (x[0].transpose(0, 1) for x in (q, k, v))
        ends = view.segments.cu_seqlens if view.segments.lengths is None else _ends(view.segments.lengths)
        out = sliding_attention_varlen(q, k, v, ends, window=window, dilation=dilation, causal=causal, scale=scale)
        return out.transpose(0, 1)[None]

    def _decodes(self, request: Request) -> bool:
        if request.packed:
            return False
        return request.kind == "decode" or (request.q_len <= DECODED and request.cached) or request.unmasked


def _ends(lengths: tuple[int, ...]) -> list[int]:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return ends


backend = Chunked()
"""The one instance in the registry."""
