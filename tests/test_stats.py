"""Intervals must cover what they say they cover: accepted by the exact binomial test on seeds fixed here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.measure.paired import difference_interval, log_distance_interval, tango_interval
from harness.measure.stats import Interval, median_interval, observations_needed, ratio_interval

REPETITIONS = 600


def covers_at_least(hits: int, repetitions: int, level: float) -> bool:
    """False if so few hits would happen less than once in a thousand at this coverage."""
    return stats.binomtest(hits, repetitions, level, alternative="less").pvalue > 1e-3


def simulated_blocks(
    rng: np.random.Generator, *, ratio: float, launches: int, blocks: int, noise: float, launch_effect: float
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """ABBA blocks of two calls a side, lognormal noise a call, and a launch's own effect on the ratio."""
    count = launches * blocks
    effect = np.repeat(rng.normal(0, launch_effect, launches), blocks)[:, None]
    control = ratio * rng.lognormal(0, noise, (count, 2)) * np.exp(effect)
    candidate = rng.lognormal(0, noise, (count, 2))
    return control, candidate, np.repeat(np.arange(launches), blocks).tolist()


def hits_of_ratio(seed: int, *, ratio: float, use_launches: bool = True, **design: float) -> int:
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(REPETITIONS):
        control, candidate, launches = simulated_blocks(rng, ratio=ratio, **design)  # type: ignore[arg-type]
        found = ratio_interval(control, candidate, launches=launches if use_launches else None)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= ratio <= found.hi
    return hits


@pytest.mark.parametrize("launch_effect", [0.0, 0.03, 0.06])
@pytest.mark.parametrize(("launches", "blocks"), [(3, 2), (3, 3), (4, 3)])
@pytest.mark.parametrize("ratio", [1.0, 1.7])
def test_ratio_interval_covers_an_aa_comparison_and_a_known_ratio(
    ratio: float, launches: int, blocks: int, launch_effect: float
) -> None:
    hits = hits_of_ratio(
        launches * 10 + blocks,
        ratio=ratio,
        launches=launches,
        blocks=blocks,
        noise=0.03,
        launch_effect=launch_effect,
    )
    assert covers_at_least(hits, REPETITIONS, 0.95)


@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_ratio_interval_without_launches_covers_when_launches_have_no_effect(noise: float) -> None:
    hits = hits_of_ratio(5, ratio=1.5, use_launches=False, launches=3, blocks=3, noise=noise, launch_effect=0.0)
    assert covers_at_least(hits, REPETITIONS, 0.95)
    assert not covers_at_least(hits, REPETITIONS, 0.99), "an interval that always covers says nothing"


def test_blocks_alone_are_found_anti_conservative_under_a_launch_effect() -> None:
    """The sibling that shows the coverage test can fail, and why launches are clustered."""
    hits = hits_of_ratio(6, ratio=1.5, use_launches=False, launches=3, blocks=3, noise=0.03, launch_effect=0.06)
    assert not covers_at_least(hits, REPETITIONS, 0.95)


def test_ratio_of_means_within_a_block_ignores_drift_between_blocks() -> None:
    drift = np.array([1.0, 3.0, 2.0, 7.0])[:, None]
    control = drift * np.array([[2.0, 2.02], [2.02, 2.0], [2.0, 2.0], [2.01, 2.0]])
    found = ratio_interval(control, drift * np.ones((4, 2)))
    assert found.value == pytest.approx(2.0, rel=0.01)
    assert found.hi is not None
    assert found.hi < 2.03


def test_the_ratio_is_inverted_when_the_sides_are_swapped() -> None:
    rng = np.random.default_rng(0)
    control, candidate, launches = simulated_blocks(
        rng, ratio=1.7, launches=3, blocks=3, noise=0.05, launch_effect=0.02
    )
    one, other = (
        ratio_interval(control, candidate, launches=launches),
        ratio_interval(candidate, control, launches=launches),
    )
    assert one.value == pytest.approx(1 / other.value)  # type: ignore[operator]
    assert one.lo == pytest.approx(1 / other.hi)  # type: ignore[operator]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_than_four_blocks_give_a_value_without_an_interval(count: int) -> None:
    found = ratio_interval([[2.0, 2.1]] * count, [[1.0, 1.1]] * count)
    assert found.value is not None
    assert (found.lo, found.hi) == (None, None)
    assert f"{count} block" in found.reason


