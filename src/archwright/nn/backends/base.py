"""Backend: one way to compute attention, with its reasons against a request; View: who sees whom in one call.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim.
Queries are (B, N, T, H), keys and values (B, K, S, H), results (B, N, T, H); query head n reads key/value head
n // (N / K). A packed batch is one row: B is 1 and T is the total.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...arch.attention import AttentionSpec
from ...arch.attention.dilated import Dilated
from ...arch.attention.full import Full
from ...arch.attention.sliding import Sliding
from ...errors import NOTHING, NotSupported, Problem
from ...registry import Registry
from ..segments import Segments

Layout = Literal["rows", "packed", "general"]
"""How queries and keys lie.

`rows`: in every row the keys are at consecutive positions, the queries are the last T of the S keys, all are valid.
`packed`: one row of segments, consecutive positions in each, queries and keys are the same tokens.
`general`: anything else; `View.mask` alone tells.
"""

Kind = Literal["decode", "window", "full", "pattern"]
"""The shape class by which `auto` ranks."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a backend cannot, or should not, run a request."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Request:
    """What a call asks of a backend: known on the host, so that no choice waits for a device."""

    spec: AttentionSpec
    batch: int
    q_len: int
    k_len: int
    dtype: torch.dtype = torch.float32
    device_type: str = "cpu"
    layout: Layout = "rows"
    cached: bool = False
    needs_grad: bool = False
    dropout: float = 0.0
    unmasked: bool = False
    longest: int | None = None
    """The longest segment of a packed call, where lengths are known on the host."""
    slopes: bool = False
    """Whether scores fall with the distance."""

    @property
    def packed(self) -> bool:
        """Whether the call is one row of segments."""
        return self.layout == "packed"

    @property
    def score_terms(self) -> frozenset[str]:
        """What is done to scores beyond scale and mask: softcap, sinks, slopes."""
        terms = {"softcap": self.spec.softcap is not None, "sinks": self.spec.sinks, "slopes": self.slopes}
        return frozenset(name for name, present in terms.items() if present)

    @property
    def window(self) -> tuple[int, int] | None:
        """(window_size, dilation) where the pattern is exactly a sliding or dilated window, else None."""
        return window_of(self.spec)

    @property
    def self_attention(self) -> bool:
        """Whether queries and keys are the same tokens in order."""
        return self.layout == "packed" or (self.layout == "rows" and self.q_len == self.k_len)

    @property
    def kind(self) -> Kind:
        """The shape class by which `auto` ranks."""
        if self.q_len == 1 and not self.packed:
            return "decode"
        if self.window is not None:
            return "window"
        return "full" if type(self.spec) is Full else "pattern"

    @property
    def score_bytes(self) -> int:
        """Bytes of all scores in float32: what a dense implementation holds at once."""
        return 4 * self.batch * self.spec.n_heads * self.q_len * self.k_len


def window_of(spec: AttentionSpec) -> tuple[int, int] | None:
    """(window_size, dilation) of exactly the built-in windows; a subclass may see something else."""
    if isinstance(spec, Sliding) and type(spec) in (Sliding, Dilated):
        return spec.window_size, spec.step
    return None


@dataclass(frozen=True)
class View:
    """Who sees whom in one call.

    Positions are absolute within each sequence: `q_positions` (B or 1, T), `k_positions` (B or 1, S), int64.
    `k_valid` (B or 1, S) is False where a slot holds no key; its values may be anything, NaN too.
    `q_segments` and `k_segments` number the sequence of each token, where one row holds several.
    `segments` is given for layout `packed`. `unmasked` promises, known on the host, that every query sees every key.
    `sinks` (N,) are scores of their own that take part in each head's softmax and carry no value; `slopes` (N,) are
    by how much each head's scores fall with every token of distance.
    """

    spec: AttentionSpec
    q_positions: Tensor
    k_positions: Tensor
    layout: Layout = "general"
    k_valid: Tensor | None = None
    q_segments: Tensor | None = None
    k_segments: Tensor | None = None
    segments: Segments | None = None
    cached: bool = False
    unmasked: bool = False
    sinks: Tensor | None = None
    slopes: Tensor | None = None

    def mask(self) -> Tensor:
        """(B or 1, T, S) bool: True where the query sees the key. O(T * S) memory."""
        q, k = self.q_positions[:, :, None], self.k_positions[:, None, :]
        seen = torch.as_tensor(self.spec.visible(q, k), device=q.device)
        if self.spec.causal:
            seen = seen & (k <= q)
        if self.q_segments is not None and self.k_segments is not None:
            seen = seen & (self.q_segments[:, :, None] == self.k_segments[:, None, :])
        if self.k_valid is not None:
            seen = seen & self.k_valid[:, None, :]
        return seen.broadcast_to((max(q.shape[0], k.shape[0]), q.shape[1], k.shape[2]))

    def request(self, q: Tensor, k: Tensor, dropout: float = 0.0) -> Request:
        """What this call asks of a backend; q (B, N, T, H), k (B, K, S, H)."""
        return Request(
            spec=self.spec,
            batch=q.shape[0],
            q_len=q.shape[2],
            k_len=k.shape[2],
            dtype=q.dtype,
            device_type=q.device.type,
            layout=self.layout,
            cached=self.cached,
            needs_grad=torch.is_grad_enabled() and (q.requires_grad or k.requires_grad),
            dropout=dropout,
            unmasked=self.unmasked,
            longest=max(self.segments.lengths) if self.segments is not None and self.segments.lengths else None,
            slopes=self.slopes is not None,
        )


