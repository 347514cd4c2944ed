"""Forward: the result is the one that the pattern defines."""

from __future__ import annotations

from typing import Any

import torch

from ...nn import AttentionConfig, CustomAttentionFactory, Segments
from ...nn.backends import View
from ...nn.backends.reference import backend as reference
from .. import oracle
from ..accuracy import assert_accurate, assert_same
from ..case import THETA, Case
from . import needs_pattern, needs_projections

LOW = (torch.float32, torch.bfloat16, torch.float16)


class Forward:
    """What comes out of one call."""

    def test_output_has_the_shape_of_the_input(self, case: Case) -> None:
        """(B, T, D) goes in and comes out, for one and several sequences of several lengths."""
        attn = case.module()
        for batch, tokens in ((1, 1), (3, 2), (2, case.tokens)):
            x = case.inputs(tokens, batch=batch)
            assert attn(x, kv_cache=None).shape == x.shape

    def test_output_is_finite_and_not_constant(self, case: Case) -> None:
        """Nothing is NaN or infinite, and tokens differ."""
        out = case.module()(case.inputs())
        assert bool(torch.isfinite(out).all())
        assert float(out.detach().std()) > 0

    def test_output_keeps_the_type(self, case: Case) -> None:
        """float32, bfloat16, float16 and float64 come out as they went in."""
        for dtype in (*LOW, torch.float64):
            assert case.module(dtype=dtype)(case.inputs(dtype=dtype)).dtype == dtype

    @needs_pattern
    def test_rows_of_probabilities_sum_to_one(self, case: Case) -> None:
        """`weights(x)` sums to 1 in each row that sees something, to 0 in a row that sees nothing."""
        rows = case.module().weights(case.inputs()).sum(-1)
        counts = torch.tensor([len(keys) for keys in oracle.visible_keys(case.spec, range(case.tokens))])
        expected = (counts > 0).to(rows).expand_as(rows)
        assert_same(rows, expected, "sums of probabilities")

    @needs_pattern
    def test_probabilities_are_positive_exactly_where_visible(self, case: Case) -> None:
        """Every visible key gets a share, every other one exactly zero."""
        shares = case.module().weights(case.inputs())
        for i, keys in enumerate(oracle.visible_keys(case.spec, range(case.tokens))):
            row = shares[:, :, i]
            hidden = [j for j in range(case.tokens) if j not in set(keys)]
            assert bool((row[..., keys] > 0).all())
            assert not hidden or float(row[..., hidden].detach().abs().max()) == 0.0

    def test_same_seed_gives_the_same_result(self, case: Case) -> None:
        """Two modules of one seed agree bit for bit, and so do two calls."""
        x = case.inputs()
        first, second = case.module(seed=7), case.module(seed=7)
        assert torch.equal(first(x), second(x))
        assert torch.equal(first(x), first(x))

    def _against_the_oracle(self, case: Case, dtype: torch.dtype, rope: bool = False) -> None:
        attn = case.module(dtype=dtype, rope=rope)
        theta = THETA if rope else None
        for tokens in case.lengths:
            x = case.inputs(tokens, dtype=dtype)
            exact = oracle.module(case.weights(attn), case.spec, x.double(), theta=theta)
            low = oracle.module(case.weights(attn, dtype), case.spec, x, theta=theta)
            assert_accurate(attn(x), exact, low, f"output for T={tokens}")

    @needs_projections
    def test_equals_the_oracle_in_float32(self, case: Case) -> None:
        """At most twice the error of an independent float32 loop, for T in {1, W - 1, W, W + 1, 3 W + 5}."""
        self._against_the_oracle(case, torch.float32)

    @needs_projections
    def test_equals_the_oracle_in_bfloat16(self, case: Case) -> None:
        """The same in bfloat16."""
        self._against_the_oracle(case, torch.bfloat16)

    @needs_projections
    def test_equals_the_oracle_in_float16(self, case: Case) -> None:
        """The same in float16."""
        self._against_the_oracle(case, torch.float16)

    @needs_projections
    def test_equals_the_oracle_with_rotary_positions(self, case: Case) -> None:
        """Rotary positions turn the pair (i, i + H / 2) by position * theta ** (-2 i / H)."""
        attn = case.module(dtype=torch.float64, rope=True)
        x = case.inputs(dtype=torch.float64)
        exact = oracle.module(case.weights(attn), case.spec, x, theta=THETA)
        low = oracle.module(case.weights(attn, torch.float32), case.spec, x.float(), theta=THETA)
        assert_accurate(attn(x).float(), exact, low, "output with rotary positions")

    @needs_pattern
    def test_every_willing_backend_equals_the_oracle(self, case: Case) -> None:
        """Each backend without reasons against the call computes the same, in every type and at every length."""
        for dtype in LOW:
            for tokens in case.lengths:
                q, k, v = case.heads(tokens, batch=max(2, 64 // tokens), dtype=dtype)
                keys = oracle.visible_keys(case.spec, range(tokens))
                exact = oracle.attention(q.double(), k.double(), v.double(), keys)
                low = oracle.in_orders(oracle.attention, q, k, v, keys)
                view = case.view(tokens)
                for backend in case.willing(q, k, view):
                    out = backend.run(q, k, v, view)
                    assert_accurate(out, exact, low, f"{backend.name}, {dtype}, T={tokens}")

    @needs_pattern
    def test_changing_a_token_changes_exactly_the_outputs_that_see_it(self, case: Case) -> None:
        """By perturbation, not by reading a mask: token j is replaced, and those rows change that see j."""
        attn = case.module(dtype=torch.float64)
        x = case.inputs(batch=1, dtype=torch.float64)
        before, keys = attn(x)[0], oracle.visible_keys(case.spec, range(case.tokens))
        for j in sorted({0, 1, case.tokens // 3, case.tokens // 2, case.tokens - 1}):
            changed = x.clone()
            changed[:, j] = case.inputs(1, batch=1, dtype=torch.float64, seed=99)[:, 0]
            rows = (attn(changed)[0] != before).any(-1).nonzero().flatten().tolist()
            own = {j} if keys[j] and keys[j] != [j] else set()  # the query of j changed as well
            assert set(rows) == {i for i, seen in enumerate(keys) if j in seen} | own

    @needs_pattern
    def test_visible_keys_are_counted_right(self, case: Case) -> None:
        """Counted by perturbation, the last token sees as many keys as the spec says."""
        attn, x = case.module(dtype=torch.float64), case.inputs(batch=1, dtype=torch.float64)
        last, count = attn(x)[0, -1], 0
        for j in range(case.tokens - 1):
            changed = x.clone()
            changed[:, j] += 1.0
            count += bool((attn(changed)[0, -1] != last).any())
        itself = oracle.sees(case.spec, case.tokens - 1, case.tokens - 1)
        assert count + itself == case.spec.visible_keys(case.tokens - 1, case.tokens)

    @needs_pattern
    def test_a_causal_variant_never_looks_ahead(self, case: Case) -> None:
        """What comes later changes nothing earlier, to the last bit."""
        attn, x = case.module(causal=True), case.inputs(batch=1)
        cut = case.tokens // 2
        changed = x.clone()
        changed[:, cut:] = 100.0
        assert torch.equal(attn(changed)[:, :cut], attn(x)[:, :cut])

    @needs_projections
    def test_a_two_sided_variant_sees_what_its_pattern_says(self, case: Case) -> None:
        """With `causal=False` the same predicate holds on both sides."""
        attn, x = case.module(dtype=torch.float32, causal=False), case.inputs(batch=1)
        spec = case.spec.change(causal=False)
        exact = oracle.module(case.weights(attn), spec, x.double())
        low = oracle.module(case.weights(attn, torch.float32), spec, x)
        assert_accurate(attn(x), exact, low, "two-sided output")

    def test_sequences_of_a_batch_do_not_mix(self, case: Case) -> None:
        """Each row of a batch gives what it gives alone."""
        attn, x = case.module(), case.inputs(batch=3)
        together = attn(x)
        for row in range(3):
            assert_same(attn(x[row : row + 1]), together[row : row + 1], "row alone and in a batch")

    @needs_pattern
    def test_query_heads_read_the_key_heads_of_their_group(self, case: Case) -> None:
        """Query head h reads key/value head h // (N / K): groups are neighbours, not strides."""
        q, k, _ = case.heads()
        group = case.spec.n_heads // case.spec.n_kv_heads
        values = torch.arange(case.spec.n_kv_heads, device=k.device, dtype=k.dtype)
        v = values[None, :, None, None].expand_as(k).contiguous()
        view = case.view()
        sighted = torch.tensor([bool(keys) for keys in oracle.visible_keys(case.spec, range(case.tokens))])
        for backend in case.willing(q, k, view):
            out = backend.run(q, k, v, view)[:, :, sighted]
            for head in range(case.spec.n_heads):
                assert_same(out[:, head], torch.full_like(out[:, head], head // group), backend.name)

    @needs_pattern
    def test_default_positions_count_from_zero(self, case: Case) -> None:
        """`positions` of 0, 1, 2 ... are what a call without them means."""
        attn, x = case.module(rope=True), case.inputs()
        place = torch.arange(case.tokens, device=case.device)
        assert_same(attn(x, positions=place), attn(x), "with and without positions")
        assert_same(attn(x, positions=place.expand(2, -1)), attn(x), "with positions of each row")

    @needs_projections
    def test_positions_decide_what_is_visible(self, case: Case) -> None:
        """Positions with gaps: visibility and rotation follow the positions, not the order."""
        attn, x = case.module(dtype=torch.float32, rope=True), case.inputs(batch=1)
        place = [3 * i // 2 for i in range(case.tokens)]
        exact = oracle.module(case.weights(attn), case.spec, x.double(), positions=place, theta=THETA)
        low = oracle.module(case.weights(attn, torch.float32), case.spec, x, positions=place, theta=THETA)
        out = attn(x, positions=torch.tensor(place, device=case.device))
        assert_accurate(out, exact, low, "output with gaps in positions")

    @needs_pattern
    def test_packed_segments_equal_the_sequences_one_by_one(self, case: Case) -> None:
        """One row of segments with `cu_seqlens` gives what each sequence gives alone; an empty one has no rows."""
        attn, lengths = case.module(rope=True), [case.tokens, 0, 1, case.tokens // 2, 0]
        x = case.inputs(sum(lengths), batch=1)[0]
        segments = Segments.of(lengths, case.device)
        alone = torch.cat([attn(part[None])[0] for part in x.split(lengths) if len(part)])
        out = attn(x, cu_seqlens=segments.cu_seqlens, max_seqlen=segments.max_seqlen)
        assert_same(out, alone, "packed and alone")
        assert_same(attn(x, cu_seqlens=segments), alone, "packed as Segments and alone")

    @needs_pattern
    def test_intervals_agree_with_the_predicate(self, case: Case) -> None:
        """`ranges`, where the spec has it, names exactly the keys that `visible` allows."""
        for causal in (True, False):
            spec = case.spec.change(causal=causal)
            for query in range(case.tokens):
                listed = [key for part in spec.key_set(query, case.tokens) for key in part]
                assert sorted(listed) == [k for k in range(case.tokens) if oracle.sees(spec, query, k)]

    @needs_pattern
    def test_integers_and_tensors_see_the_same(self, case: Case) -> None:
        """`visible` answers for tensors what it answers for numbers."""
        place = torch.arange(case.tokens)[None]
        mask = View(case.spec, place, place).mask()[0]
        for i, keys in enumerate(oracle.visible_keys(case.spec, range(case.tokens))):
            assert mask[i].nonzero().flatten().tolist() == keys

    @needs_pattern
    def test_dropout_acts_in_training_alone(self, case: Case) -> None:
        """In evaluation a module with dropout gives what it gives without; in training it does not."""
        attn, plain, x = case.module(dropout=0.5), case.module(), case.inputs()
        assert torch.equal(attn(x), plain(x))
        attn.train()
        torch.manual_seed(1)
        assert not torch.equal(attn(x), plain(x))

    @needs_pattern
    def test_dropout_of_one_gives_zeros(self, case: Case) -> None:
        """The documented range [0, 1] holds at its end: everything is dropped."""
        attn = case.module(dropout=1.0).train()
        assert float(attn(case.inputs()).detach().abs().max()) == 0.0

    @needs_pattern
    def test_dropout_keeps_the_mean(self, case: Case) -> None:
        """What is kept is scaled up: with all values 1, the mean over many rows stays 1."""
        q, k, _ = case.heads(batch=64)
        sighted = torch.tensor([bool(keys) for keys in oracle.visible_keys(case.spec, range(case.tokens))])
        out = reference.run(q, k, torch.ones_like(k), case.view(), dropout=0.25)[:, :, sighted]
        shares = out[..., 0].double()
        error = float(shares.std() / shares.numel() ** 0.5)
        assert abs(float(shares.mean()) - 1.0) < 6 * error

    def test_the_factory_makes_the_same_from_the_same(self, case: Case) -> None:
        """`create(config)` and `create(config.spec)` give modules of one class with one set of parameters."""
        one = CustomAttentionFactory.create(case.config, device="meta")
        other = CustomAttentionFactory.create(case.spec, device="meta")
        again = CustomAttentionFactory.create(AttentionConfig(case.variant, **self._fields(case)), device="meta")
        shapes = {n: tuple(p.shape) for n, p in one.named_parameters()}
        for module in (other, again):
            assert {n: tuple(p.shape) for n, p in module.named_parameters()} == shapes

    def _fields(self, case: Case) -> dict[str, Any]:
        given = {name: getattr(case.config, name) for name in ("n_heads", "n_kv_heads", "head_dim", "d_model")}
        return {**given, **case.options}
