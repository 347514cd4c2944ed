"""Stability: extreme numbers, rows that see nothing, and NaN where nothing is held."""

from __future__ import annotations

import torch

from ...nn.backends import View
from .. import oracle
from ..accuracy import assert_same
from ..case import Case
from . import needs_pattern


class Stability:
    """What happens at the edges of numbers."""

    def test_large_inputs_stay_finite(self, case: Case) -> None:
        """Inputs of ten thousand give finite results and finite gradients."""
        attn = case.module()
        x = (case.inputs() * 1e4).requires_grad_()
        out = attn(x)
        out.mean().backward()
        assert bool(torch.isfinite(out).all())
        assert x.grad is not None and bool(torch.isfinite(x.grad).all())

    def test_tiny_inputs_stay_finite(self, case: Case) -> None:
        """Inputs at the small end of float32 give finite results and gradients."""
        attn = case.module()
        x = (case.inputs() * 1e-30).requires_grad_()
        out = attn(x)
        out.sum().backward()
        assert bool(torch.isfinite(out).all())
        assert x.grad is not None and bool(torch.isfinite(x.grad).all())

    def test_zero_inputs_give_zeros(self, case: Case) -> None:
        """Without biases, nothing in is nothing out."""
        out = case.module()(torch.zeros_like(case.inputs()))
        assert float(out.detach().abs().max()) == 0.0

    def test_half_precision_does_not_overflow(self, case: Case) -> None:
        """float16 scores beyond 65,504 do not become infinite."""
        attn = case.module(dtype=torch.float16)
        out = attn(case.inputs(dtype=torch.float16) * 30)
        assert bool(torch.isfinite(out).all())

    @needs_pattern
    def test_equal_tokens_share_equally(self, case: Case) -> None:
        """When all keys are the same, the result is the value itself, whatever the pattern."""
        q, k, v = case.heads()
        k, v = k[:, :, :1].expand_as(k).contiguous(), v[:, :, :1].expand_as(v).contiguous()
        group = case.spec.n_heads // case.spec.n_kv_heads
        wide = v.repeat_interleave(group, 1)
        sighted = torch.tensor([bool(keys) for keys in oracle.visible_keys(case.spec, range(case.tokens))])
        for backend in case.willing(q, k, case.view()):
            out = backend.run(q, k, v, case.view())
            assert_same(out[:, :, sighted], wide[:, :, sighted], backend.name)

    @needs_pattern
    def test_one_dominating_key_takes_everything(self, case: Case) -> None:
        """Scores in the hundreds: the largest takes all, nothing is NaN, and backward is finite."""
        q, k, v = case.heads(batch=8)
        loud = (k * 200).requires_grad_()
        keys = oracle.visible_keys(case.spec, range(case.tokens))
        exact = oracle.attention(q.double(), loud.detach().double(), v.double(), keys)
        group = case.spec.n_heads // case.spec.n_kv_heads
        nearest = (exact[:, :, :, None] - v.double().repeat_interleave(group, 1)[:, :, None]).abs().amax(-1).amin(-1)
        won = nearest < 1e-9  # rows in which one key has everything; others have a close second
        assert float(won.double().mean()) > 0.5
        for backend in case.willing(q, loud, case.view()):
            out = backend.run(q, loud, v, case.view())
            assert_same(out[won], exact[won].to(out.dtype), backend.name)
            (gradient,) = torch.autograd.grad(out.sum(), loud)
            assert bool(torch.isfinite(out).all()) and bool(torch.isfinite(gradient).all())

    @needs_pattern
    def test_shifted_scores_change_nothing(self, case: Case) -> None:
        """Adding the same large vector to all keys adds a constant to a row's scores, which softmax ignores."""
        q, k, v = case.heads(dtype=torch.float64)
        shift = torch.full_like(k[:, :, :1], 50.0)
        for backend in case.willing(q, k, case.view()):
            one, two = backend.run(q, k, v, case.view()), backend.run(q, k + shift, v, case.view())
            # scores of about 50 * sqrt(H) keep 52 - 8 bits of what they had
            assert float((one - two).abs().max()) < 2.0**-40

    @needs_pattern
    def test_a_row_that_sees_nothing_is_zero_and_passes_no_gradient(self, case: Case) -> None:
        """Rows without a visible key give exact zeros and zero gradients on every backend; the others do not notice."""
        q, k, v = case.heads()
        place = torch.arange(case.tokens, device=case.device)[None]
        of = torch.where(place < 2, 1, 0)  # queries 0 and 1 belong to a sequence that has no key
        view = View(case.spec, place, place, "general", None, of, torch.zeros_like(of))
        leaves = [t.requires_grad_() for t in (q, k, v)]
        for backend in case.willing(q, k, view):
            out = backend.run(q, k, v, view)
            assert float(out[:, :, :2].detach().abs().max()) == 0.0, backend.name
            assert bool(torch.isfinite(out).all()), backend.name
            for gradient in torch.autograd.grad(out[:, :, :2].sum(), leaves, retain_graph=True):
                assert float(gradient.abs().max()) == 0.0, backend.name
            for gradient in torch.autograd.grad(out.square().sum(), leaves):
                assert bool(torch.isfinite(gradient).all()), backend.name

    def test_a_sequence_with_nan_does_not_touch_the_others(self, case: Case) -> None:
        """NaN in one row of a batch stays in that row."""
        attn, x = case.module(), case.inputs(batch=3)
        clean = attn(x)
        poisoned = x.clone()
        poisoned[1] = float("nan")
        out = attn(poisoned)
        assert_same(out[[0, 2]], clean[[0, 2]], "rows beside a row of NaN")
        assert bool(torch.isnan(out[1]).all())

    @needs_pattern
    def test_nan_in_a_fresh_cache_has_no_effect(self, case: Case) -> None:
        """A cache filled with NaN before use gives the full pass, in prefill and in decoding."""
        attn, x = case.module(), case.inputs(17, batch=2)
        full = attn(x)
        cache = attn.new_cache(2, 20)
        cache.k.fill_(float("nan"))
        cache.v.fill_(float("nan"))
        with torch.no_grad():
            parts = [attn(x[:, :5], cache), *(attn(x[:, t : t + 1], cache) for t in range(5, 17))]
        assert_same(torch.cat(parts, 1), full, "decoding beside NaN")

    @needs_pattern
    def test_nan_in_dead_slots_of_a_ragged_cache_has_no_effect(self, case: Case) -> None:
        """Where rows differ in length, slots beyond the shorter row may be NaN."""
        attn, lengths = case.module(), [3, 9]
        x = case.inputs(sum(lengths), batch=1)[0]
        from ...nn import Segments

        cache = attn.new_cache(2, 16)
        cache.k.fill_(float("nan"))
        cache.v.fill_(float("nan"))
        more = case.inputs(1, batch=2, seed=4)
        with torch.no_grad():
            attn(x, cache, cu_seqlens=Segments.of(lengths, case.device))
            out = attn(more, cache)
        for row, part in enumerate(x.split(lengths)):
            alone = attn(torch.cat((part, more[row]))[None])[:, -1:]
            assert_same(out[row : row + 1], alone, f"row {row} beside NaN")

    def test_autocast_runs(self, case: Case) -> None:
        """Under autocast a float32 module computes in bfloat16 and stays finite."""
        attn = case.module()
        with torch.autocast(case.device, torch.bfloat16):
            out = attn(case.inputs())
        assert bool(torch.isfinite(out).all())