class Backend(ABC):
    """One implementation of attention. Subclasses are final and registered in `backends`."""

    name: ClassVar[str]
    score_terms: ClassVar[frozenset[str]] = frozenset()
    """What it can do to scores beyond scale and mask: softcap, sinks, slopes."""

    @abstractmethod
    def why_not(self, request: Request) -> list[Reason]:
        """All reasons against a request; none means that `run` computes it exactly as the reference does."""

    @abstractmethod
    def run(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, *, scale: float | None = None, dropout: float = 0.0
    ) -> Tensor:
        """softmax(q k^T * scale) v over what each query sees; (B, N, T, H).

        A query that sees nothing gives exact zeros and zero gradients. `scale` defaults to H ** -0.5;
        `dropout` is the share of probabilities dropped now (0 outside training).
        """


def _load_builtin() -> None:
    from importlib import import_module

    for name in ("reference", "chunked", "sdpa", "flex", "flash"):
        module = import_module(f".{name}", __package__)
        backends.register(name, module.backend)


backends: Registry[Backend] = Registry("attention backend", None, _load_builtin)
"""Every backend by name."""


@dataclass(frozen=True)
class Explanation:
    """Every candidate for a request in the order of `auto`, each with its reasons against; `chosen` has none."""

    request: Request
    candidates: tuple[tuple[str, tuple[Reason, ...]], ...]

    @property
    def chosen(self) -> str | None:
        """The first candidate without reasons."""
        return next((name for name, reasons in self.candidates if not reasons), None)

    def __str__(self) -> str:
        r = self.request
        dtype = str(r.dtype).removeprefix("torch.")
        head = f"{r.spec.type}, {r.kind}, {r.device_type}, {dtype}, B={r.batch} T={r.q_len} S={r.k_len}"
        window = window_of(r.spec)
        if window is not None:
            width, step = window
            keys = width + 1 if r.spec.causal else 2 * width + 1
            sides = "causal: itself and earlier" if r.spec.causal else "two-sided: itself, earlier and later"
            head += f"\nwindow_size {width}, dilation {step}: {keys} visible keys ({sides})"
        lines = [head]
        for name, reasons in self.candidates:
            mark = "->" if name == self.chosen else "  "
            lines.append(f"{mark} {name}: {'; '.join(map(str, reasons)) or 'no reason against it'}")
        return "\n".join(lines)


def reasons_against(name: str, request: Request, auto: bool) -> tuple[Reason, ...]:
    """A backend's own reasons, and with `auto` those of the choice itself."""
    from .ranking import against

    found = backends.get(name, "backend")
    lacking = sorted(request.score_terms - found.score_terms)
    reasons = tuple(Reason(f"computes no {term} of scores") for term in lacking)
    if reasons and torch.compiler.is_compiling():  # enough for a choice, and others may look at the machine
        return reasons
    reasons = tuple(found.why_not(request)) + reasons
    return reasons + against(name, request) if auto else reasons


def explain(request: Request, name: str = "auto") -> Explanation:
    """Which backend a request gets, and why not the others."""
    from .ranking import ranked

    names = ranked(request) if name == "auto" else (name,)
    return Explanation(request, tuple((n, reasons_against(n, request, name == "auto")) for n in names))


def choose(request: Request, name: str = "auto") -> Backend:
    """The backend for a request: the first of `auto`'s ranking without reasons, or the named one.

    UnknownName: no such backend. NotSupported: with the reasons of every backend asked.
    """
    from .ranking import ranked

    names = ranked(request) if name == "auto" else (name,)
    for candidate in names:
        if not reasons_against(candidate, request, name == "auto"):
            return backends.get(candidate)
    told = explain(request, name)
    raise NotSupported(
        Problem(f"backend {n}", NOTHING, f"cannot run this: {'; '.join(map(str, reasons))}")
        for n, reasons in told.candidates
    )
