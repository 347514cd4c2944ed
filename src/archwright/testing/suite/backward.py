"""Backward: gradients are those of the pattern, reach everything learnable, and stay finite."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ...nn import Segments
from .. import oracle
from ..accuracy import assert_accurate, assert_same
from ..case import Case
from . import needs_pattern


class Backward:
    """What comes back through one call."""

    def test_every_parameter_gets_a_gradient_of_its_shape(self, case: Case) -> None:
        """No learnable tensor is left out, none gets another shape."""
        attn = case.module().train()
        attn(case.inputs()).square().mean().backward()
        for name, tensor in attn.named_parameters():
            assert tensor.grad is not None, f"{name} has no gradient"
            assert tensor.grad.shape == tensor.shape
            if case.width == 0 and name.startswith(("q_", "k_")):
                continue  # one visible key has probability 1 whatever q and k are: the gradient is exactly 0
            assert float(tensor.grad.abs().max()) > 0, f"{name} has a gradient of zeros"

    def test_gradient_norms_are_finite(self, case: Case) -> None:
        """Norms of all gradients are finite in every type, the input's too."""
        for dtype in (torch.float32, torch.bfloat16):
            attn = case.module(dtype=dtype).train()
            x = case.inputs(dtype=dtype).requires_grad_()
            attn(x).float().square().mean().backward()
            for tensor in (x, *attn.parameters()):
                assert tensor.grad is not None and bool(torch.isfinite(tensor.grad.norm()))

    def _backends_against_the_oracle(self, case: Case, dtype: torch.dtype) -> None:
        # of one token, gradients of q and k are exactly zero: only the noise of a cancellation would be compared
        for tokens in sorted({2, min(case.width + 1, 64), case.tokens} - {1}):
            keys, view = oracle.visible_keys(case.spec, range(tokens)), case.view(tokens)
            batch = max(2, 64 // tokens)  # enough rows to see how large errors get
            q, k, v = case.heads(tokens, batch=batch, dtype=dtype)  # all start from the same rounded numbers
            upstream = case.upstream(tokens, batch, dtype)
            wide_q, wide_k, wide_v = (t.double().requires_grad_() for t in (q, k, v))
            out = oracle.attention(wide_q, wide_k, wide_v, keys)
            exact = torch.autograd.grad(out, (wide_q, wide_k, wide_v), upstream.double())
            low = oracle.in_orders(oracle.gradients, q, k, v, keys, upstream)
            ours = [t.requires_grad_() for t in (q, k, v)]
            for backend in case.willing(q, k, view):
                found = torch.autograd.grad(backend.run(q, k, v, view), ours, upstream)
                for name, got, true, *near in zip("qkv", found, exact, *low, strict=True):
                    assert_accurate(got, true, near, f"{backend.name}, gradient of {name}, T={tokens}")

    @needs_pattern
    def test_gradients_of_every_backend_equal_the_oracle_in_float32(self, case: Case) -> None:
        """Gradients of q, k and v are at most twice as far off as an independent float32 loop's."""
        self._backends_against_the_oracle(case, torch.float32)

    @needs_pattern
    def test_gradients_of_every_backend_equal_the_oracle_in_bfloat16(self, case: Case) -> None:
        """The same in bfloat16."""
        self._backends_against_the_oracle(case, torch.bfloat16)

    @needs_pattern
    def test_gradients_equal_finite_differences(self, case: Case) -> None:
        """In float64 the gradient of the input agrees with differences of the output."""
        attn = case.module(dtype=torch.float64, rope=True)
        x = case.inputs(min(case.tokens, 6), batch=1, dtype=torch.float64).requires_grad_()
        direction = case.inputs(x.shape[1], batch=1, dtype=torch.float64, seed=8)
        step = 1e-6
        with torch.no_grad():
            slope = (attn(x + step * direction) - attn(x - step * direction)).sum() / (2 * step)
        (gradient,) = torch.autograd.grad(attn(x).sum(), x)
        found = (gradient * direction).sum()
        # the second-order remainder of a central difference, and cancellation of 1 / step
        assert abs(float(found - slope)) <= 1e-7 * max(1.0, float(gradient.abs().sum()))

    @needs_pattern
    def test_gradients_reach_exactly_the_visible_tokens(self, case: Case) -> None:
        """The gradient of row i with respect to token j is zero exactly where i does not see j."""
        attn = case.module(dtype=torch.float64)
        keys = oracle.visible_keys(case.spec, range(case.tokens))
        for i in sorted({0, 1, case.tokens // 2, case.tokens - 1}):
            x = case.inputs(batch=1, dtype=torch.float64).requires_grad_()
            (gradient,) = torch.autograd.grad(attn(x)[0, i].square().sum(), x)
            reached = set((gradient[0] != 0).any(-1).nonzero().flatten().tolist())
            own = {i} if len(keys[i]) > 1 or i in keys[i] else set()  # through its query, unless one key takes all
            assert reached == set(keys[i]) | (own if keys[i] else set())

    @needs_pattern
    def test_packed_gradients_equal_those_of_the_sequences(self, case: Case) -> None:
        """A packed row gives every sequence the gradient that it gets alone."""
        attn, lengths = case.module(), [case.tokens, 1, 0, case.tokens // 2]
        packed = case.inputs(sum(lengths), batch=1)[0].requires_grad_()
        segments = Segments.of(lengths, case.device)
        (together,) = torch.autograd.grad(attn(packed, cu_seqlens=segments).square().sum(), packed)
        parts = [p.detach().clone().requires_grad_() for p in packed.split(lengths) if len(p)]
        alone = [torch.autograd.grad(attn(p[None]).square().sum(), p)[0] for p in parts]
        assert_same(together, torch.cat(alone), "gradients packed and alone")

    def test_gradients_add_up(self, case: Case) -> None:
        """Two backward passes leave the sum of both gradients."""
        attn, x, y = case.module(), case.inputs(seed=1), case.inputs(seed=2)
        attn(x).square().mean().backward()
        first = {n: p.grad.clone() for n, p in attn.named_parameters()}
        attn(y).square().mean().backward()
        both = {n: p.grad.clone() for n, p in attn.named_parameters()}
        attn.zero_grad()
        attn(y).square().mean().backward()
        for name, tensor in attn.named_parameters():
            assert_same(both[name], first[name] + tensor.grad, f"sum of gradients of {name}")

    def test_a_second_identical_pass_gives_the_same_gradients(self, case: Case) -> None:
        """Gradients are deterministic on one device."""
        attn, x = case.module(), case.inputs()
        found = []
        for _ in range(2):
            attn.zero_grad()
            attn(x).square().mean().backward()
            found.append([p.grad.clone() for p in attn.parameters()])
        for one, two in zip(*found, strict=True):
            assert_same(one, two, "gradients of two passes")

    def test_a_few_steps_lower_the_loss(self, case: Case) -> None:
        """Twenty steps of Adam fit a fixed target better than none."""
        attn, x = case.module().train(), case.inputs()
        target = case.inputs(seed=21)
        optimiser = torch.optim.Adam(attn.parameters(), lr=1e-2)
        losses = []
        for _ in range(20):
            optimiser.zero_grad()
            loss = F.mse_loss(attn(x), target)
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < losses[0]
