"""Flash: torch's own variable-length Flash Attention kernels, on GPUs that have them.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim.
"""

from __future__ import annotations

from importlib.util import find_spec
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from ...arch.attention.full import Full
from .base import Backend, Reason, Request, View, window_of


def _missing() -> str | None:
    """Why this machine has no such kernels, or None."""
    if find_spec("torch.nn.attention.varlen") is None:
        return f"torch {torch.__version__} has no varlen_attn"
    if not torch.cuda.is_available() or torch.version.cuda is None:
        return "there is no NVIDIA GPU"
    if torch.cuda.get_device_capability() < (8, 0):
        return f"{torch.cuda.get_device_name()} is older than compute capability 8.0"
    from torch.nn.attention.varlen import varlen_attn

    lacking = {"window_size", "scale"} - set(signature(varlen_attn).parameters)
    if lacking:
        return f"varlen_attn of torch {torch.__version__} has no {', '.join(sorted(lacking))}"
    return None


def _knows_groups() -> bool:
    from torch.nn.attention.varlen import varlen_attn

    return "enable_gqa" in signature(varlen_attn).parameters


class Flash(Backend):
    """`varlen_attn`: O(T) memory, windows skip what lies outside them, packed segments without padding.

    A window goes in as (window_size, 0) when causal and (window_size, window_size) when not: these kernels, like
    ours, do not count the token itself.
    """

    name = "flash"

    def __init__(self) -> None:
        # looked at once, when backends are first loaded: a traced call could not
        self.missing = _missing()
        self.knows_groups = self.missing is None and _knows_groups()

    def why_not(self, request: Request) -> list[Reason]:
        reasons = []
        if request.device_type != "cuda":
            reasons.append(Reason(f"runs on an NVIDIA GPU, not on {request.device_type}"))
        elif self.missing is not None:
            reasons.append(Reason(self.missing))
        elif request.spec.n_heads != request.spec.n_kv_heads and not self.knows_groups:
            reasons.append(Reason(f"varlen_attn of torch {torch.__version__} has no grouped heads"))
        if request.dtype not in (torch.float16, torch.bfloat16):
            dtype = str(request.dtype).removeprefix("torch.")
            reasons.append(Reason(f"computes in float16 and bfloat16, not in {dtype}"))
        if request.layout == "general" and not request.unmasked:
            reasons.append(Reason("positions are not consecutive, or rows of a cache differ in length"))
        if request.window is None and type(request.spec) is not Full:
            reasons.append(Reason(f"knows windows and full attention, not the pattern of {request.spec.type}"))
        elif request.window is not None and request.window[1] > 1:
            reasons.append(Reason(f"windows have no gaps there, and dilation is {request.window[1]}"))
        width = request.spec.key_dim
        if request.spec.value_dim != width:
            reasons.append(Reason(f"keys ({width}) and values ({request.spec.value_dim}) must have one width there"))
        if width > 256 or width % 8:
            reasons.append(Reason(f"head_dim must be a multiple of 8 up to 256, not {width}"))
        if request.dropout:
            reasons.append(Reason("has no dropout"))
        return reasons

    def run(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, *, scale: float | None = None, dropout: float = 0.0
    ) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        batch, n_heads, q_len, width = q.shape
        k_len = k.shape[2]
        if view.segments is not None:
            starts = starts_k = view.segments.cu_seqlens
            longest, longest_k = view.segments.max_seqlen, view.segments.max_seqlen
        else:
            starts = torch.arange(0, (batch + 1) * q_len, q_len, dtype=torch.int32, device=q.device)
            starts_k = torch.arange(0, (batch + 1) * k_len, k_len, dtype=torch.int32, device=q.device)
            longest, longest_k = q_len, k_len
        grouped: dict[str, Any] = {"enable_gqa": True} if n_heads != k.shape[1] else {}
        out = varlen_attn(
            q.transpose(1, 2).reshape(batch * q_len, n_heads, width),
            k.transpose(1, 2).reshape(batch * k_len, k.shape[1], width),
            v.transpose(1, 2).reshape(batch * k_len, v.shape[1], v.shape[3]),
            starts,
            starts_k,
            longest,
            longest_k,
            scale=scale,
            window_size=(-1, -1) if view.unmasked else flash_window(view.spec.causal, window_of(view.spec)),
            **grouped,
        )
        assert isinstance(out, Tensor)
        return out.view(batch, q_len, n_heads, v.shape[3]).transpose(1, 2)


def flash_window(causal: bool, window: tuple[int, int] | None) -> tuple[int, int]:
    """A window as Flash Attention writes it: (earlier, later) neighbours, -1 for all.

    >>> flash_window(True, (512, 1)), flash_window(False, (512, 1)), flash_window(True, None)
    ((512, 0), (512, 512), (-1, 0))
    """
    earlier = -1 if window is None else window[0]
    return earlier, 0 if causal else earlier


backend = Flash()
"""The one instance in the registry."""
