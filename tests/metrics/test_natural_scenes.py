"""Statistics of natural scenes: fits find what was drawn, coefficients are what the formula says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from dead_leaves import dead_leaves
from harness.metrics.natural_scenes import SHAPES, fit_asymmetric, luma, normalised

DRAWS = 60_000


def drawn(shape: float, left: float, right: float, seed: int) -> np.ndarray:
    """From an asymmetric generalised Gaussian with these scales, by the gamma distribution of |x|^shape."""
    rng = np.random.default_rng(seed)
    sides = np.where(rng.random(DRAWS) < left / (left + right), -left, right)
    return sides * rng.gamma(1 / shape, size=DRAWS) ** (1 / shape)


@settings(max_examples=25, derandomize=True)
@given(
    shape=st.floats(0.4, 4),
    left=st.floats(0.1, 5),
    skew=st.floats(0.4, 2.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_fit_finds_the_shape_and_both_scales_that_were_drawn_from(
    shape: float, left: float, skew: float, seed: int
) -> None:
    fit = fit_asymmetric(drawn(shape, left, left * skew, seed), zeros="neither")
    assert fit.shape == pytest.approx(shape, rel=0.12)
    # The root mean square is what widths are about; a scale beside a steep shape is known less well.
    unit = np.sqrt(special.gamma(3 / shape) / special.gamma(1 / shape))
    assert fit.left == pytest.approx(left * unit, rel=0.08)
    assert fit.right == pytest.approx(left * skew * unit, rel=0.08)


@pytest.mark.parametrize(("shape", "name"), [(1.0, "laplace"), (2.0, "normal")])
def test_laplacian_and_gaussian_have_the_shapes_1_and_2(shape: float, name: str) -> None:
    values = getattr(np.random.default_rng(1), name)(size=400_000)
    fit = fit_asymmetric(values, zeros="neither")
    assert fit.shape == pytest.approx(shape, rel=0.02)
    assert fit.scales[0] == pytest.approx(1 if name == "laplace" else np.sqrt(2), rel=0.03)


def test_the_mean_is_that_of_the_drawn_values() -> None:
    values = drawn(0.9, 1.0, 2.0, seed=5)
    assert fit_asymmetric(values, zeros="neither").mean == pytest.approx(values.mean(), rel=0.05)


@settings(max_examples=25, derandomize=True)
@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_widths_scale_with_the_values_and_the_shape_does_not(factor: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.2, 1, 500)
    one, other = fit_asymmetric(values, zeros="neither"), fit_asymmetric(values * factor, zeros="neither")
    assert other.shape == pytest.approx(one.shape, abs=0.0011)
    assert (other.left, other.right) == (pytest.approx(one.left * factor), pytest.approx(one.right * factor))


def test_mirrored_values_exchange_the_sides() -> None:
    values = drawn(1.3, 1.0, 2.0, seed=2)
    one, other = fit_asymmetric(values, zeros="neither"), fit_asymmetric(-values, zeros="neither")
    assert (other.shape, other.left, other.right) == (one.shape, one.right, one.left)
    assert other.mean == pytest.approx(-one.mean)


def test_rows_are_fitted_each_on_its_own() -> None:
    rows = np.stack([drawn(0.7, 1, 1, seed=3), drawn(2.5, 1, 3, seed=4)])
    together = fit_asymmetric(rows, zeros="neither")
    for number, row in enumerate(rows):
        alone = fit_asymmetric(row, zeros="neither")
        assert (alone.shape, alone.left, alone.right) == (
            together.shape[number],
            pytest.approx(together.left[number]),
            pytest.approx(together.right[number]),
        )


def test_zeros_count_on_the_right_or_on_neither_side() -> None:
    values = np.array([-2.0, 3.0, 0.0, 0.0, 0.0])
    neither, right = fit_asymmetric(values, zeros="neither"), fit_asymmetric(values, zeros="right")
    assert (neither.left, neither.right) == (2, 3)
    assert (right.left, right.right) == (2, 1.5)


def test_what_does_not_vary_has_no_width_and_the_smallest_shape() -> None:
    fit = fit_asymmetric(np.zeros((2, 9)), zeros="right")
    assert fit.shape.tolist() == [SHAPES[0]] * 2
    assert not fit.left.any()
    assert not fit.right.any()
    assert fit.mean.tolist() == [0, 0]


def test_values_of_one_size_take_the_largest_shape() -> None:
    """A generalised Gaussian of infinite shape is flat; two spikes lie beyond even that."""
    assert fit_asymmetric(np.array([-1.0, 1.0] * 50), zeros="neither").shape == SHAPES[-1]


def test_luma_is_that_of_bt_601_in_whole_levels() -> None:
    colours = np.array([[255, 255, 255], [0, 0, 0], [0, 255, 0], [0, 0, 255], [1, 0, 0]], np.uint8)
    assert luma(colours).tolist() == [255, 0, 150, 29, 0]


def test_a_single_bright_pixel_has_the_coefficient_that_the_formula_gives() -> None:
    picture = np.zeros((21, 21))
    picture[10, 10] = 100
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    peak = (window[3] / window.sum()) ** 2
    expected = (100 - 100 * peak) / (100 * np.sqrt(peak - peak**2) + 1)
    assert normalised(picture, outside="edge")[10, 10] == pytest.approx(expected)


def test_only_where_a_window_reaches_over_the_edge_does_the_outside_count() -> None:
    picture = luma(dead_leaves(40, 50))
    black, edge = (normalised(picture, outside=outside) for outside in ("black", "edge"))
    assert np.array_equal(black[3:-3, 3:-3], edge[3:-3, 3:-3])
    assert not np.allclose(black[0], edge[0])


@pytest.mark.parametrize("level", [1, 77, 255])
def test_a_flat_area_is_exactly_zero_for_its_rounding_would_look_like_a_shape(level: int) -> None:
    picture = luma(dead_leaves(40, 60))
    picture[5:30, 10:40] = level
    coefficients = normalised(picture, outside="edge")
    assert not coefficients[8:27, 13:37].any()
    assert (coefficients != 0).mean() > 0.4


def test_a_pictures_coefficients_do_not_depend_on_its_brightness() -> None:
    picture = luma(dead_leaves(40, 60)) / 2
    assert normalised(picture + 100, outside="edge") == pytest.approx(normalised(picture, outside="edge"), abs=1e-6)