def test_no_block_gives_no_value() -> None:
    found = ratio_interval([], [])
    assert found.value is None
    assert found.reason


def test_blocks_must_pair_and_take_time() -> None:
    with pytest.raises(ValueError, match="1 control blocks but 2"):
        ratio_interval([[1.0]], [[1.0], [1.0]])
    with pytest.raises(ValueError, match="took time"):
        ratio_interval([[0.0]], [[1.0]])


@pytest.mark.parametrize("count", [6, 7, 8, 9, 12, 30])
def test_median_interval_covers_by_exact_enumeration_and_is_the_narrowest_that_does(count: int) -> None:
    found = median_interval([float(i) for i in range(1, count + 1)])
    assert found.lo is not None
    rank = int(found.lo)

    def coverage(k: int) -> float:
        return float(1 - 2 * stats.binom.cdf(k - 1, count, 0.5))

    assert coverage(rank) >= 0.95 > coverage(rank + 1)


def hits_of_median(*, clustered: bool, launch_effect: float, launches: int = 3, blocks: int = 3) -> int:
    """Seconds of one generator: block means with a launch's own effect; their median is 1."""
    rng = np.random.default_rng(13)
    names = np.repeat(np.arange(launches), blocks).tolist()
    hits = 0
    for _ in range(REPETITIONS):
        effect = np.repeat(rng.normal(0, launch_effect, launches), blocks)
        means = rng.lognormal(0, 0.03, (launches * blocks, 2)).mean(axis=1) * np.exp(effect)
        found = median_interval(means.tolist(), clusters=names if clustered else None)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= 1.0 <= found.hi
    return hits


@pytest.mark.parametrize("launch_effect", [0.0, 0.03, 0.06])
@pytest.mark.parametrize("launches", [3, 4])
def test_median_interval_covers_blocks_that_share_a_launch(launches: int, launch_effect: float) -> None:
    hits = hits_of_median(clustered=True, launch_effect=launch_effect, launches=launches)
    assert covers_at_least(hits, REPETITIONS, 0.95)


def test_order_statistics_of_pooled_blocks_are_found_anti_conservative_under_a_launch_effect() -> None:
    """The sibling: what the median of a generator's seconds rested on before launches counted."""
    hits = hits_of_median(clustered=False, launch_effect=0.03)
    assert not covers_at_least(hits, REPETITIONS, 0.95)


def test_launches_never_narrow_the_interval_of_the_median() -> None:
    values = np.random.default_rng(14).lognormal(0, 0.1, 9).tolist()
    pooled = median_interval(values)
    for names in (list("aaabbbccc"), list("abcabcabc"), list("aaaaaaaaa")):
        found = median_interval(values, clusters=names)
        assert found.value == pooled.value
        assert found.lo <= pooled.lo  # type: ignore[operator]
        assert found.hi >= pooled.hi  # type: ignore[operator]
    assert "3 launch means, whichever is wider" in median_interval(values, clusters=list("aaabbbccc")).method


def test_seconds_of_several_launches_must_be_positive() -> None:
    with pytest.raises(ValueError, match="need logarithms, got 0"):
        median_interval([0.0] * 6, clusters=list("aaabbb"))


def exact_tango_coverage(pairs: int, gain: float, loss: float) -> float:
    """Sum of the trinomial probabilities of every table whose interval holds gain - loss."""
    covered = 0.0
    for gains in range(pairs + 1):
        for losses in range(pairs + 1 - gains):
            weight = stats.multinomial.pmf(
                [gains, losses, pairs - gains - losses], pairs, [gain, loss, 1 - gain - loss]
            )
            if weight > 1e-7:
                lo, hi = tango_interval(gains, losses, pairs)
                covered += weight * (lo <= gain - loss <= hi)
    return covered


@pytest.mark.parametrize(("gain", "loss"), [(0.01, 0.01), (0.02, 0.07), (0.05, 0.05), (0.1, 0.3)])
def test_tango_interval_covers_by_exact_enumeration(gain: float, loss: float) -> None:
    assert exact_tango_coverage(64, gain, loss) >= 0.94


