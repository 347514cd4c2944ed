"""Every interval against SciPy; pooling, contradictions and the number of samples still needed."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats
from scipy.special import bdtr, ndtri, stdtrit

from archwright.errors import NotSupported
from archwright.evidence import quantiles
from archwright.evidence.statistics import (
    compare_estimates,
    compare_pairs,
    contradictions,
    mean_of,
    median_of,
    pool,
    quartiles,
    range_of,
    samples_needed,
    stated_value,
)

DRAW = random.Random(7)


@pytest.mark.parametrize("confidence", quantiles.LEVELS)
def test_tabulated_ranks_are_scipys(confidence: float) -> None:
    tail = (1 - confidence) / 2
    for n in range(1, quantiles.LARGEST + 1):
        k = quantiles.median_rank(n, confidence)
        assert k == 0 or bdtr(k - 1, n, 0.5) <= tail
        assert bdtr(k, n, 0.5) > tail


@pytest.mark.parametrize("confidence", quantiles.LEVELS)
def test_tabulated_quantiles_are_scipys(confidence: float) -> None:
    for freedom, value in zip(quantiles.FREEDOMS, quantiles.STUDENT[confidence], strict=True):
        assert value == pytest.approx(stdtrit(freedom, 0.5 + confidence / 2), rel=1e-10)
    assert quantiles.NORMAL[confidence] == pytest.approx(ndtri(0.5 + confidence / 2), rel=1e-10)


def test_beyond_the_table_scipy_is_asked_and_agrees() -> None:
    for n in (1001, 1500, 5000):
        k = quantiles.median_rank(n, 0.95)
        assert bdtr(k - 1, n, 0.5) <= 0.025 < bdtr(k, n, 0.5)


def test_without_scipy_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.special", None)
    with pytest.raises(NotSupported, match=r"pip install 'archwright\[stats\]'"):
        quantiles.median_rank(1234, 0.95)


@pytest.mark.parametrize("n", [6, 7, 20, 41, 300])
def test_median_interval_is_scipys_quantile_test(n: int) -> None:
    samples = [DRAW.lognormvariate(0, 0.3) for _ in range(n)]
    made = median_of(samples)
    theirs = stats.quantile_test(samples, q=0, p=0.5).confidence_interval(0.95)
    assert made.value == pytest.approx(stats.scoreatpercentile(samples, 50))
    assert (made.low, made.high) == pytest.approx((theirs.low, theirs.high))
    assert made.low99 <= made.low <= made.value <= made.high <= made.high99


@pytest.mark.parametrize("n", [2, 3, 5, 12, 41])
def test_mean_interval_is_scipys_t(n: int) -> None:
    samples = [DRAW.gauss(3, 1) for _ in range(n)]
    made = mean_of(samples)
    theirs = stats.ttest_1samp(samples, 0).confidence_interval(0.95)
    assert (made.low, made.high) == pytest.approx((theirs.low, theirs.high))


def test_paired_difference_is_scipys_paired_t() -> None:
    a = [float(DRAW.random() < 0.6) for _ in range(41)]
    b = [float(DRAW.random() < 0.5) for _ in range(41)]
    made = compare_pairs(a, b, "difference", "mean")
    theirs = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert (made.low, made.high) == pytest.approx((theirs.low, theirs.high))
    assert made.statistic == "difference" and made.no_effect == 0


def test_too_few_samples_have_no_interval() -> None:
    assert not median_of([1.0, 2.0, 3.0, 4.0, 5.0]).bounded
    assert median_of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).bounded
    assert median_of(range(1, 8)).low99 == -math.inf and median_of(range(1, 9)).low99 == 1
    assert not mean_of([1.0]).bounded


def test_drift_that_hits_both_arms_leaves_the_ratio_alone() -> None:
    drift = [1 + 0.05 * i for i in range(20)]
    made = compare_pairs([2 * d for d in drift], [1 * d for d in drift], "ratio", "median")
    assert made.value == made.low == made.high == 0.5
    assert made.is_effect


def test_an_effect_of_two_percent_is_none() -> None:
    a = [1.0] * 20
    assert not compare_pairs(a, [1.02] * 20, "ratio", "median").is_effect
    assert compare_pairs(a, [1.021] * 20, "ratio", "median").is_effect
    assert not compare_pairs(a, [0.985] * 20, "ratio", "median").is_effect
    assert compare_pairs(a, [0.97] * 20, "ratio", "median").is_effect


def test_ranges_compare_every_combination() -> None:
    made = compare_pairs([100, 110], [50, 50], "ratio", "range")
    assert (made.low, made.high) == (50 / 110, 50 / 100)
    assert range_of([7]).bounded and range_of([7]).low == 7


def test_stated_values_add_their_errors_in_quadrature() -> None:
    made = compare_estimates(stated_value(50, 3, 100), stated_value(46, 4, 100), "difference")
    assert made.value == -4
    assert made.high - made.value == pytest.approx(1.959964 * 5, rel=1e-6)


def test_coverage_of_the_median_ratio() -> None:
    draw = random.Random(3)
    misses = 0
    for _ in range(400):
        a = [draw.lognormvariate(0, 0.1) for _ in range(25)]
        b = [2 * draw.lognormvariate(0, 0.1) for _ in range(25)]
        made = compare_pairs(a, b, "ratio", "median")
        misses += not made.low <= 2 <= made.high
    assert misses <= 0.05 * 400 + 10


def test_pooling_one_run_is_that_run_and_equal_runs_narrow_it() -> None:
    one = stated_value(10, 1, 100)
    assert pool([one]) is one
    four = pool([one, one, one, one])
    assert four.value == pytest.approx(10) and four.n == 400
    assert four.high - four.low == pytest.approx((one.high - one.low) / 2, rel=0.02)


def test_pooling_runs_that_differ_is_wider_than_their_noise() -> None:
    runs = [stated_value(value, 0.1, 50) for value in (9.0, 10.0, 11.0)]
    made = pool(runs)
    assert made.value == pytest.approx(10, rel=0.01)
    assert made.high - made.low > 1.5  # the runs' own intervals alone would give 0.23


def test_contradictions_are_intervals_apart_by_more_than_the_smallest_effect() -> None:
    a, b, c = stated_value(1.0, 0.001, 9), stated_value(1.01, 0.001, 9), stated_value(1.2, 0.001, 9)
    assert contradictions([a, b, c]) == [(0, 1), (0, 2), (1, 2)]
    timed = [e.of("ratio", 0.02) for e in (a, b, c)]
    assert contradictions(timed) == [(0, 2), (1, 2)]


def test_samples_needed_follow_the_root_law() -> None:
    estimate = stated_value(10, 1, 100)  # 8.04 to 11.96
    assert samples_needed(estimate, [(9, 20)]) == pytest.approx(100 * 1.959964**2 - 100, abs=1)
    assert samples_needed(estimate, [(10, 20)]) is None
    assert samples_needed(estimate, [(11, 20)]) is None
    assert samples_needed(median_of([1.0, 1.1, 0.9]), [(0.5, 2)]) == 3


def test_quartiles() -> None:
    assert quartiles([4, 1, 3, 2]) == (1.5, 3.5)
    assert quartiles([5, 1, 4, 2, 3]) == (2, 4)
