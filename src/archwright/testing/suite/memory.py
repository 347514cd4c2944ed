"""Memory: caches hold what the formula says and nothing leaks."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from torch import Tensor

from ...nn import RollingCache
from .. import oracle
from ..accuracy import assert_same
from ..case import Case
from . import needs_pattern


def run_through(attn: Any, x: Tensor, cache: Any, chunks: list[int]) -> Tensor:
    """The outputs of x taken in chunks through a cache."""
    parts, at = [], 0
    with torch.no_grad():
        for length in chunks:
            parts.append(attn(x[:, at : at + length], cache))
            at += length
    return torch.cat(parts, 1)


class Memory:
    """What is held, and for how long."""

    @needs_pattern
    def test_cache_bytes_equal_the_formula(self, case: Case) -> None:
        """After decoding to T in {1, W, W + 1, W d + 1, 4 W}, slots x elements x bytes a scalar are allocated."""
        attn, w = case.module(), max(1, case.width)
        for tokens in sorted({1, w, w + 1, w * case.step + 1, 4 * w}):
            if tokens > 64:
                continue
            cache = attn.new_cache(1, tokens)
            run_through(attn, case.inputs(tokens, batch=1), cache, [1] * tokens)
            held = case.spec.cache_slots(tokens) if isinstance(cache, RollingCache) else tokens
            assert cache.nbytes == held * case.spec.cache_elements * 4
            assert held >= case.spec.cache_slots(tokens)

    @needs_pattern
    def test_cache_bytes_grow_with_batch_and_type(self, case: Case) -> None:
        """Twice the sequences is twice the bytes, half the bits half of them."""
        attn = case.module()
        one = attn.new_cache(1, 16)
        assert attn.new_cache(2, 16).nbytes == 2 * one.nbytes
        assert attn.new_cache(1, 16, torch.bfloat16).nbytes * 2 == one.nbytes

    @needs_pattern
    def test_cache_does_not_grow_while_decoding(self, case: Case) -> None:
        """The tensors are those from the start: same place, same size."""
        attn, x = case.module(), case.inputs(12, batch=1)
        cache = attn.new_cache(1, 12)
        before = (cache.k.data_ptr(), cache.v.data_ptr(), cache.nbytes)
        run_through(attn, x, cache, [4, *[1] * 8])
        assert (cache.k.data_ptr(), cache.v.data_ptr(), cache.nbytes) == before
        assert cache.lengths.tolist() == [12]

    @needs_pattern
    def test_every_key_that_a_later_query_sees_is_held(self, case: Case) -> None:
        """At each length, the positions in the cache include all that any later query sees."""
        if not case.spec.causal:
            return
        attn, x = case.module(), case.inputs(batch=1)
        cache = attn.new_cache(1, 2 * case.tokens)
        for length in range(1, case.tokens + 1):
            run_through(attn, x[:, length - 1 : length], cache, [1])
            held = set(range(length))
            if isinstance(cache, RollingCache):
                positions, valid = cache.positions(cache.lengths)
                held = set(positions[0][valid[0]].tolist())
            later = range(length, length + case.tokens)
            needed = {k for q in later for k in range(length) if oracle.sees(case.spec, q, k)}
            assert needed <= held | {length - 1}

    @needs_pattern
    def test_reset_forgets_everything(self, case: Case) -> None:
        """After `reset` a cache serves a new sequence as a fresh one does."""
        attn, x = case.module(), case.inputs(10, batch=1)
        cache = attn.new_cache(1, 16)
        first = run_through(attn, x, cache, [6, 1, 3])
        cache.reset()
        assert cache.lengths.tolist() == [0]
        assert torch.equal(run_through(attn, x, cache, [6, 1, 3]), first)

    @needs_pattern
    def test_reorder_moves_sequences(self, case: Case) -> None:
        """After `reorder([1, 0, 1])` each row goes on as the row that it became."""
        attn, x = case.module(), case.inputs(9, batch=3)
        cache = attn.new_cache(3, 16)
        run_through(attn, x[:, :8], cache, [8])
        cache.reorder(torch.tensor([1, 0, 1]))
        swapped = x[[1, 0, 1]]
        with torch.no_grad():
            out = attn(swapped[:, 8:], cache)
        assert_same(out, attn(swapped)[:, 8:], "after reorder")

    @needs_pattern
    def test_crop_goes_back(self, case: Case) -> None:
        """After `crop(n)` decoding goes on as if nothing had come after position n."""
        attn, x = case.module(), case.inputs(12, batch=2)
        cache = attn.new_cache(2, 16)
        run_through(attn, x, cache, [11])
        cache.crop(10)
        assert cache.lengths.tolist() == [10, 10]
        with torch.no_grad():
            out = attn(x[:, 11:], cache)
        short = torch.cat((x[:, :10], x[:, 11:]), 1)
        assert_same(out, attn(short)[:, -1:], "after crop")

    @needs_pattern
    def test_crop_past_what_a_window_holds_is_refused(self, case: Case) -> None:
        """A window that has moved on cannot go back: an error that says how far, and the cache is still usable."""
        attn, x = case.module(), case.inputs(case.tokens, batch=1)
        cache = attn.new_cache(1, 2 * case.tokens)
        run_through(attn, x[:, :-1], cache, [case.tokens - 1])
        if isinstance(cache, RollingCache) and case.tokens - 1 > cache.slots:
            with pytest.raises(ValueError, match=r"n is 0: the window has moved on.* Crop to \d+ or more"):
                cache.crop(0)
        with pytest.raises(ValueError, match="n is -1"):
            cache.crop(-1)
        with torch.no_grad():
            out = attn(x[:, -1:], cache)
        assert_same(out, attn(x)[:, -1:], "after a refused crop")

    @needs_pattern
    def test_a_sequence_past_the_cache_is_refused_and_changes_nothing(self, case: Case) -> None:
        """One token too many: a ValueError that names the length, and the cache goes on as before."""
        attn, x = case.module(), case.inputs(9, batch=1)
        cache = attn.new_cache(1, 8)
        run_through(attn, x[:, :7], cache, [7])
        with pytest.raises(ValueError, match="kv_cache holds at most 8 tokens: sequence 0 has 7 and 2 more"):
            attn(x[:, 7:], cache)
        with torch.no_grad():
            out = attn(x[:, 7:8], cache)
        assert_same(out, attn(x[:, :8])[:, -1:], "after a refused token")

    @needs_pattern
    def test_cache_keeps_no_graph(self, case: Case) -> None:
        """What is stored needs no gradients, also where the call itself has them."""
        attn = case.module()
        cache = attn.new_cache(1, 8)
        out = attn(case.inputs(4, batch=1).requires_grad_(), cache)
        assert out.requires_grad
        assert not cache.k.requires_grad and not cache.v.requires_grad

    def test_repeated_calls_leak_nothing(self, case: Case) -> None:
        """Further calls with backward leave no more tensors alive than the first."""
        attn, x = case.module(), case.inputs()

        def alive() -> int:
            attn(x).sum().backward()
            attn.zero_grad(set_to_none=True)
            gc.collect()
            return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())

        first = alive()
        for _ in range(5):
            attn(x).sum().backward()
        assert alive() <= first

    def test_saved_memory_grows_no_faster_than_pairs(self, case: Case) -> None:
        """Bytes that autograd keeps for twice the tokens are at most four times as many, and some constant."""
        attn = case.module()

        def saved(tokens: int) -> int:
            held: dict[int, int] = {}

            def pack(tensor: Tensor) -> Tensor:
                held[tensor.data_ptr()] = max(held.get(tensor.data_ptr(), 0), tensor.nbytes)
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
                attn(case.inputs(tokens)).sum()
            return sum(held.values())

        weights = sum(p.nbytes for p in attn.parameters())
        assert saved(2 * case.tokens) <= 4 * saved(case.tokens) + weights