def test_the_wald_interval_would_not_cover() -> None:
    """The sibling: t on 0/1 differences collapses when no pair differs."""
    pairs, gain, loss = 64, 0.01, 0.01
    covered = 0.0
    for gains in range(12):
        for losses in range(12):
            weight = stats.multinomial.pmf(
                [gains, losses, pairs - gains - losses], pairs, [gain, loss, 1 - gain - loss]
            )
            mean = (gains - losses) / pairs
            spread = math.sqrt(((gains + losses) / pairs - mean**2) / (pairs - 1))
            covered += weight * (abs(mean - (gain - loss)) < 1.96 * spread)
    assert covered < 0.94


@pytest.mark.parametrize(("gains", "losses"), [(0, 0), (5, 0), (0, 5), (3, 4), (64, 0), (0, 64)])
def test_tango_interval_solves_its_defining_equation_over_all_tables(gains: int, losses: int) -> None:
    """Independent route: the constrained likelihood maximised on a grid instead of in closed form."""
    pairs, z = 64, stats.norm.ppf(0.975)

    def score(delta: float) -> float:
        q = np.linspace(max(0.0, -delta), (1 - delta) / 2, 200_001)[1:-1]
        likelihood = (
            gains * np.log(q + delta) + losses * np.log(q) + (pairs - gains - losses) * np.log(1 - 2 * q - delta)
        )
        best = q[np.argmax(likelihood)]
        return (gains - losses - pairs * delta) / math.sqrt(pairs * (2 * best + delta * (1 - delta)))

    lo, hi = tango_interval(gains, losses, pairs)
    if lo > -1:
        assert score(lo) == pytest.approx(z, abs=0.02)
    if hi < 1:
        assert score(hi) == pytest.approx(-z, abs=0.02)


def test_equal_binary_scores_keep_a_width() -> None:
    found = difference_interval([1.0] * 64, [1.0] * 64)
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < -0.05 < 0.05 < found.hi


def test_equal_continuous_scores_have_no_interval_instead_of_a_zero_width() -> None:
    scores = [0.1 * i for i in range(64)]
    found = difference_interval(scores, scores)
    assert (found.value, found.lo, found.hi) == (0.0, None, None)
    assert "spread is not known" in found.reason


def test_continuous_difference_covers() -> None:
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(REPETITIONS):
        control = rng.gamma(2.0, size=64)
        found = difference_interval(control, control + rng.gamma(2.0, size=64) - 1.5)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= 0.5 <= found.hi
    # A skewed score at 64 samples: t loses about one point of coverage.
    assert covers_at_least(hits, REPETITIONS, 0.94)


def test_samples_shared_by_seeds_are_no_independent_observations() -> None:
    rng = np.random.default_rng(9)
    per_sample = rng.normal(size=32)
    control, candidate = np.zeros(96), np.tile(per_sample, 3)
    pooled = difference_interval(control, candidate)
    clustered = difference_interval(control, candidate, clusters=list(range(32)) * 3)
    assert clustered.n == 32
    assert clustered.lo is not None
    assert pooled.lo is not None
    assert clustered.hi is not None
    assert pooled.hi is not None
    assert clustered.hi - clustered.lo > 1.5 * (pooled.hi - pooled.lo)


def test_swapping_the_sides_flips_the_binary_interval() -> None:
    rng = np.random.default_rng(10)
    control, candidate = rng.integers(0, 2, (2, 64)).astype(float)
    one, other = difference_interval(control, candidate), difference_interval(candidate, control)
    assert one.lo == pytest.approx(-other.hi)  # type: ignore[operator]
    assert one.hi == pytest.approx(-other.lo)  # type: ignore[operator]


@pytest.mark.parametrize(("control_mean", "candidate_mean"), [(1.0, 1.0), (1.0, 0.9), (0.9, 0.8), (0.95, 1.05)])
def test_log_distance_interval_covers_on_both_sides_of_the_fold(control_mean: float, candidate_mean: float) -> None:
    rng = np.random.default_rng(11)
    truth = abs(math.log(candidate_mean)) - abs(math.log(control_mean))
    repetitions, hits = 300, 0
    for _ in range(repetitions):
        shared, own = rng.normal(size=(2, 64))
        control = control_mean * np.exp(0.5 * shared - 0.125)
        candidate = candidate_mean * np.exp(0.5 * (0.5 * shared + math.sqrt(0.75) * own) - 0.125)
        found = log_distance_interval(control, candidate, reference_error=0)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= truth <= found.hi
    assert covers_at_least(hits, repetitions, 0.95)


