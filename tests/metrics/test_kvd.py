"""The kernel distance: known answers, no bias, an interval that covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.metrics.kvd import interval_half_width, polynomial_mmd


def by_hand(a: np.ndarray, b: np.ndarray) -> float:
    """The definition, one pair at a time."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    n, m = len(a), len(b)
    inside_a = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    inside_b = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(kernel(x, y) for x in a for y in b) / (n * m)
    return inside_a + inside_b - 2 * across


def test_the_estimate_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
    assert polynomial_mmd(a, b) == pytest.approx(by_hand(a, b), rel=1e-12)


def test_equal_distributions_give_zero_in_the_mean_and_negative_values_at_times() -> None:
    rng = np.random.default_rng(1)
    values = np.array([polynomial_mmd(rng.normal(size=(16, 8)), rng.normal(size=(16, 8))) for _ in range(400)])
    assert (values < 0).any()
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))


def test_the_estimate_does_not_depend_on_the_count_in_the_mean() -> None:
    rng = np.random.default_rng(2)
    means = {}
    for count in (8, 32):
        values = [polynomial_mmd(rng.normal(size=(count, 4)), rng.normal(size=(count, 4)) + 1) for _ in range(300)]
        means[count] = (np.mean(values), np.std(values) / np.sqrt(300))
    (small, small_error), (large, large_error) = means[8], means[32]
    assert abs(small - large) < 3 * np.hypot(small_error, large_error)


def test_the_estimate_grows_with_the_shift() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    values = [polynomial_mmd(a, b + shift) for shift in (0, 0.5, 1, 2)]
    assert values == sorted(values)


def test_the_interval_covers_the_truth_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    truth = polynomial_mmd(rng.normal(size=(4000, 4)), rng.normal(size=(4000, 4)) + 0.7)
    covered = 0
    for _ in range(200):
        a, b = rng.normal(size=(64, 4)), rng.normal(size=(64, 4)) + 0.7
        half = interval_half_width(a, b)
        assert half is not None
        covered += abs(polynomial_mmd(a, b) - truth) <= half
    assert stats.binomtest(covered, 200, 0.95, alternative="less").pvalue > 0.01


def test_few_videos_have_no_interval_and_nonsense_is_refused() -> None:
    few = np.zeros((39, 4))
    assert interval_half_width(few, few) is None
    assert interval_half_width(np.zeros((40, 4)), np.zeros((40, 4))) == 0
    with pytest.raises(ValueError, match="equal d"):
        polynomial_mmd(np.zeros((4, 2)), np.zeros((4, 3)))
