"""The curve over the length of beginnings: closed forms, which way it goes, what is looked at, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import NotComparableError
from harness.metrics.base import Sight, Tools
from harness.metrics.features.cache import features_of
from harness.metrics.features.network import Network
from harness.metrics.frechet import Fvd
from harness.metrics.prefix import PARTS, Beginning, FvdPrefix, frames_of, mean_height
from video_sets import video_set

FRAMES = 8


class Colours:
    """A fake extractor, the mean colour of a clip: 3-d. It notes the lengths that it is shown."""

    sha256 = "c" * 64

    def __init__(self, shortest: int = 1) -> None:
        self.shortest = shortest
        self.lengths: list[int] = []
        self.card = {"extractor": "colours", "shortest": shortest}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        if clips.shape[1] < self.shortest:
            raise NotComparableError(f"clips have {clips.shape[1]} frames, it takes {self.shortest} or more")
        self.lengths += [clips.shape[1]] * len(clips)
        return clips.mean(axis=(1, 2, 3))


def metric(extractor: Colours) -> FvdPrefix:
    return FvdPrefix("colours", lambda name: _network(extractor))


def _network(extractor: Colours) -> Network:
    return Network(load=lambda tools: extractor, status="exact", sight=Sight(cannot_see="shapes"))


def real_clips(count: int = 20, frames: int = FRAMES) -> np.ndarray:
    """Each of one colour for good, so that beginnings of any length have the same features."""
    colours = np.random.default_rng(0).integers(20, 120, (count, 1, 1, 1, 3), dtype=np.uint8)
    return np.broadcast_to(colours, (count, frames, 2, 2, 3)).copy()


def brighter(by_frame: np.ndarray) -> np.ndarray:
    return real_clips() + by_frame.astype(np.uint8)[:, None, None, None]


def curve_of(clips: np.ndarray, tools: Tools) -> list[tuple[int, float]]:
    score = metric(Colours()).score(video_set(clips), video_set(real_clips(), "real"), tools)
    return [(frames, value) for frames, value in score.protocol["curve"]]


def test_a_drift_by_one_grey_level_a_frame_has_the_curve_in_closed_form(tools: Tools) -> None:
    """The first t frames are brighter by (t - 1) / 2 in the mean, in each of three channels, and vary as before."""
    score = metric(Colours()).score(video_set(brighter(np.arange(8))), video_set(real_clips(), "real"), tools)
    lengths, values = zip(*score.protocol["curve"], strict=True)
    assert lengths == (2, 4, 6, 8)
    expected = [3 * ((t - 1) / 2) ** 2 for t in lengths]
    assert values == pytest.approx(expected, abs=1e-6)
    assert score.value == pytest.approx((expected[0] / 2 + expected[1] + expected[2] + expected[3] / 2) / 3, abs=1e-6)
    assert (score.lo, score.hi) == (None, None)


def test_the_curve_tells_a_drift_from_a_bad_start_and_from_an_even_fault(tools: Tools) -> None:
    late, early, even = np.zeros((3, FRAMES))
    late[6:], early[:2], even[:] = 40, 40, 10
    curves = [[value for _, value in curve_of(brighter(fault), tools)] for fault in (late, early, even)]
    assert [curve[-1] for curve in curves] == pytest.approx([curves[2][-1]] * 3)  # alike as whole clips
    assert curves[0] == sorted(curves[0])
    assert curves[1] == sorted(curves[1], reverse=True)
    assert curves[0][0] == pytest.approx(0, abs=1e-6)
    assert curves[2] == pytest.approx([curves[2][0]] * 4)


def test_the_last_point_is_the_distance_of_whole_clips_from_the_same_features(tools: Tools) -> None:
    extractor, sides = Colours(), (video_set(brighter(np.arange(8))), video_set(real_clips(), "real"))
    score = metric(extractor).score(*sides, tools)
    assert {length: extractor.lengths.count(length) for length in (2, 4, 6, 8)} == dict.fromkeys((2, 4, 6, 8), 40)
    whole = Fvd("colours", lambda name: _network(extractor)).score(*sides, tools)
    assert score.protocol["curve"][-1] == [8, whole.value]
    assert len(extractor.lengths) == 160  # nothing was looked at again
    asked = metric(extractor).extractors(tools)
    for look in asked:
        features_of(sides[0], look, tools.cache)
    assert len(asked) == PARTS
    assert len(extractor.lengths) == 160


def test_lengths_that_the_extractor_does_not_take_are_named_and_left_out(tools: Tools) -> None:
    sides = video_set(brighter(np.arange(8))), video_set(real_clips(), "real")
    score = metric(Colours(shortest=5)).score(*sides, tools)
    assert [frames for frames, _ in score.protocol["curve"]] == [6, 8]
    assert list(score.protocol["lengths_refused"]) == ["2", "4"]
    assert "takes 5 or more" in score.protocol["lengths_refused"]["2"]
    assert score.value == pytest.approx(np.mean([value for _, value in score.protocol["curve"]]))
    all_taken = metric(Colours()).score(*sides, tools)
    assert all_taken.protocol["lengths_refused"] == {}


def test_one_length_is_no_curve_and_no_value(tools: Tools) -> None:
    sides = video_set(brighter(np.arange(8))), video_set(real_clips(), "real")
    score = metric(Colours(shortest=8)).score(*sides, tools)
    assert score.value is None
    assert "takes 1 of 4 lengths" in str(score.reason)
    assert len(score.protocol["curve"]) == 1


def test_clips_with_fewer_frames_than_the_curve_has_points_are_refused(tools: Tools) -> None:
    three, four = ([video_set(real_clips(frames=frames), name) for name in ("ours", "real")] for frames in (3, 4))
    with pytest.raises(NotComparableError, match=r"have 3 frames.*4 frames or more"):
        metric(Colours()).score(*three, tools)
    assert metric(Colours()).score(*four, tools).value == pytest.approx(0, abs=1e-6)


def test_a_beginning_has_a_card_of_its_own_and_shows_the_first_frames_only() -> None:
    clips = np.random.default_rng(1).integers(0, 256, (2, 7, 2, 2, 3), dtype=np.uint8)
    halves = Beginning(Colours(), 2)
    np.testing.assert_array_equal(halves(clips), Colours()(clips[:, :4]))
    assert len({str(Beginning(Colours(), part).card) for part in range(1, PARTS + 1)}) == PARTS


@given(st.integers(PARTS, 500))
def test_lengths_rise_up_to_the_whole(frames: int) -> None:
    lengths = [frames_of(part, frames) for part in range(1, PARTS + 1)]
    assert lengths[0] >= 1
    assert lengths == sorted(set(lengths))
    assert lengths[-1] == frames


@given(
    st.lists(
        st.tuples(st.integers(1, 100), st.floats(0, 1e6)), min_size=2, max_size=8, unique_by=lambda point: point[0]
    ),
    st.floats(0.1, 10),
    st.integers(0, 50),
)
def test_the_mean_height_lies_within_the_curve_and_scales_with_it(
    points: list[tuple[int, float]], scale: float, longer: int
) -> None:
    points.sort()
    values = [value for _, value in points]
    height = mean_height(points)
    assert min(values) - 1e-6 <= height <= max(values) * (1 + 1e-9) + 1e-6
    moved = [(frames + longer, scale * value) for frames, value in points]
    assert mean_height(moved) == pytest.approx(scale * height, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("curve", [[(4, 1.0)], [(4, 1.0), (4, 2.0)], [(8, 1.0), (4, 2.0)]])
def test_what_is_no_curve_has_no_height(curve: list[tuple[int, float]]) -> None:
    with pytest.raises(ValueError, match="two points or more"):
        mean_height(curve)
