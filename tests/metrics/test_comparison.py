"""A against B with one reference: what the test and the interval find, and that they are exact where that is known.

How often they are wrong is measured by ``benchmarks/calibrate_comparison.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import comparison
from harness.metrics.comparison import GROUPS, PERMUTATIONS, compare_sets
from harness.metrics.covariance import BIASED, Covariance
from harness.metrics.frechet import DistanceTo, frechet_between


def features(seed: int, *, shift: float = 0.0, count: int = 60, d: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, size=(count, d))


def test_a_distance_to_one_reference_is_the_distance() -> None:
    for d in (1, 4, 80):  # 80 > 60: singular
        real, ours = features(0, d=d), features(1, shift=0.5, d=d)
        assert DistanceTo(real)(ours) == pytest.approx(frechet_between([ours], [real]), rel=1e-7, abs=1e-7)


def test_the_nearer_side_is_found_and_exchanging_the_sides_turns_the_sign() -> None:
    real, near, far = features(0), features(1), features(2, shift=1)
    found, turned = compare_sets(near, far, real, paired=False), compare_sets(far, near, real, paired=False)
    assert found.difference < found.hi < 0
    assert found.p_value == 1 / (1 + PERMUTATIONS)
    assert turned.difference == pytest.approx(-found.difference)
    assert (turned.lo, turned.hi) == pytest.approx((-found.hi, -found.lo))
    assert turned.p_value == found.p_value


@pytest.mark.parametrize(("count", "others"), [(10, 30), (10, 10), (30, 10), (30, 30)])
def test_it_is_the_distance_whichever_of_the_counts_and_the_dimensions_is_smallest(count: int, others: int) -> None:
    real, ours = features(0, count=count, d=20), features(1, shift=0.5, count=others, d=20)
    distance = DistanceTo(real)
    assert distance(ours) == pytest.approx(frechet_between([ours], [real]), rel=1e-7)
    assert distance(ours[3:], distance.seen(ours)[3:]) == pytest.approx(distance(ours[3:]), rel=1e-9)


@pytest.mark.parametrize("covariance", [BIASED, Covariance(denominator="N-1", ridge=0.3)], ids=str)
@pytest.mark.parametrize(("count", "others"), [(10, 30), (30, 10), (30, 30)])
def test_it_is_the_distance_whatever_the_covariance(covariance: Covariance, count: int, others: int) -> None:
    real, ours = features(0, count=count, d=20), features(1, shift=0.5, count=others, d=20)
    found = DistanceTo(real, covariance)(ours)
    assert found == pytest.approx(frechet_between([ours], [real], covariance), rel=1e-7)
    assert found != pytest.approx(DistanceTo(real)(ours), rel=1e-3)


def test_a_comparison_is_on_the_covariance_that_is_asked_for() -> None:
    real, near, far = features(0), features(1), features(2, shift=1)
    biased = compare_sets(near, far, real, paired=False, covariance=BIASED)
    assert biased.difference == pytest.approx(
        frechet_between([near], [real], BIASED) - frechet_between([far], [real], BIASED)
    )
    assert biased.lo < biased.corrected < biased.hi < 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(0.1, 10), st.booleans())
def test_a_common_rotation_shift_and_scale_leave_the_test_and_scale_the_interval(
    seed: int, shift: float, scale: float, paired: bool
) -> None:
    sides = features(seed), features(seed + 1, shift=0.3), features(seed + 2)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "PERMUTATIONS", 19)
        found = compare_sets(*sides, paired=paired)
        moved = compare_sets(*(scale * side @ rotation + shift for side in sides), paired=paired)
    assert moved.p_value == found.p_value
    expected = [scale**2 * value for value in (found.difference, found.corrected, found.lo, found.hi)]
    assert [moved.difference, moved.corrected, moved.lo, moved.hi] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("paired", [True, False])
def test_a_side_against_itself_is_no_difference_at_all(paired: bool) -> None:
    found = compare_sets(features(1), features(1), features(0), paired=paired)
    assert (found.difference, found.corrected, found.lo, found.hi) == (0, 0, 0, 0)
    assert found.p_value == 1


def test_pairs_find_what_free_labels_do_not() -> None:
    """Two sides that are nearly the same videos: their small difference is lost among those of free labels."""
    rng = np.random.default_rng(3)
    a = features(1, shift=1)
    b = a + rng.normal(0.05, 0.01, a.shape)
    pairs, free = (compare_sets(a, b, features(0), paired=paired).p_value for paired in (True, False))
    assert pairs <= 0.01 < 0.2 < free


def test_the_draws_are_those_of_the_seed() -> None:
    sides = features(1), features(2), features(0)
    assert compare_sets(*sides, paired=False) == compare_sets(*sides, paired=False)
    assert compare_sets(*sides, paired=False, seed=1) != compare_sets(*sides, paired=False)


def test_the_correction_takes_the_bias_that_does_not_cancel_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A side that varies more has the larger bias; the truth here is d (s - 1)^2 on one side and 0 on the other."""
    monkeypatch.setattr(comparison, "PERMUTATIONS", 1)
    d, scale = 8, 1.6
    found = []
    for seed in range(80):
        a, b, real = np.random.default_rng([5, seed]).normal(size=(3, 200, d))
        found.append(compare_sets(scale * a, b, real, paired=False))
    truth = d * (scale - 1) ** 2
    corrected = np.array([each.corrected for each in found])
    error = corrected.std(ddof=1) / np.sqrt(len(corrected))
    assert abs(corrected.mean() - truth) < 3 * error
    assert np.mean([each.difference for each in found]) > truth + 3 * error


@pytest.mark.parametrize(
    "sides",
    [
        (features(0, count=59), features(1), features(2)),
        (features(0), features(1), features(2, count=59)),
        (features(0, d=3), features(1), features(2)),
        tuple(features(seed, count=2 * GROUPS - 1) for seed in range(3)),
    ],
)
def test_unequal_or_too_small_sides_are_refused(sides: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="needed three sets"):
        compare_sets(*sides, paired=False)
