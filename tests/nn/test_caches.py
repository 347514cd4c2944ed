"""Caches: lengths, order, going back, and the choice between dense and rolling."""

from __future__ import annotations

import pytest
import torch

from archwright.nn import AttentionConfig, CustomAttentionFactory, DenseCache, RollingCache, Segments
from archwright.nn.caches import layout_of


def window(size: int, dilation: int = 1, **fields):
    torch.manual_seed(0)
    config = AttentionConfig("sliding", 2, head_dim=8, window_size=size, dilation=dilation, **fields)
    return CustomAttentionFactory.create(config).eval()


def tokens(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, length, 16, generator=torch.Generator().manual_seed(seed))


def close(one: torch.Tensor, two: torch.Tensor) -> bool:
    return one.shape == two.shape and bool((one - two).abs().max() < 1e-5)


def test_windows_roll_and_everything_else_is_dense():
    assert layout_of(window(4).spec, 100) == (0, 5)
    assert layout_of(window(4, 3).spec, 100) == (0, 13)
    assert layout_of(window(4).spec, 5) is None  # nothing to evict
    assert layout_of(window(4, causal=False).spec, 100) is None
    assert layout_of(AttentionConfig("full", 2, head_dim=8).spec, 100) is None
    assert isinstance(window(4).new_cache(2, 100), RollingCache)
    assert isinstance(window(4).new_cache(2, 5), DenseCache)


