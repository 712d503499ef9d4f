"""Steps in a series: found where they are, and seldom where none is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.gating.steps import find_steps, pettitt

SERIES = 200


def test_pettitts_statistic_of_a_clean_step_is_its_largest() -> None:
    place, p_value = pettitt(np.array([1.0, 2, 3, 4, 11, 12, 13, 14]), np.random.default_rng(0))
    assert place == 4
    # K = 16 = its maximum for n = 8: 2 of the 8! / (4! 4!) = 70 ways to divide the ranks reach it.
    assert p_value == pytest.approx(2 / 70, abs=0.015)


def test_a_step_is_found_at_its_place_with_both_levels() -> None:
    rng = np.random.default_rng(1)
    values = [*(1 + 0.01 * rng.normal(size=30)), *(1.05 + 0.01 * rng.normal(size=30))]
    (step,) = find_steps(values)
    assert abs(step.at - 30) <= 1
    assert step.before == pytest.approx(1, abs=0.01)
    assert step.after == pytest.approx(1.05, abs=0.01)


def test_two_steps_are_found_in_order() -> None:
    rng = np.random.default_rng(2)
    levels = np.repeat([1.0, 1.2, 1.1], 25)
    found = find_steps((levels + 0.01 * rng.normal(size=75)).tolist())
    assert [step.at for step in found] == [25, 50]


def test_one_disturbed_run_is_no_step() -> None:
    values = (1 + 0.01 * np.random.default_rng(3).normal(size=40)).tolist()
    values[20] = 10.0
    assert find_steps(values) == []


def test_a_step_in_a_count_is_found_although_nothing_else_varies() -> None:
    assert [step.at for step in find_steps([100.0] * 10 + [101.0] * 10)] == [10]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_runs_have_no_steps(count: int) -> None:
    assert find_steps([float(number > 3) for number in range(count)]) == []


def test_of_200_series_without_a_step_no_more_have_one_than_the_level_allows() -> None:
    rng = np.random.default_rng(4)
    false = sum(bool(find_steps(rng.normal(size=40).tolist(), level=0.05)) for _ in range(SERIES))
    assert stats.binomtest(false, SERIES, 0.05, alternative="greater").pvalue >= 0.05, f"{false} of {SERIES}"


def test_a_step_of_three_standard_deviations_is_found_in_at_least_95_of_100_series() -> None:
    rng = np.random.default_rng(5)
    shift = np.repeat([0.0, 3.0], 20)
    found = sum(bool(find_steps((rng.normal(size=40) + shift).tolist())) for _ in range(SERIES))
    assert stats.binomtest(found, SERIES, 0.95, alternative="less").pvalue >= 0.05, f"{found} of {SERIES}"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_steps_do_not_depend_on_the_unit_and_repeat(values: list[float]) -> None:
    places = [step.at for step in find_steps(values)]
    assert places == [step.at for step in find_steps(values)]
    assert places == [step.at for step in find_steps([4 * value for value in values])]
    assert places == sorted(set(places))
