"""Metrics of the features of frames: known answers of each formula, and what a video counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.fid import Fid
from harness.metrics.formula import Formula
from harness.metrics.frame_consistency import FrameConsistency, cosines, frame_consistency
from harness.metrics.frechet import frechet_between
from harness.metrics.vbench.consistency import BackgroundConsistency, SubjectConsistency, consistency
from video_sets import video_set


def colours(name: str) -> Network[Extractor]:
    """Mean colour of each frame."""
    mean = Formula(name=name, of=lambda clips: clips.mean(axis=(2, 3)))
    return Network(load=lambda tools: mean, status="stand-in", sight=Sight(cannot_see="shapes"))


def plain(*pictures: tuple[int, int, int]) -> np.ndarray:
    """A clip of frames of one colour each, uint8 (T, 4, 4, 3)."""
    return np.array(pictures, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


RED, GREEN, BLUE = (200, 0, 0), (0, 100, 0), (0, 0, 50)


def test_the_distance_is_over_all_frames_whatever_their_order(tools: Tools) -> None:
    rng = np.random.default_rng(0)
    ours, real = (rng.integers(low, 200, (9, 5, 4, 4, 3), dtype=np.uint8) for low in (60, 0))
    score = Fid("colours", colours).score(video_set(ours), video_set(real, "real"), tools)
    frames = [side.mean(axis=(2, 3)).reshape(-1, 3) for side in (ours, real)]
    assert score.value == pytest.approx(frechet_between([frames[0]], [frames[1]]))
    assert score.protocol["pictures"] == 45
    assert score.protocol["order_only"] is False
    shuffled = ours[:, rng.permutation(5)]
    again = Fid("colours", colours).score(video_set(shuffled), video_set(real, "real"), tools)
    assert again.value == pytest.approx(score.value)
    with pytest.raises(NotComparableError, match="9 videos"):
        Fid("colours", colours).score(video_set(ours), video_set(real[:8], "real"), tools)


def test_no_more_frames_than_dimensions_give_an_order_only(tools: Tools) -> None:
    clips = np.random.default_rng(0).integers(0, 200, (3, 2, 4, 4, 3), dtype=np.uint8)
    for count, frames, order_only in ((2, 1, True), (3, 1, True), (2, 2, False)):
        part = clips[:count, :frames]
        card = Fid("colours", colours).score(video_set(part), video_set(part, "real"), tools).protocol
        assert card["pictures"] == count * frames
        assert card["order_only"] is order_only
        assert "not independent" in card["frames_of_a_clip"]


def test_what_a_user_s_network_sees_is_said_to_be_unchecked() -> None:
    def of_a_file(name: str) -> Network[Extractor]:
        return replace(colours(name), status="needs a file")

    for metric in (SubjectConsistency, BackgroundConsistency, FrameConsistency):
        assert "not checked here" in metric("dino-vitb16", of_a_file).sight.cannot_see
        assert metric("dino-vitb16", of_a_file).sight.order == ()
        assert "not checked here" not in metric("mobilenetv2", colours).sight.cannot_see
        assert metric("mobilenetv2", colours).sight.order


@pytest.mark.parametrize("metric", [SubjectConsistency, BackgroundConsistency, FrameConsistency])
def test_frames_that_are_alike_score_one_and_frames_that_have_nothing_in_common_zero(
    metric: type[SubjectConsistency], tools: Tools
) -> None:
    alike, other = plain(RED, RED, RED), plain(RED, GREEN, BLUE)
    score = metric("colours", colours).score(video_set(np.stack([alike, other])), None, tools)
    assert score.per_sample is not None
    assert score.per_sample.tolist() == [1, 0]
    assert score.value == 0.5


def test_the_first_frame_and_the_one_before_count_alike() -> None:
    e = np.eye(3)
    # frame 1 is like frame 0 (both cosines 1), frame 2 like neither, frame 3 like the first only
    features = np.stack([e[0], 2 * e[0], e[1], 3 * e[0]])[None]
    assert consistency(features)[0] == pytest.approx(((1 + 1) / 2 + 0 + (0 + 1) / 2) / 3)


def test_negative_cosines_count_as_zero_in_vbench_and_as_they_are_between_neighbours() -> None:
    features = np.array([[[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]])
    assert consistency(features)[0] == pytest.approx(0.25)  # cosines -1, -1 then 1, -1
    assert frame_consistency(features)[0] == pytest.approx(0)


def test_every_video_counts_once_however_the_original_s_single_gpu_weighs_frames() -> None:
    """The original sums over frames of all videos there; with videos of unequal length that is another number."""
    short, long = np.eye(2)[None, [0, 1]], np.ones((1, 9, 2))
    by_video = np.mean([consistency(short)[0], consistency(long)[0]])
    by_frame = (1 * consistency(short)[0] + 8 * consistency(long)[0]) / 9
    assert by_video == pytest.approx(0.5)
    assert abs(by_video - by_frame) > 0.3


@pytest.mark.parametrize(
    ("metric", "network"), [(SubjectConsistency, "dino-vitb16"), (BackgroundConsistency, "clip-vit-b-32-vbench")]
)
def test_only_the_leaderboard_s_network_is_comparable_with_it(
    metric: type[SubjectConsistency], network: str, tools: Tools
) -> None:
    clips = video_set(plain(RED, GREEN)[None])
    for name, comparable in ((network, True), ("efficientnet-lite0", False)):
        card = metric(name, colours).score(clips, None, tools).protocol
        assert card["comparable_with_the_leaderboard"] is comparable


@given(st.integers(0, 10**6))
def test_consistency_does_not_depend_on_the_length_of_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2, 5, 7))
    scaled = features * rng.uniform(0.1, 9, size=(2, 5, 1))
    assert consistency(scaled) == pytest.approx(consistency(features))
    assert ((consistency(features) >= 0) & (consistency(features) <= 1)).all()
    assert cosines(features, features) == pytest.approx(1)