@pytest.mark.usefixtures("registries")
def test_a_pattern_whose_reach_changes_is_dense():
    import archwright as aw

    @aw.attention("blocks_for_test")
    class Blocks(aw.AttentionSpec):
        """Sees its own block of eight."""

        def visible(self, q, k):
            return q // 8 == k // 8

        def ranges(self, q):
            yield range(q // 8 * 8, q // 8 * 8 + 8)

    assert layout_of(AttentionConfig("blocks_for_test", 2, head_dim=8).spec, 100) is None


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_slots_hold_the_last_positions(dilation):
    attn = window(3, dilation)
    cache, x = attn.new_cache(1, 60), tokens(1, 60)
    slots = 3 * dilation + 1
    for length in range(1, 40):
        with torch.no_grad():
            attn(x[:, length - 1 : length], cache)
        positions, valid = cache.positions(cache.lengths)
        held = sorted(positions[0][valid[0]].tolist())
        assert held == list(range(max(0, length - slots), length))
        assert cache.slots_of(positions[0][valid[0]]).tolist() == valid[0].nonzero().flatten().tolist()


def test_lengths_are_ragged_and_known_without_a_device():
    attn, cache = window(4), window(4).new_cache(3, 30)
    with torch.no_grad():
        attn(tokens(1, 16)[0], cache, cu_seqlens=Segments.of([2, 9, 5]))
        assert cache.host_lengths == (2, 9, 5) and cache.lengths.tolist() == [2, 9, 5]
        assert cache.uniform is None
        attn(tokens(3, 2), cache)
    assert cache.lengths.tolist() == [4, 11, 7] and cache.lengths.dtype == torch.int64


def test_going_back_one_by_one_stops_where_the_window_has_lost_its_end():
    """After 20 tokens a ring of 5 holds 15 to 19: at 19 a query finds its 4 earlier keys, at 18 it does not."""
    attn, x = window(4), tokens(1, 30)
    cache = attn.new_cache(1, 30)
    with torch.no_grad():
        attn(x[:, :20], cache)
        cache.crop(19)
        with pytest.raises(ValueError, match=r"n is 18: the window has moved on.*Crop to 19 or more"):
            cache.crop(18)
        out = attn(x[:, 19:20], cache)
        assert close(out, attn(x[:, :20])[:, 19:])
        cache.crop(25)  # nothing beyond: nothing to do
        assert cache.host_lengths == (20,)


def test_going_back_before_the_ring_was_full_is_free():
    attn, x = window(6), tokens(1, 30)
    cache = attn.new_cache(1, 30)
    with torch.no_grad():
        attn(x[:, :6], cache)
        cache.crop(2)
        out = attn(x[:, 2:9], cache)
    assert close(out, attn(x[:, :9])[:, 2:])


def test_reorder_keeps_what_rows_have_lost():
    attn, x = window(4), tokens(2, 30)
    cache = attn.new_cache(2, 30)
    with torch.no_grad():
        attn(x[:, :20].flatten(0, 1)[:23], cache, cu_seqlens=Segments.of([20, 3]))
    cache.reorder([1, 0])
    assert cache.host_lengths == (3, 20)
    cache.crop(19)
    with pytest.raises(ValueError, match="sequence 1"):
        cache.crop(2)
    with pytest.raises(ValueError, match=r"rows is \[0, 2\]: must be 2 row numbers from 0 to 1"):
        cache.reorder([0, 2])
    with pytest.raises(ValueError, match="must be 2 row numbers"):
        cache.reorder([0])


@pytest.mark.parametrize(("batch", "max_len"), [(0, 4), (2, 0), (2, -1), (True, 4), (2, 1.5)])
def test_sizes_must_be_positive(batch, max_len):
    with pytest.raises(ValueError, match="must be positive"):
        window(4).new_cache(batch, max_len)


def test_a_ragged_row_keeps_one_slot_more_than_its_window_and_no_more():
    """Sliding layers of a ragged batch hold W d + 1 slots, whatever the lengths."""
    for dilation in (1, 3):
        cache = window(4, dilation).new_cache(2, 500)
        assert cache.slots == 4 * dilation + 1
        assert cache.nbytes == 2 * 2 * 2 * 8 * 4 * cache.slots


def test_prefill_longer_than_the_window_attends_before_it_evicts():
    """The first token of a chunk of 40 sees what the ring held, the last what the chunk itself brings."""
    attn, x = window(8), tokens(2, 60)
    for chunks in ([20, 40], [20, 9, 31], [1, 59], [59, 1]):
        cache = attn.new_cache(2, 60)
        parts, at = [], 0
        with torch.no_grad():
            for length in chunks:
                parts.append(attn(x[:, at : at + length], cache))
                at += length
        assert close(torch.cat(parts, 1), attn(x)), chunks


def test_a_broken_window_is_seen():
    """Windows off by one, in the pattern or in the ring, fail the suite: its sequences are longer than two windows."""
    from archwright.testing import Case
    from archwright.testing.suite.forward import Forward
    from archwright.testing.suite.integration import Integration

    class Shifted(type(window(4))):  # type: ignore[misc]
        """Sees one key too many."""

        def attend(self, q, k, v, view):
            import dataclasses

            wider = dataclasses.replace(
                view, spec=view.spec.change(window_size=view.spec.window_size + 1), unmasked=False
            )
            return super().attend(q, k, v, wider)

    class Broken(Case):
        def module(self, **options):
            made = super().module(**options)
            made.__class__ = Shifted
            return made

    for test in (
        Forward.test_changing_a_token_changes_exactly_the_outputs_that_see_it,
        Forward.test_visible_keys_are_counted_right,
        Forward.test_equals_the_oracle_in_float32,
    ):
        with pytest.raises(AssertionError):
            test(Forward(), Broken("sliding", {"window_size": 7}))
    case = Case("sliding", {"window_size": 7})
    assert case.tokens > 2 * case.width

    class Forgetful(Case):
        def module(self, **options):
            made = super().module(**options)
            real = made.new_cache

            def short(batch, max_len, *more):
                cache = real(batch, max_len, *more)
                if isinstance(cache, RollingCache):
                    cache.k, cache.v = cache.k[:, :, :-1].clone(), cache.v[:, :, :-1].clone()
                    cache.ring -= 1
                return cache

            made.new_cache = short
            made.cache_fits = lambda cache: True
            return made

    with pytest.raises(AssertionError):
        Integration().test_token_by_token_equals_the_full_pass(Forgetful("sliding", {"window_size": 7}))
