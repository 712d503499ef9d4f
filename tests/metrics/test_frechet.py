"""The Frechet distance: closed forms, invariances, refusals, and the metric over fakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Sight, Tools, VideoSet
from harness.metrics.features.network import Network
from harness.metrics.frechet import (
    Fvd,
    frechet_between,
    frechet_distance,
)
from harness.metrics.moments import Moments
from video_sets import video_set as set_of


class MeanColours:
    """A fake extractor: mean colour of the first and of the last frame, 6-d."""

    sha256 = "f" * 64

    def __init__(self, name: str = "mean-colours") -> None:
        self.card = {"extractor": name}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        ends = clips[:, [0, -1]].astype(np.float64).mean(axis=(2, 3))
        return ends.reshape(len(clips), 6)


def video_set(seed: int = 0, *, count: int = 12, frames: int = 4, size: int = 6, label: str = "made") -> VideoSet:
    videos = np.random.default_rng(seed).integers(0, 256, (count, frames, size, size, 3), dtype=np.uint8)
    return set_of(videos, label)


def fake(name: str) -> Network:
    return Network(load=lambda tools: MeanColours(name), status="stand-in", sight=Sight(cannot_see="the middle"))


def tools(tmp_path: Path) -> Tools:
    return Tools(cache=tmp_path / "features", judges=tmp_path / "judges")


def gaussian(seed: int, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d))
    return rng.normal(size=d), root @ root.T + 0.05 * np.eye(d)


def test_shifted_white_gaussians_are_apart_by_their_squared_shift() -> None:
    shift = np.arange(400) / 100
    assert frechet_distance(np.zeros(400), np.eye(400), shift, np.eye(400)) == pytest.approx(shift @ shift, rel=1e-12)


def test_scaled_white_gaussians_are_apart_by_the_dimension() -> None:
    zero, eye = np.zeros(400), np.eye(400)
    assert frechet_distance(zero, eye, zero, 4 * eye) == pytest.approx(400, rel=1e-12)


def test_covariances_that_do_not_commute_match_the_closed_form() -> None:
    distance = frechet_distance(np.zeros(2), np.array([[2.0, 1], [1, 2]]), np.zeros(2), np.diag([1.0, 4]))
    assert distance == pytest.approx(9 - 2 * np.sqrt(10 + 2 * np.sqrt(12)), abs=1e-13)
    assert distance == pytest.approx(0.77122044765434, abs=1e-13)


def test_singular_covariances_match_the_closed_form() -> None:
    # rank one on either side: the root of S_a S_b has the single eigenvalue |u.v|
    u, v = np.array([1.0, 2, 2]), np.array([3.0, 0, 4])
    distance = frechet_distance(np.zeros(3), np.outer(u, u), np.zeros(3), np.outer(v, v))
    assert distance == pytest.approx(u @ u + v @ v - 2 * abs(u @ v), abs=1e-9)
    assert frechet_distance(u, np.zeros((3, 3)), v, np.zeros((3, 3))) == pytest.approx((u - v) @ (u - v))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_distance_is_symmetric_and_not_negative(a: int, b: int) -> None:
    forth = frechet_distance(*gaussian(a), *gaussian(b))
    back = frechet_distance(*gaussian(b), *gaussian(a))
    assert forth >= 0
    assert forth == pytest.approx(back, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(-50, 50))
def test_the_distance_does_not_feel_a_common_rotation_or_shift(seed: int, shift: float) -> None:
    (mean_a, cov_a), (mean_b, cov_b) = gaussian(seed), gaussian(seed + 1)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    moved = frechet_distance(
        rotation @ mean_a + shift,
        rotation @ cov_a @ rotation.T,
        rotation @ mean_b + shift,
        rotation @ cov_b @ rotation.T,
    )
    assert moved == pytest.approx(frechet_distance(mean_a, cov_a, mean_b, cov_b), rel=1e-7, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_the_distance_scales_with_the_square_of_the_features(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 1
    assert frechet_between([scale * a], [scale * b]) == pytest.approx(scale**2 * frechet_between([a], [b]), rel=1e-7)


@pytest.mark.parametrize("count", [40, 8])
def test_a_set_is_at_distance_zero_from_itself_also_when_covariances_are_singular(count: int) -> None:
    features = np.random.default_rng(0).normal(size=(count, 16))
    assert frechet_between([features], [features]) == pytest.approx(0, abs=1e-9)


def test_the_small_sample_bias_follows_its_law() -> None:
    # law (2d + d(d+1)/2)/N for N > d; the same white distribution on both sides
    d, count = 40, 800
    rng = np.random.default_rng(1)
    draws = [frechet_between([rng.normal(size=(count, d))], [rng.normal(size=(count, d))]) for _ in range(8)]
    assert np.mean(draws) == pytest.approx((2 * d + d * (d + 1) / 2) / count, rel=0.1)


def test_nonsense_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        frechet_distance(np.zeros(3), np.eye(3), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="nan or an infinity"):
        frechet_distance(np.zeros(2), np.eye(2), np.array([0, np.nan]), np.eye(2))
    single = Moments(np.zeros(3))
    single.add(np.ones((1, 3)))
    with pytest.raises(ValueError, match="at least 2"):
        single.mean_and_covariance()


def test_moments_do_not_depend_on_how_the_stream_is_cut() -> None:
    features = np.random.default_rng(2).normal(size=(50, 6)) + 1e4
    whole, parts = Moments(features[0]), Moments(features[0])
    whole.add(features)
    for part in np.array_split(features, 7):
        parts.add(part)
    mean, covariance = parts.mean_and_covariance()
    np.testing.assert_allclose(mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, whole.mean_and_covariance()[1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.T), rtol=1e-9, atol=1e-12)
    about_zero = Moments(np.zeros(6))
    about_zero.add(features)
    assert np.abs(about_zero.mean_and_covariance()[1] - covariance).max() > 1e-9, "what the origin is there for"


def test_the_metric_states_its_protocol(tmp_path: Path) -> None:
    metric = Fvd("mean-colours", fake)
    score = metric.score(video_set(0, label="tpdiff"), video_set(1, label="reference"), tools(tmp_path))
    assert score.value is not None
    assert score.value > 0
    assert score.lo is None
    assert {
        "extractor",
        "size",
        "frames",
        "n_generated",
        "n_reference",
        "order_only",
    } <= score.protocol.keys()
    assert score.protocol["order_only"] is False
    few = metric.score(video_set(0, count=6), video_set(1, count=6), tools(tmp_path))
    assert few.protocol["order_only"] is True


def test_the_metric_grows_with_damage_and_is_zero_on_itself(tmp_path: Path) -> None:
    metric = Fvd("mean-colours", fake)
    rng = np.random.default_rng(3)
    clean = rng.integers(60, 120, (40, 4, 6, 6, 3), dtype=np.uint8)
    values = []
    for damage in (0, 10, 40, 100):
        made = set_of(clean + np.uint8(damage))
        values.append(metric.score(made, set_of(clean), tools(tmp_path)).value)
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values == sorted(values)
    assert values[1] > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 8}, r"'made' has 4 frames, reference 'real' has 8.*never cuts.*--window 4"),
        ({"size": 7}, r"6x6 \(height x width\), reference 'real' of 7x7"),
        ({"count": 9}, r"'made' has 12 videos, reference 'real' has 9.*--limit 9"),
    ],
)
def test_unequal_sides_are_refused_naming_both(tmp_path: Path, change: dict[str, int], message: str) -> None:
    metric = Fvd("mean-colours", fake)
    with pytest.raises(NotComparableError, match=f"(?s){message}") as caught:
        metric.score(video_set(), video_set(1, label="real", **change), tools(tmp_path))
    assert caught.value.exit_code == 5


def test_a_missing_reference_and_single_videos_are_refused(tmp_path: Path) -> None:
    metric = Fvd("mean-colours", fake)
    with pytest.raises(NotComparableError, match="there are none"):
        metric.score(video_set(), None, tools(tmp_path))
    with pytest.raises(NotComparableError, match="at least 2 a side"):
        metric.score(video_set(count=1), video_set(count=1), tools(tmp_path))


def test_float_frames_are_refused(tmp_path: Path) -> None:
    floats = set_of(np.random.default_rng(0).random((4, 4, 6, 6, 3)).astype(np.float32))
    with pytest.raises(MediaError, match="got float32 frames"):
        Fvd("mean-colours", fake).score(floats, video_set(count=4), tools(tmp_path))
