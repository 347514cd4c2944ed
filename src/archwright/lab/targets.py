"""What a bench runs: attention, a layer, prefill or one decoding step of a model, on random weights and inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..arch.config import ArchitectureConfig
from ..errors import InvalidValue, NotSupported, Problem
from ..evidence.staleness import layer_at
from ..nn.backends.base import backends
from ..nn.caches import Cache
from ..nn.factory import CustomAttentionFactory
from ..nn.transformer import Layer, Transformer

PASSES = ("forward", "both")


@dataclass(frozen=True)
class Workload:
    """One call: batch sequences of `context` tokens; for decoding the token at position context - 1."""

    target: str
    batch: int
    context: int
    dtype: torch.dtype
    device: torch.device
    passes: str = "forward"
    where: str = ""
    seed: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that one call processes."""
        return self.batch if self.target == "decode" else self.batch * self.context


@dataclass(frozen=True)
class Runner:
    """Something to time: `run` is one call, `prepare` what must happen before each, untimed."""

    module: nn.Module
    run: Callable[[], object]
    prepare: Callable[[], object] | None = None
    caches: tuple[Cache, ...] = ()


def check(work: Workload) -> None:
    """InvalidValue: all that is wrong with a workload."""
    found = [
        Problem(name, value, "must be positive")
        for name, value in (("batch", work.batch), ("context", work.context))
        if value < 1
    ]
    if work.passes not in PASSES:
        found.append(Problem("passes", work.passes, f"must be one of {', '.join(PASSES)}"))
    if work.target in ("prefill", "decode"):
        if work.passes == "both":
            found.append(Problem("passes", work.passes, f"has no meaning for {work.target}", "Use layer or attention"))
        if work.where:
            found.append(Problem("where", work.where, f"has no meaning for {work.target}, which runs every layer"))
    if found:
        raise InvalidValue(found)


def build(config: ArchitectureConfig, work: Workload, settings: Mapping[str, Any]) -> Runner:
    """A target made for an architecture. `settings` are the arm's own: `backend`, `compile`.

    InvalidValue: a context beyond the model's, settings that nothing has; NotSupported: what no module here runs.
    """
    unknown = sorted(set(settings) - {"backend", "compile"})
    if unknown:
        raise InvalidValue(Problem("settings", ", ".join(unknown), "are not settings of an arm: backend, compile"))
    torch.manual_seed(work.seed)
    make = {"attention": _attention, "layer": _layer, "prefill": _prefill, "decode": _decode}[work.target]
    made = make(config, work, str(settings.get("backend", "auto")))
    if not settings.get("compile"):
        return made
    if work.target == "decode":
        raise NotSupported(Problem("compile", True, "is not supported for decode: the cache grows between steps"))
    compiled = torch.compile(made.run)
    return Runner(made.module, compiled, made.prepare, made.caches)


def _attention(config: ArchitectureConfig, work: Workload, backend: str) -> Runner:
    layer = layer_at(config, work.where)
    position: Any = layer.position
    module = CustomAttentionFactory.create(
        layer.attention, position=position, backend=backend, device=work.device, dtype=work.dtype
    )
    return _of_module(module, config, work)


def _layer(config: ArchitectureConfig, work: Workload, backend: str) -> Runner:
    module = Layer(layer_at(config, work.where), backend, device=work.device, dtype=work.dtype)
    return _of_module(module, config, work)


def _of_module(module: nn.Module, config: ArchitectureConfig, work: Workload) -> Runner:
    x = torch.randn(work.batch, work.context, config.d_model, device=work.device, dtype=work.dtype)
    if work.passes == "forward":
        module.eval()

        def forward() -> Tensor:
            with torch.inference_mode():
                out: Tensor = module(x)
                return out

        return Runner(module, forward)
    module.train()
    x.requires_grad_(True)
    wanted = [x, *(p for p in module.parameters() if p.requires_grad)]
    gradient = torch.randn_like(x)

    def both() -> tuple[Tensor, ...]:
        return torch.autograd.grad(module(x), wanted, gradient)

    return Runner(module, both)


def _tokens(config: ArchitectureConfig, work: Workload, length: int) -> Tensor:
    return torch.randint(config.vocab_size, (work.batch, length), device=work.device)


def _model(config: ArchitectureConfig, work: Workload, backend: str) -> Transformer:
    if work.context > config.max_seq_len:
        rule = f"is longer than max_seq_len of {config.name or 'the architecture'} ({config.max_seq_len:,})"
        raise InvalidValue(Problem("context", work.context, rule, f"Use at most {config.max_seq_len}"))
    return Transformer(config, backend=backend, device=work.device, dtype=work.dtype).eval()


def _prefill(config: ArchitectureConfig, work: Workload, backend: str) -> Runner:
    model = _model(config, work, backend)
    caches = model.new_caches(work.batch, work.context)
    tokens = _tokens(config, work, work.context)

    def prepare() -> None:
        for cache in caches:
            cache.reset()

    def run() -> Tensor:
        with torch.inference_mode():
            out: Tensor = model(tokens, caches)
            return out

    return Runner(model, run, prepare, tuple(caches))


def _decode(config: ArchitectureConfig, work: Workload, backend: str) -> Runner:
    model = _model(config, work, backend)
    caches = model.new_caches(work.batch, work.context)
    earlier = work.context - 1
    for cache in caches:
        _fill(cache, earlier)
    token = _tokens(config, work, 1)

    def prepare() -> None:
        for cache in caches:
            cache.crop(earlier)

    def run() -> Tensor:
        with torch.inference_mode():
            out: Tensor = model(token, caches)
            return out

    return Runner(model, run, prepare, tuple(caches))


def _fill(cache: Cache, tokens: int, chunk: int = 4096) -> None:
    """Random keys and values for that many tokens: what a prompt would have left, without computing it."""
    while tokens > 0:
        count = min(chunk, tokens)
        shape = (cache.k.shape[0], cache.k.shape[1], count)
        k, v = (torch.randn(*shape, t.shape[3], device=t.device, dtype=t.dtype) for t in (cache.k, cache.v))
        cache.extend(k, v)
        tokens -= count


@contextmanager
def traced() -> Iterator[set[str]]:
    """Within it, the names of the backends that ran are collected."""
    used: set[str] = set()
    known = [(name, backend, backend.run) for name, backend in backends.items()]

    def spied(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any, **given: Any) -> Any:
            used.add(name)
            return run(*args, **given)

        return spy

    for name, backend, run in known:
        vars(backend)["run"] = spied(name, run)
    try:
        yield used
    finally:
        for _, backend, _ in known:
            vars(backend).pop("run", None)
