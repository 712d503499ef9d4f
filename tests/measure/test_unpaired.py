"""Two sets of blocks that were not timed together: known answers, what is refused, and the promised error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.measure.unpaired import holm, ratio_between, slower_p_value

PAIRS = 200
TWO = {"launches_a": [0, 0, 0, 1, 1, 1], "launches_b": [0, 0, 0, 1, 1, 1]}
A, B = [1.0, 1.02, 0.97, 1.05, 1.01, 1.03], [1.1, 1.21, 1.15, 1.2, 1.09, 1.18]
seconds = st.lists(st.floats(1e-3, 1e3), min_size=6, max_size=6)


def simulated(rng: np.random.Generator, *, slower: float = 0.0) -> tuple[np.ndarray, list[int]]:
    """The blocks of one run: three launches of six blocks, 2 % apart, 1 % within."""
    launch = np.repeat(rng.normal(0, 0.02, 3), 6)
    return np.exp(launch + rng.normal(0, 0.01, 18)) * (1 + slower), np.repeat(np.arange(3), 6).tolist()


def p_values(seed: int, *, slower: float) -> list[float]:
    rng, found = np.random.default_rng(seed), []
    for _ in range(PAIRS):
        a, launches_a = simulated(rng)
        b, launches_b = simulated(rng, slower=slower)
        p_value = slower_p_value(a, b, launches_a=launches_a, launches_b=launches_b).value
        assert p_value is not None
        found.append(p_value)
    return found


def test_the_interval_is_welchs_over_blocks_where_launches_agree() -> None:
    a, b = [1.0, 1.1, 1.0, 1.1], [2.0, 2.3, 2.0, 2.3]  # launch means of each side are equal
    found = ratio_between(a, b, launches_a=[0, 0, 1, 1], launches_b=[0, 0, 1, 1])
    scipys = stats.ttest_ind(np.log(b), np.log(a), equal_var=False).confidence_interval(0.95)
    assert found.lo == pytest.approx(math.exp(scipys.low))
    assert found.hi == pytest.approx(math.exp(scipys.high))


def test_the_interval_is_welchs_over_launch_means_where_launches_differ() -> None:
    a, b = [1.0, 1.01, 1.1, 1.11, 1.2, 1.21], [2.0, 2.01, 2.3, 2.31, 2.6, 2.61]
    launches = [0, 0, 1, 1, 2, 2]
    found = ratio_between(a, b, launches_a=launches, launches_b=launches)
    means = [np.log(side).reshape(3, 2).mean(axis=1) for side in (b, a)]
    scipys = stats.ttest_ind(*means, equal_var=False).confidence_interval(0.95)
    assert found.lo == pytest.approx(math.exp(scipys.low))
    assert found.hi == pytest.approx(math.exp(scipys.high))


def test_the_p_value_is_the_larger_of_scipys_two() -> None:
    by_rank = stats.mannwhitneyu(B, A, alternative="greater", method="exact").pvalue
    means = [np.log(side).reshape(2, 3).mean(axis=1) for side in (B, A)]
    by_launch = stats.ttest_ind(*means, alternative="greater").pvalue
    found = slower_p_value(A, B, **TWO).value
    assert found == pytest.approx(max(by_rank, by_launch))
    assert by_rank != pytest.approx(by_launch)


def test_one_launch_on_a_side_has_a_ratio_and_neither_interval_nor_p_value() -> None:
    one = {"launches_a": [0] * 6, "launches_b": [0, 0, 0, 1, 1, 1]}
    ratio, p_value = ratio_between(A, B, **one), slower_p_value(A, B, **one)
    assert ratio.value == pytest.approx(np.exp(np.log(B).mean() - np.log(A).mean()))
    assert ratio.lo is None
    assert p_value.value is None
    assert "1 launch" in ratio.reason
    assert "1 launch" in p_value.reason


def test_no_blocks_are_a_missing_value_with_a_reason() -> None:
    assert "no complete block" in ratio_between([], B, launches_a=[], launches_b=TWO["launches_b"]).reason
    assert "no complete block" in slower_p_value([], B, launches_a=[], launches_b=TWO["launches_b"]).reason


def test_clocks_that_agree_to_the_last_bit_show_no_spread() -> None:
    same = [1.0] * 6
    assert "no clock" in ratio_between(same, same, **TWO).reason
    assert "no clock" in slower_p_value(same, [2.0] * 6, **TWO).reason


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf, math.nan])
def test_a_block_that_took_no_time_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="blocks take time"):
        slower_p_value([wrong, *A[1:]], B, **TWO)


def test_values_without_their_launches_are_refused() -> None:
    with pytest.raises(ValueError, match="6 block values but 5 launches"):
        ratio_between(A, B, launches_a=[0] * 5, launches_b=TWO["launches_b"])


@given(seconds, seconds, st.floats(1e-3, 1e3))
def test_the_unit_of_time_changes_nothing(a: list[float], b: list[float], unit: float) -> None:
    plain = ratio_between(a, b, **TWO)
    scaled = ratio_between([unit * one for one in a], [unit * one for one in b], **TWO)
    assert scaled.value == pytest.approx(plain.value)


@given(seconds, seconds)
def test_the_other_way_round_the_ratio_is_its_inverse(a: list[float], b: list[float]) -> None:
    there, back = ratio_between(a, b, **TWO), ratio_between(b, a, **TWO)
    assert there.value is not None
    assert back.value == pytest.approx(1 / there.value)
    if there.lo is not None and back.hi is not None:
        assert back.hi == pytest.approx(1 / there.lo)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holms_adjustment_keeps_the_order_and_lies_between_the_plain_one_and_bonferronis(p: list[float]) -> None:
    adjusted = holm(p)
    for plain, found in zip(p, adjusted, strict=True):
        assert plain <= found <= min(1.0, len(p) * plain) or found == pytest.approx(plain)
    assert [adjusted[i] for i in np.argsort(p, kind="stable")] == sorted(adjusted)


def test_holms_adjustment_of_a_published_example() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_of_200_pairs_of_equal_runs_no_more_are_called_slower_than_the_level_allows() -> None:
    false = sum(p <= 0.05 for p in p_values(1, slower=0.0))
    assert stats.binomtest(false, PAIRS, 0.05, alternative="greater").pvalue >= 0.05, f"{false} of {PAIRS}"


def test_ranks_over_blocks_alone_would_not_keep_the_level() -> None:
    rng, false = np.random.default_rng(1), 0
    for _ in range(PAIRS):
        (a, _), (b, _) = simulated(rng), simulated(rng)
        false += stats.mannwhitneyu(b, a, alternative="greater").pvalue <= 0.05
    assert stats.binomtest(false, PAIRS, 0.05, alternative="greater").pvalue < 1e-6, f"{false} of {PAIRS}"


def test_a_tenth_more_is_found_in_at_least_95_of_100() -> None:
    found = sum(p <= 0.05 for p in p_values(2, slower=0.10))
    assert stats.binomtest(found, PAIRS, 0.95, alternative="less").pvalue >= 0.05, f"{found} of {PAIRS}"


def test_the_interval_of_equal_runs_holds_one_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(PAIRS):
        (a, launches_a), (b, launches_b) = simulated(rng), simulated(rng)
        found = ratio_between(a, b, launches_a=launches_a, launches_b=launches_b)
        assert found.lo is not None
        assert found.hi is not None
        held += found.lo <= 1 <= found.hi
    assert stats.binomtest(held, PAIRS, 0.95, alternative="less").pvalue >= 0.05, f"{held} of {PAIRS}"
