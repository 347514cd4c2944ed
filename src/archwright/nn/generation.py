"""Generation: tokens after prompts, from a model and its caches; batches of unequal length, as a stream or at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import NOTHING, InvalidValue, Problem
from .caches import Cache
from .sampling import Sampler
from .segments import Segments
from .transformer import Transformer

Finish = Literal["stop", "length"]
Stop = int | Sequence[int]
"""A token, or a sequence of tokens, at which a row ends; it is not part of the result."""


@dataclass(frozen=True, slots=True)
class Event:
    """One token of a row, or its end: then `token` is None and `finish` says why."""

    row: int
    token: int | None = None
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The new tokens of a row, and why they end."""

    tokens: list[int]
    finish: Finish


def generate(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop: Sequence[Stop] = (),
    chunk: int = 512,
) -> list[Result]:
    """The continuation of each prompt; see `stream`."""
    tokens: list[list[int]] = [[] for _ in prompts]
    ends: list[Finish] = ["length"] * len(prompts)
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    sampler = Sampler(**options)  # type: ignore[arg-type]  # the names and types of these very parameters
    for event in stream(model, prompts, max_new_tokens=max_new_tokens, sampler=sampler, stop=stop, chunk=chunk):
        if event.token is not None:
            tokens[event.row].append(event.token)
        elif event.finish is not None:
            ends[event.row] = event.finish
    return [Result(t, e) for t, e in zip(tokens, ends, strict=True)]


def stream(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    sampler: Sampler | None = None,
    stop: Sequence[Stop] = (),
    chunk: int = 512,
) -> Iterator[Event]:
    """Tokens as they come, each row's in order and its end last.

    Prompts may differ in length; they are packed, not padded, and go through the caches at most `chunk` tokens of
    each at a time. A token that may turn out to begin a stop sequence is held back until it is clear.
    InvalidValue: no prompt, an empty one, a token outside the vocabulary, more tokens than `max_seq_len`.
    """
    stops = [(s,) if isinstance(s, int) else tuple(s) for s in stop]
    _check(model, prompts, max_new_tokens, chunk, stops)
    return _stream(model, prompts, max_new_tokens, sampler or Sampler(), stops, chunk)


@torch.no_grad()
def _stream(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampler: Sampler,
    stops: list[tuple[int, ...]],
    chunk: int,
) -> Iterator[Event]:
    training = model.training
    model.eval()
    try:
        rows = [_Row(number, stops) for number in range(len(prompts))]
        caches = model.new_caches(len(prompts), max(map(len, prompts)) + max_new_tokens)
        logits = prefill(model, prompts, caches, chunk)
        generators = sampler.generators(len(prompts))
        for step in range(max_new_tokens):
            chosen = sampler.choose(logits, generators)
            for row, token in zip(rows, chosen, strict=True):
                yield from row.take(token)
            if step == max_new_tokens - 1 or all(row.finish for row in rows):
                break
            # rows that have ended go on unseen: every step then has one shape
            fresh = torch.tensor(chosen, device=model.embedding.weight.device)[:, None]
            logits = model(fresh, caches)[:, -1]
        for row in rows:
            yield from row.close()
    finally:
        model.train(training)


def prefill(model: Transformer, prompts: Sequence[Sequence[int]], caches: Sequence[Cache], chunk: int = 512) -> Tensor:
    """Logits (B, V) after the last token of each prompt; the caches hold the prompts, which may differ in length."""
    device = model.embedding.weight.device
    length = len(prompts[0])
    if all(len(prompt) == length for prompt in prompts):  # rows of one length need no packing
        whole = torch.tensor([list(prompt) for prompt in prompts], device=device)
        for start in range(0, length, chunk):
            hidden = model.features(whole[:, start : start + chunk], caches)
        return model.logits(hidden[:, -1])
    last: list[Tensor | None] = [None] * len(prompts)
    for start in range(0, max(map(len, prompts)), chunk):
        parts = [prompt[start : start + chunk] for prompt in prompts]
        lengths = [len(part) for part in parts]
        flat = torch.tensor([t for part in parts for t in part], device=device)
        hidden = model.features(flat, caches, segments=Segments.of(lengths, device))
        end = 0
        for row, length in enumerate(lengths):
            end += length
            if length and start + length == len(prompts[row]):
                last[row] = hidden[end - 1]
    return model.logits(torch.stack([h for h in last if h is not None]))


class _Row:
    """What one row has said, and what it holds back because a stop sequence may begin there."""

    def __init__(self, number: int, stops: list[tuple[int, ...]]) -> None:
        self.number = number
        self.stops = stops
        self.held: list[int] = []
        self.finish: Finish | None = None

    def take(self, token: int) -> Iterator[Event]:
        if self.finish:
            return
        self.held.append(token)
        for stop in self.stops:
            if tuple(self.held[-len(stop) :]) == stop:
                del self.held[-len(stop) :]
                self.finish = "stop"
                break
        keep = 0 if self.finish else self._may_begin()
        while len(self.held) > keep:
            yield Event(self.number, self.held.pop(0))
        if self.finish:
            yield Event(self.number, finish=self.finish)

    def _may_begin(self) -> int:
        """How many of the last tokens may be the beginning of a stop sequence."""
        for size in range(len(self.held), 0, -1):
            tail = tuple(self.held[-size:])
            if any(len(stop) > size and stop[:size] == tail for stop in self.stops):
                return size
        return 0

    def close(self) -> Iterator[Event]:
        if self.finish is None:
            self.finish = "length"
            for token in self.held:
                yield Event(self.number, token)
            yield Event(self.number, finish="length")


def _check(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    chunk: int,
    stops: list[tuple[int, ...]],
) -> None:
    problems = []
    for name, value in (("max_new_tokens", max_new_tokens), ("chunk", chunk)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            problems.append(Problem(name, value, "must be a whole number of at least 1"))
    if not prompts:
        problems.append(Problem("prompts", NOTHING, "must hold at least one prompt"))
    vocabulary, longest = model.config.vocab_size, model.config.max_seq_len
    for row, prompt in enumerate(prompts):
        if not len(prompt):
            problems.append(Problem(f"prompts[{row}]", NOTHING, "must have at least one token"))
        wrong = [t for t in prompt if not isinstance(t, int) or isinstance(t, bool) or not 0 <= t < vocabulary]
        if wrong:
            problems.append(Problem(f"prompts[{row}]", wrong[0], f"must hold tokens from 0 to {vocabulary - 1}"))
        if not problems and len(prompt) + max_new_tokens > longest:
            sizes = f"{len(prompt)} tokens, and with {max_new_tokens} new ones"
            rule = f"has {sizes} is longer than max_seq_len ({longest})"
            problems.append(Problem(f"prompts[{row}]", NOTHING, rule, "Shorten one of them"))
    if any(not stop for stop in stops):
        problems.append(Problem("stop", NOTHING, "must not hold an empty sequence"))
    if problems:
        raise InvalidValue(problems)
