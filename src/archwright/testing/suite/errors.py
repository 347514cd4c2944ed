"""Errors: what cannot be computed is refused with what and where, all problems at once."""

from __future__ import annotations

import pytest
import torch

from ...nn import AttentionConfig, Segments
from ..case import Case
from . import needs_pattern


class Errors:
    """Bad input."""

    @needs_pattern
    def test_wrong_width_shape_and_type_are_named_together(self, case: Case) -> None:
        """A wrong last axis and a wrong type come in one ValueError."""
        attn, width = case.module(), case.spec.d_model
        with pytest.raises(ValueError) as caught:
            attn(torch.zeros(2, 3, width + 1, dtype=torch.float64, device=case.device))
        assert f"d_model is {width}, the last axis {width + 1}" in str(caught.value)
        assert "x is of type torch.float64" in str(caught.value)
        with pytest.raises(ValueError, match=r"x is of shape .* must be \(B, T, "):
            attn(torch.zeros(3, width, device=case.device))

    @needs_pattern
    def test_empty_batches_are_refused(self, case: Case) -> None:
        """No sequence or no token is a ValueError."""
        attn, width = case.module(), case.spec.d_model
        for shape in ((0, 3, width), (2, 0, width)):
            with pytest.raises(ValueError, match="must have at least one sequence and one token"):
                attn(torch.zeros(shape, device=case.device))

    @needs_pattern
    def test_malformed_cu_seqlens_are_refused(self, case: Case) -> None:
        """Falling, starting or ending elsewhere, int64, float, two axes, too short a max_seqlen."""
        attn, x = case.module(), case.inputs(6, batch=1)[0]

        def refused(values: object, match: str, **more: object) -> None:
            given = values if isinstance(values, torch.Tensor) else torch.tensor(values, dtype=torch.int32)
            with pytest.raises(ValueError, match=match):
                attn(x, cu_seqlens=given.to(case.device), max_seqlen=more.get("max_seqlen", 6))

        if case.device == "cpu":  # on a device, values are checked once, when Segments are made
            refused([0, 4, 2, 6], "cu_seqlens is 2: must not fall: entry 1 is 4, entry 2 is 2")
            refused([0, 4], r"cu_seqlens is 4: must end at the number of tokens \(6\)")
            refused([0, 4, 9], r"cu_seqlens is 9: must end at the number of tokens \(6\)")
            refused([1, 6], "cu_seqlens is 1: must start at 0")
            refused([0, 2, 6], "max_seqlen is 3: too small: a segment has 4 tokens", max_seqlen=3)
        refused(torch.tensor([0, 6]), "cu_seqlens is torch.int64: must be torch.int32")
        refused(torch.tensor([0.0, 6.0]), "cu_seqlens is torch.float32: must be torch.int32")
        refused([[0, 6]], "cu_seqlens is of shape")
        with pytest.raises(ValueError, match="must not fall"):
            Segments.from_tensor(torch.tensor([0, 4, 2, 6], dtype=torch.int32, device=case.device))
        with pytest.raises(ValueError, match="cu_seqlens is 5: must end at the number of tokens"):
            attn(x, cu_seqlens=Segments.of([2, 3], case.device))

    @needs_pattern
    def test_a_cache_in_training_is_refused(self, case: Case) -> None:
        """A cache keeps no gradients, so a module in training mode does not take one."""
        attn = case.module().train()
        with pytest.raises(ValueError, match="kv_cache cannot be used in training mode"):
            attn(case.inputs(2, batch=1), attn.new_cache(1, 4))

    @needs_pattern
    def test_a_cache_that_does_not_fit_is_refused(self, case: Case) -> None:
        """Another batch, another type, another module's cache, or no cache at all."""
        attn, x = case.module(), case.inputs(2)
        for cache, match in (
            (attn.new_cache(3, 8), "kv_cache is for 3 sequences: does not fit 2 sequences"),
            (attn.new_cache(2, 8, torch.bfloat16), "kv_cache is of type torch.bfloat16"),
            ({}, "kv_cache is of type dict: must be a cache"),
        ):
            with pytest.raises(ValueError, match=match):
                attn(x, cache)

    @needs_pattern
    def test_positions_that_do_not_fit_are_refused(self, case: Case) -> None:
        """Another length, fractions, negative ones, and others than the cache expects."""
        attn, x = case.module(), case.inputs(3)
        for positions, match in (
            (torch.arange(4), "positions is of shape"),
            (torch.zeros(3), "must be whole numbers"),
            (torch.tensor([-1, 0, 1]), "must not be negative"),
        ):
            if case.device == "cpu" or "negative" not in match:
                with pytest.raises(ValueError, match=match):
                    attn(x, positions=positions.to(case.device))
        with pytest.raises(ValueError, match="positions must go on from the cache"):
            attn(x, attn.new_cache(2, 8), positions=torch.arange(1, 4, device=case.device))

    def test_all_problems_of_a_configuration_come_at_once(self, case: Case) -> None:
        """Heads that do not divide, a head of no width and a dropout over 1 are in one message."""
        with pytest.raises(ValueError) as caught:
            AttentionConfig(case.variant, 8, None if case.variant == "mqa" else 3, head_dim=0, dropout=1.5)
        text = str(caught.value)
        expected = ["head_dim is 0", "dropout is 1.5"]
        for part in expected if case.variant == "mqa" else [*expected, "n_kv_heads is 3"]:
            assert part in text

    @needs_pattern
    def test_an_unknown_backend_is_refused_by_name(self, case: Case) -> None:
        """A misspelt backend is a ValueError that names the nearest, at construction."""
        with pytest.raises(ValueError, match="Did you mean reference"):
            case.module(backend="referense")

    @needs_pattern
    def test_a_named_backend_runs_or_says_why_not(self, case: Case) -> None:
        """A backend asked for by name never hands over to another: it runs, or raises with its reasons."""
        told = case.module(backend="flash")
        x = case.inputs()  # float32, which flash does not compute
        with pytest.raises(NotImplementedError, match=r"backend flash cannot run this: .*float32"):
            told(x)
