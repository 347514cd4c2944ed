"""One rule for "close enough", from data: no tolerance is chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def bound(exact: Tensor, lows: Tensor | Sequence[Tensor]) -> float:
    """The largest error allowed: twice the maximum error of independent references, plus 1.1 times the mean.

    `exact` is a float64 result, each of `lows` an independent computation in the type under test; several, which
    add in other orders, say more surely how large errors get. Where they happen to be exact, half a unit in the last
    place stands in: the error that writing a result in that type may have.
    """
    exact64 = exact.detach().double()
    given = [lows] if isinstance(lows, Tensor) else list(lows)
    errors = exact64.abs() * (torch.finfo(given[0].dtype).eps / 2)
    for low in given:
        errors = torch.maximum(errors, (low.detach().double() - exact64).abs())
    return float(2 * errors.max() + 1.1 * errors.mean())


def assert_accurate(actual: Tensor, exact: Tensor, low: Tensor | Sequence[Tensor], what: str = "result") -> None:
    """Fails where `actual` is farther from `exact` than the rule allows, or not finite, or of another shape."""
    assert actual.shape == exact.shape, f"{what} has shape {tuple(actual.shape)}, expected {tuple(exact.shape)}"
    assert bool(torch.isfinite(actual).all()), f"{what} is not finite"
    error = float((actual.detach().double() - exact.detach().double()).abs().max())
    allowed = bound(exact, low)
    assert error <= allowed, f"{what} is off by {error:.3e}; twice an independent reference's error is {allowed:.3e}"


def assert_same(actual: Tensor, expected: Tensor, what: str = "result") -> None:
    """Fails where two computations of the same thing in one type differ by more than its rounding of a few sums.

    The room is that of a sum of as many terms as the last axis is long, in the larger value's precision.
    """
    assert actual.shape == expected.shape, f"{what} has shape {tuple(actual.shape)}, not {tuple(expected.shape)}"
    size = float(expected.detach().abs().max()) if expected.numel() else 0.0
    room = 8 * torch.finfo(expected.dtype).eps * max(size, 1.0) * max(1, expected.shape[-1]) ** 0.5
    error = float((actual.detach().double() - expected.detach().double()).abs().max()) if expected.numel() else 0.0
    assert error <= room, f"{what} differ by {error:.3e}; rounding allows {room:.3e}"
