"""Scores without pairs: the difference of two means, as wide as it should be."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measure.unpaired_scores import difference_between


def test_newcombe_gives_the_interval_of_his_paper() -> None:
    """Newcombe 1998, table II, (a): 56/70 less 48/80, method 10: 0.0524 to 0.3339."""
    found = difference_between([1.0] * 48 + [0.0] * 32, [1.0] * 56 + [0.0] * 14)
    assert found.value == pytest.approx(0.2)
    assert (found.lo, found.hi) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_welch_covers_the_true_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        found = difference_between(rng.normal(0, 1, 12), rng.normal(1, 3, 30))
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= 1 <= found.hi
    assert 0.92 <= hits / 400 <= 0.98


def test_sides_change_the_sign_and_nothing_else() -> None:
    a, b = [0.1 * i for i in range(9)], [0.2 * i for i in range(12)]
    there, back = difference_between(a, b), difference_between(b, a)
    assert (there.value, there.lo, there.hi) == pytest.approx((-back.value, -back.hi, -back.lo))


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ([], [1.0], "no sample was scored on one side"),
        ([0.5] * 3, [0.1] * 20, "3 samples; an interval needs at least 8"),
        ([0.5] * 9, [0.25] * 9, "their spread is not known"),
    ],
)
def test_where_the_spread_is_not_known_there_is_no_interval(a: list[float], b: list[float], told: str) -> None:
    found = difference_between(a, b)
    assert found.lo is None
    assert told in found.reason