def hits_of_log_distance(control_mean: float, candidate_mean: float, *, reference_is_exact: bool) -> int:
    """Ratios as the metric makes them: divided by the mean of 64 reference clips that are drawn each time."""
    rng = np.random.default_rng(15)
    spread, truth = 0.47, abs(math.log(candidate_mean)) - abs(math.log(control_mean))
    hits = 0
    for _ in range(REPETITIONS):
        shared, own, real = rng.normal(size=(3, 64))
        reference = np.exp(spread * real - spread**2 / 2)
        control = control_mean * np.exp(spread * shared - spread**2 / 2)
        mixed = 0.5 * shared + math.sqrt(0.75) * own
        candidate = candidate_mean * np.exp(spread * mixed - spread**2 / 2)
        mean = reference.mean()
        error = 0.0 if reference_is_exact else float(reference.std(ddof=1) / 8 / mean)
        found = log_distance_interval(control / mean, candidate / mean, reference_error=error)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= truth <= found.hi
    return hits


@pytest.mark.parametrize(
    ("control_mean", "candidate_mean", "level"),
    # With the control at 1 the fold bends the ellipse most: 93.2 % of 4,000.
    [(1.1, 0.85, 0.95), (1.3, 0.75, 0.95), (0.8, 0.85, 0.95), (1.0, 1.0, 0.95), (1.0, 0.85, 0.93)],
)
def test_log_distance_interval_covers_with_an_estimated_reference(
    control_mean: float, candidate_mean: float, level: float
) -> None:
    hits = hits_of_log_distance(control_mean, candidate_mean, reference_is_exact=False)
    assert covers_at_least(hits, REPETITIONS, level)


@pytest.mark.parametrize(("control_mean", "candidate_mean"), [(1.1, 0.85), (1.3, 0.75), (1.0, 0.85)])
def test_a_reference_taken_as_exact_is_found_anti_conservative(control_mean: float, candidate_mean: float) -> None:
    """The sibling: 64 clips are no truth, and the error that both sides share does not cancel across 1."""
    hits = hits_of_log_distance(control_mean, candidate_mean, reference_is_exact=True)
    assert not covers_at_least(hits, REPETITIONS, 0.93)


def test_the_error_of_the_reference_cancels_where_both_sides_are_on_the_same_side_of_one() -> None:
    rng = np.random.default_rng(16)
    control, candidate = 0.4 * rng.lognormal(0, 0.3, 64), 0.3 * rng.lognormal(0, 0.3, 64)
    exact = log_distance_interval(control, candidate, reference_error=0)
    drawn = log_distance_interval(control, candidate, reference_error=0.06)
    assert (drawn.lo, drawn.hi) == pytest.approx((exact.lo, exact.hi), abs=1e-5)


def test_an_unknown_error_of_the_reference_leaves_a_value_without_an_interval() -> None:
    rng = np.random.default_rng(17)
    found = log_distance_interval(rng.lognormal(0, 0.3, 64), rng.lognormal(0, 0.3, 64), reference_error=None)
    assert found.value is not None
    assert (found.lo, found.hi) == (None, None)
    assert "not in the card" in found.reason


def test_log_distance_treats_too_little_and_too_much_motion_alike() -> None:
    rng = np.random.default_rng(12)
    spread = rng.lognormal(0, 0.3, 64)
    spread /= spread.mean()
    for factor in (0.5, 2):
        found = log_distance_interval(spread, spread * factor, reference_error=0)
        assert found.value == pytest.approx(math.log(2))


def test_log_distance_of_frozen_videos_has_a_reason_instead_of_infinity() -> None:
    found = log_distance_interval([1.0] * 64, [0.0] * 64, reference_error=0)
    assert found.value is None
    assert "logarithm" in found.reason


def test_observations_needed_moves_the_end_to_the_boundary() -> None:
    interval = Interval(value=0.01, lo=-0.11, hi=0.13, n=50, method="")
    needed = observations_needed(interval, -0.05)
    assert needed == 200
    assert 0.01 - 0.12 * math.sqrt(50 / needed) >= -0.05 - 1e-12
    assert observations_needed(interval, 0.01) is None
