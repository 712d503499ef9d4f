"""Precision, recall, density and coverage: limits, the expected coverage, and which way each fault goes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics import manifold as module
from harness.metrics.base import Sight, Tools
from harness.metrics.distances import distances_in_blocks
from harness.metrics.features.network import Network
from harness.metrics.formula import Formula
from harness.metrics.manifold import NEIGHBOURS, Coverage, Density, Precision, Recall, expected_coverage, manifold
from video_sets import video_set


def by_hand(generated: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """The definitions, one pair at a time."""

    def radius(point: np.ndarray, others: np.ndarray) -> float:
        return sorted(float(np.linalg.norm(point - other)) for other in others)[k]  # itself is the nearest

    real_balls = [(point, radius(point, real)) for point in real]
    our_balls = [(point, radius(point, generated)) for point in generated]

    def inside(point: np.ndarray, balls: list[tuple[np.ndarray, float]]) -> int:
        return sum(float(np.linalg.norm(point - centre)) < reach for centre, reach in balls)

    counts = [inside(point, real_balls) for point in generated]
    covered = [any(float(np.linalg.norm(c - p)) < r for p in generated) for c, r in real_balls]
    return (
        float(np.mean([count > 0 for count in counts])),
        float(np.mean([inside(point, our_balls) > 0 for point in real])),
        float(np.mean(counts) / k),
        float(np.mean(covered)),
    )


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_four_are_their_definitions(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    generated, real = rng.normal(size=(12, 3)), rng.normal(0.5, 1, size=(9, 3))
    found = manifold(generated, real, neighbours=k)
    expected = by_hand(generated, real, k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(40, 3)), rng.normal(size=(50, 3))
    whole = manifold(*sides)
    monkeypatch.setattr(module, "distances_in_blocks", partial(distances_in_blocks, rows=7))
    assert manifold(*sides) == whole


@given(st.integers(0, 10**6), st.floats(-1e4, 1e4), st.floats(0.01, 100))
def test_a_common_rotation_shift_scale_and_order_change_nothing(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    generated, real = rng.normal(size=(20, 3)), rng.normal(0.5, 1, size=(20, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = [rng.permutation(scale * side @ rotation + shift) for side in (generated, real)]
    assert manifold(*moved) == manifold(generated, real)


@given(st.integers(0, 10**6))
def test_precision_one_way_is_recall_the_other_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(15, 2)), rng.normal(0.7, 2, size=(25, 2))
    assert manifold(one, other).precision == manifold(other, one).recall


def test_equal_distributions_are_covered_as_the_counts_say() -> None:
    rng = np.random.default_rng(1)
    values = [manifold(rng.normal(size=(100, 4)), rng.normal(size=(60, 4))).coverage for _ in range(200)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected_coverage(100, 60)) < 3 * error
    assert abs(np.mean(values) - expected_coverage(60, 100)) > 3 * error


def test_five_is_the_smallest_number_of_neighbours_that_covers_95_percent() -> None:
    assert expected_coverage(1000, 1000, neighbours=NEIGHBOURS) > 0.95 > expected_coverage(1000, 1000, neighbours=4)
    assert expected_coverage(10**6, 10**6) == pytest.approx(1 - 2.0**-NEIGHBOURS, abs=1e-5)


def test_equal_distributions_have_density_about_one() -> None:
    rng = np.random.default_rng(2)
    values = [manifold(rng.normal(size=(200, 3)), rng.normal(size=(200, 3))).density for _ in range(40)]
    assert np.mean(values) == pytest.approx(1, abs=0.05)


def test_one_mode_of_two_is_precise_and_covers_half() -> None:
    rng = np.random.default_rng(3)
    near, far = rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 50
    found = manifold(rng.normal(size=(200, 3)), np.concatenate([near, far]))
    assert found.precision > 0.9
    assert 0.4 < found.coverage <= 0.5
    assert found.recall <= 0.5
    outliers = manifold(np.concatenate([near, far + 100]), np.concatenate([near, far]))
    assert outliers.precision == 0.5


@pytest.mark.parametrize("shapes", [((5, 2), (9, 2)), ((9, 2), (5, 2)), ((9, 2), (9, 3))])
def test_sets_without_a_kth_neighbour_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="needed two sets"):
        manifold(*(np.zeros(shape) for shape in shapes))


def colours(name: str) -> Network:
    mean = Formula(name=name, of=lambda clips: clips.mean(axis=(1, 2, 3)))
    return Network(load=lambda tools: mean, status="exact", sight=Sight(cannot_see="shapes"))


@pytest.mark.parametrize(
    ("metric", "field"),
    [(Precision, "precision"), (Recall, "recall"), (Density, "density"), (Coverage, "coverage")],
)
def test_each_metric_is_one_of_the_four(metric: type[Precision], field: str, tools: Tools) -> None:
    rng = np.random.default_rng(4)
    ours, real = (rng.integers(low, 255, (20, 2, 3, 3, 3), dtype=np.uint8) for low in (30, 0))
    score = metric("colours", colours).score(video_set(ours), video_set(real, "real"), tools)
    expected = manifold(*(side.mean(axis=(1, 2, 3)) for side in (ours, real)))
    assert score.value == pytest.approx(getattr(expected, field))
    assert score.protocol["expected_coverage"] == expected_coverage(20, 20)
    few = metric("colours", colours).score(video_set(ours[:5]), video_set(real[:5], "real"), tools)
    assert few.value is None
    assert "needs 6 or more" in str(few.reason)
