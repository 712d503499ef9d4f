"""Two programs in the same blocks: known answers, what is refused, and the interval that says the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.measure.side_by_side import slower_p_value_within
from harness.measure.stats import ratio_interval

BEFORE, NOW = [1.0, 1.02, 0.97, 1.05, 1.01, 1.03], [1.1, 1.12, 1.03, 1.2, 1.09, 1.18]
LAUNCHES = [0, 0, 1, 1, 2, 2]
seconds = st.lists(st.floats(1e-3, 1e3), min_size=6, max_size=6)


def test_the_p_value_is_the_larger_of_scipys_two() -> None:
    logs = np.log(NOW) - np.log(BEFORE)
    by_block = stats.ttest_1samp(logs, 0, alternative="greater").pvalue
    by_launch = stats.ttest_1samp(logs.reshape(3, 2).mean(axis=1), 0, alternative="greater").pvalue
    found = slower_p_value_within(BEFORE, NOW, launches=LAUNCHES).value
    assert found == max(by_block, by_launch)
    assert by_block != by_launch


@given(seconds, seconds)
def test_the_interval_of_the_ratio_at_twice_the_p_value_just_reaches_one(before: list[float], now: list[float]) -> None:
    p_value = slower_p_value_within(before, now, launches=LAUNCHES).value
    if p_value is not None and 1e-6 < p_value < 0.4:
        interval = ratio_interval(
            [[one] for one in now], [[one] for one in before], launches=LAUNCHES, level=1 - 2 * p_value
        )
        assert interval.lo == pytest.approx(1, abs=1e-6)


def test_a_common_disturbance_of_a_block_cancels() -> None:
    disturbed = [1.0, 3.0, 1.0, 1.5, 9.0, 1.0]
    both = [[one * by for one, by in zip(side, disturbed, strict=True)] for side in (BEFORE, NOW)]
    found = slower_p_value_within(*both, launches=LAUNCHES).value
    assert found == pytest.approx(slower_p_value_within(BEFORE, NOW, launches=LAUNCHES).value)


@pytest.mark.parametrize(
    ("count", "launches", "reason"),
    [(3, [0, 1, 2], "3 blocks"), (0, [], "0 blocks"), (4, [0] * 4, "1 launch")],
)
def test_too_little_has_no_p_value_and_a_reason(count: int, launches: list[int], reason: str) -> None:
    found = slower_p_value_within(BEFORE[:count], NOW[:count], launches=launches)
    assert found.value is None
    assert reason in found.reason


def test_clocks_that_agree_to_the_last_bit_show_no_spread() -> None:
    found = slower_p_value_within([1.0] * 4, [2.0] * 4, launches=[0, 0, 1, 1])
    assert found.value is None
    assert "no clock does" in found.reason


def test_what_is_no_timing_is_refused() -> None:
    with pytest.raises(ValueError, match="2 now"):
        slower_p_value_within([1.0] * 3, [1.0] * 2, launches=[0, 0, 1])
    with pytest.raises(ValueError, match="blocks take time"):
        slower_p_value_within([1.0] * 4, [1.0, 1.0, 0.0, 1.0], launches=[0, 0, 1, 1])
