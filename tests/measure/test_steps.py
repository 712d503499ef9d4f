"""A step is found where it is, noise is none, and how often that fails is measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from harness.measure.steps import FEWEST, find_steps


def noisy(*levels: tuple[float, int], spread: float = 0.02, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(level * rng.lognormal(0, spread)) for level, count in levels for _ in range(count)]


def test_one_step_is_found_where_it_is() -> None:
    (step,) = find_steps(noisy((1.0, 12), (1.1, 12)))
    assert step.at == 12
    assert step.change == pytest.approx(0.1, abs=0.02)
    assert step.p_value <= 0.01


def test_several_steps_are_found_in_order_with_their_levels() -> None:
    found = find_steps(noisy((1.0, 10), (1.2, 10), (0.9, 10)))
    assert [step.at for step in found] == [10, 20]
    assert [round(step.change, 1) for step in found] == [0.2, -0.2]  # 1.2 to 0.9 is a quarter less
    assert found[0].after == found[1].before


def test_an_outlier_is_no_step_and_neither_is_a_constant() -> None:
    series = noisy((1.0, 20))
    series[10] = 5.0
    assert find_steps(series) == []
    assert find_steps([1.0] * 30) == []


@pytest.mark.parametrize("count", [0, 1, 2 * FEWEST - 1])
def test_too_short_a_series_has_none(count: int) -> None:
    assert find_steps([float(value) for value in range(count)]) == []


def test_noise_is_taken_for_a_step_as_often_as_the_level_says() -> None:
    """Two hundred series without a step, seeds 0 to 199, all counted, at a level of 5 %."""
    alarms = sum(bool(find_steps(noisy((1.0, 20), seed=seed), level=0.05, seed=seed)) for seed in range(200))
    assert binom.sf(alarms - 1, 200, 0.05) >= 0.05
    assert alarms > 0


def test_steps_of_ten_per_cent_are_found_nearly_always() -> None:
    found = sum(bool(find_steps(noisy((1.0, 10), (1.1, 10), seed=seed), seed=seed)) for seed in range(100))
    assert binom.cdf(found, 100, 0.95) >= 0.05


@given(
    st.lists(st.floats(0.1, 10, allow_subnormal=False), min_size=0, max_size=24),
    st.floats(0.5, 2),
)
def test_a_change_of_the_unit_changes_no_place(series: list[float], factor: float) -> None:
    scaled = [value * factor for value in series]
    if len({*scaled}) == len({*series}):  # rounding made no two values equal
        assert [step.at for step in find_steps(series)] == [step.at for step in find_steps(scaled)]


@pytest.mark.parametrize(
    ("values", "level"), [([1.0, float("nan")], 0.01), ([[1.0]], 0.01), ([1.0], 0.0), ([1.0], 1.0)]
)
def test_what_is_no_series_or_no_level_is_refused(values: list[float], level: float) -> None:
    with pytest.raises(ValueError, match=r"finite|level"):
        find_steps(values, level=level)
