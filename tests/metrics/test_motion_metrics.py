"""Metrics on optical flow and frame interpolation: closed forms on known motion, limits from both sides, real clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from disturbed import real_clips
from harness import given, weights
from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.flow.base import Flow
from harness.metrics.flow_statistics import FlowMagnitude
from harness.metrics.interpolation.average import Average
from harness.metrics.interpolation.base import Interpolator, find_interpolator
from harness.metrics.vbench.dynamics import DynamicDegree, Sampling, threshold, top_motion
from harness.metrics.vbench.smoothness import MotionSmoothness, smoothness
from harness.metrics.warping import WarpingError, visible, warping_errors
from moving_pictures import translation
from video_sets import video_set

SIGHT = Sight(cannot_see="nothing: a fake that tests made")


class GreyFlow:
    """Everything moves to the right by a tenth of the first frame's grey level, in pixels."""

    sha256 = ""
    card = {"flow": "grey"}  # noqa: RUF012

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        out = np.zeros((*first.shape[:3], 2), np.float32)
        out[..., 0] = first[..., 0] / np.float32(10)
        return out


class Told:
    """Says what it is told to, and notes what it is shown."""

    sha256 = ""
    card = {"interpolator": "told"}  # noqa: RUF012

    def __init__(self, level: float) -> None:
        self.level = level
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        self.shown.append(first.shape)
        return np.full(first.shape, self.level, np.float32)


def with_flow(metric: Callable[..., DynamicDegree], flow: Flow) -> DynamicDegree:
    return metric("fake", lambda name: Network(load=lambda tools: flow, status="stand-in", sight=SIGHT))


def levels(*values: int, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """One clip of uniform frames with these grey levels."""
    frames = np.array(values, np.uint8)[None, :, None, None, None]
    return np.broadcast_to(frames, (1, len(values), *size, 3)).copy()


# Dynamic degree: at 64 pixels, more than 1.5 pixels are far; GreyFlow moves by 1.5 at level 15.


@pytest.mark.parametrize(
    ("fps", "every"), [(1, 1), (4, 1), (8, 1), (12, 2), (20, 2), (24, 3), (28, 4), (29.97, 4), (30, 4)]
)
def test_every_how_many_th_frame_is_looked_at_rounds_halves_to_even(fps: float, every: int) -> None:
    assert Sampling.of(frames=64, fps=fps).every == every


@pytest.mark.parametrize(
    ("frames", "needed"), [(1, 0), (2, 0), (3, 1), (6, 2), (9, 2), (10, 2), (11, 3), (14, 4), (16, 4), (18, 4), (22, 6)]
)
def test_how_many_gaps_must_move_rounds_halves_to_even(frames: int, needed: int) -> None:
    assert Sampling.of(frames=frames, fps=8).needed == needed


@pytest.mark.parametrize(("moving", "value"), [(1, 0.0), (2, 1.0), (3, 1.0)])
def test_two_of_ten_frames_must_move_where_rounding_up_would_ask_for_three(
    moving: int, value: float, tools: Tools
) -> None:
    clip = levels(*([16] * moving + [0] * (10 - moving)))
    score = with_flow(DynamicDegree, GreyFlow()).score(video_set(clip, fps=8), None, tools)
    assert score.protocol["needed_gaps"] == 2
    assert score.value == value


@pytest.mark.parametrize(("level", "value"), [(15, 0.0), (16, 1.0)])
def test_motion_of_just_the_threshold_is_not_enough(level: int, value: float, tools: Tools) -> None:
    score = with_flow(DynamicDegree, GreyFlow()).score(video_set(levels(*[level] * 16), fps=8), None, tools)
    assert score.value == value


def test_the_threshold_grows_with_the_shorter_side() -> None:
    assert [threshold(size) for size in ((256, 256), (256, 512), (512, 256), (720, 1280))] == [6.0, 6.0, 6.0, 16.875]


@pytest.mark.parametrize(("by", "value"), [(1.3, 0.0), (1.7, 1.0)])
def test_a_real_flow_tells_slow_from_fast_at_the_threshold(by: float, value: float, tools: Tools) -> None:
    clip = translation(15, by=(by, 0), size=(64, 64))[None]
    score = DynamicDegree("dis").score(video_set(clip, fps=8), None, tools)
    assert score.protocol["threshold_pixels"] == 1.5
    assert score.protocol["mean_top_motion_pixels"] == pytest.approx(by, abs=0.2)
    assert score.value == value


def test_at_a_higher_rate_frames_further_apart_are_compared(tools: Tools) -> None:
    clip = translation(15, by=(0.6, 0), size=(64, 64))[None]
    slow, fast = (DynamicDegree("dis").score(video_set(clip, fps=fps), None, tools) for fps in (8, 24))
    assert (slow.value, fast.value) == (0.0, 1.0)
    assert (fast.protocol["every"], fast.protocol["sampled_frames"], fast.protocol["needed_gaps"]) == (3, 6, 2)


def test_only_what_moves_most_counts() -> None:
    clip = np.zeros((1, 2, 64, 64, 3), np.uint8)
    clip[0, 0, :8, :26] = 200  # 208 of 4096 pixels; 5 % are 204
    assert top_motion(GreyFlow(), clip, every=1).tolist() == [[20.0]]
    clip[0, 0, :8, 13:26] = 0
    assert top_motion(GreyFlow(), clip, every=1).tolist() == [[pytest.approx(20 * 104 / 204)]]


def test_the_share_of_dynamic_clips_comes_with_wilsons_interval(tools: Tools) -> None:
    clips = np.concatenate([levels(*[level] * 16) for level in (0, 100, 100, 100)])
    score = with_flow(DynamicDegree, GreyFlow()).score(video_set(clips, fps=8), None, tools)
    assert score.value == 0.75
    assert score.per_sample.tolist() == [0, 1, 1, 1]
    assert (score.lo, score.hi) == (pytest.approx(0.3006, abs=1e-4), pytest.approx(0.9544, abs=1e-4))


def test_videos_of_one_scene_are_not_taken_for_independent(tools: Tools) -> None:
    clips = np.concatenate([levels(*[level] * 16) for level in (0, 100) * 3])
    judge = with_flow(DynamicDegree, GreyFlow())
    apart, together = (
        judge.score(replace(video_set(clips, fps=8), scenes=scenes), None, tools) for scenes in (None, ("one",) * 6)
    )
    assert apart.lo < apart.value < apart.hi
    assert (together.lo, together.hi) == (None, None)
    assert "no interval from 1 scenes" in together.method


def test_without_a_rate_there_is_no_dynamic_degree_but_a_reason(tools: Tools) -> None:
    score = DynamicDegree("dis").score(video_set(levels(0, 0, 0), "mine", fps=None), None, tools)
    assert score.value is None
    assert "frame rate of 'mine' is unknown" in score.reason


def test_clips_so_short_that_a_still_picture_would_count_have_no_value(tools: Tools) -> None:
    short, enough = (levels(*[9] * frames) for frames in (2, 3))
    score = DynamicDegree("dis").score(video_set(short, fps=8), None, tools)
    assert score.value is None
    assert "even a still picture would count" in score.reason
    assert DynamicDegree("dis").score(video_set(enough, fps=8), None, tools).value == 0.0


def test_dynamic_degree_runs_on_the_file_that_the_user_gave(
    tools: Tools, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights by a formula: that it runs, not what it sees."""
    from formula_weights import formula_weights
    from harness.metrics.flow.raft_network import Raft

    folder = tmp_path_factory.mktemp("given")
    monkeypatch.setenv("TPBENCH_CACHE", str(folder / "cache"))
    torch.save(formula_weights(Raft().state_dict()), folder / "raft.pth")
    file = given.add("raft-things", folder / "raft.pth")
    clip = translation(2, by=(2, 0), size=(128, 128))[None]
    score = DynamicDegree("raft-things").score(video_set(clip, fps=8), None, tools)
    assert score.value in (0.0, 1.0)
    assert score.protocol["weights"] == f"sha256 {file.sha256[:12]}"
    assert score.protocol["comparable_with_vbench_leaderboard"]
    of_another_flow = DynamicDegree("dis").score(video_set(clip, fps=8), None, tools)
    assert not of_another_flow.protocol["comparable_with_vbench_leaderboard"]


# Motion smoothness.


def test_smooth_motion_scores_high_and_higher_by_a_network_than_by_the_mean(tools: Tools) -> None:
    weights.fetch("rife")
    clip = translation(6, by=(5, 2))[None]
    by_network, by_mean = (MotionSmoothness(name).score(video_set(clip), None, tools) for name in ("rife", "average"))
    assert by_network.value > 0.98
    assert by_network.value > by_mean.value + 0.03


def test_a_clip_that_a_network_interpolated_scores_above_the_real_one(tools: Tools) -> None:
    """The caveat of the metric: it rewards frames that were never generated."""
    weights.fetch("rife")
    for name in ("clip-bikes", "clip-bigbuckbunny", "clip-carphone-pristine"):
        weights.fetch(name)
    real = real_clips()[::10, :5]
    made = real.copy()
    rife = find_interpolator("rife").load(tools)
    for place in (1, 3):
        made[:, place] = rife(real[:, place - 1], real[:, place + 1]).round().astype(np.uint8)
    judge = MotionSmoothness("rife")
    assert judge.score(video_set(made), None, tools).value > judge.score(video_set(real), None, tools).value + 0.003
    assert "interpolated frames score above real ones" in judge.sight.cannot_see
    assert judge.higher_is_better is None


def test_a_last_frame_without_a_right_neighbour_does_not_take_part() -> None:
    clip = levels(0, 10, 0, 10, 0, 250)
    assert smoothness(Average(), clip).tolist() == [(255 - 10) / 255]


def test_what_was_made_is_cut_to_whole_levels_not_rounded() -> None:
    clip = levels(90, 99, 90)
    assert smoothness(Told(99.9), clip).tolist() == [1.0]
    assert smoothness(Told(-3), levels(0, 0, 0)).tolist() == [1.0]
    assert smoothness(Told(300), levels(255, 255, 255)).tolist() == [1.0]


def test_frames_reach_the_network_at_their_own_size_whatever_memory_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """VBench's program scales them by the memory of its GPU, and so moves its scores."""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: pytest.fail("asked for the memory"))
    told = Told(0)
    smoothness(told, np.zeros((1, 3, 1080, 1920, 3), np.uint8))
    assert told.shown == [(1, 1080, 1920, 3)]


def test_smoothness_needs_a_frame_between_two_others() -> None:
    with pytest.raises(MediaError, match="needs at least 3"):
        smoothness(Average(), levels(1, 2))


def test_only_vbenchs_own_judge_compares_with_its_leaderboard(tools: Tools) -> None:
    def lookup(name: str) -> Network[Interpolator]:
        return Network(load=lambda tools: Average(), status="stand-in", sight=SIGHT)

    clips = video_set(levels(1, 2, 3))
    for name, comparable in (("amt-s", True), ("rife", False), ("average", False)):
        card = MotionSmoothness(name, lookup).score(clips, None, tools).protocol
        assert card["comparable_with_vbench_leaderboard"] is comparable
        assert card["read_with"] == "vbench.dynamic_degree"


# Magnitude of flow.


def test_twice_the_speed_is_twice_the_magnitude(tools: Tools) -> None:
    slow, fast = (np.stack([translation(4, by=by) for by in ((x, 0), (0, x))]) for x in (1, 2))
    score = FlowMagnitude("dis").score(video_set(fast), video_set(slow, "real"), tools)
    assert score.value == pytest.approx(2, abs=0.1)
    assert score.per_sample.mean() == pytest.approx(score.value)
    assert score.protocol["gap_profile"] == pytest.approx([2.0] * 4, abs=0.15)
    assert score.protocol["reference_mean"] == pytest.approx(1 / np.hypot(64, 96), rel=0.1)
    assert score.lo <= score.value <= score.hi


def test_brightness_that_changes_is_no_movement_but_is_energy(tools: Tools) -> None:
    """What sets it apart from motion energy."""
    from harness.metrics.temporal import MotionEnergyRatio

    moving = translation(4, by=(1, 0))[None]
    flashing = translation(4, by=(0, 0), brighter=12)[None]
    sides = video_set(flashing), video_set(moving, "real")
    assert FlowMagnitude("dis").score(*sides, tools).value < 0.4
    assert MotionEnergyRatio().score(*sides, tools).value > 0.8


def test_a_still_clip_has_no_magnitude_and_a_still_reference_no_ratio(tools: Tools) -> None:
    moving, still = video_set(translation(2, by=(1, 0))[None]), video_set(translation(2, by=(0, 0))[None], "still")
    assert FlowMagnitude("dis").score(still, moving, tools).value == 0.0
    score = FlowMagnitude("dis").score(moving, still, tools)
    assert score.value is None
    assert "'still' does not move" in score.reason


def test_magnitudes_are_compared_at_equal_frames_size_and_rate_only(tools: Tools) -> None:
    ours = video_set(levels(1, 2, 3))
    for theirs in (None, video_set(levels(1, 2)), video_set(levels(1, 2, 3), fps=24.0)):
        with pytest.raises(NotComparableError, match="flow_magnitude"):
            FlowMagnitude("dis").score(ours, theirs, tools)


# Warping error.


def test_a_translation_explains_itself(tools: Tools) -> None:
    score = WarpingError("dis").score(video_set(translation(5, by=(2, -1))[None]), None, tools)
    assert score.value < 1e-5
    assert score.protocol["visible_share"] > 0.8


def test_real_clips_explain_themselves_better_than_their_frames_in_random_order(tools: Tools) -> None:
    real = real_clips()[::6, :6]
    order = [3, 0, 5, 1, 4, 2]
    kept, mixed = (WarpingError("dis").score(video_set(clips), None, tools) for clips in (real, real[:, order]))
    assert 0 < kept.value < mixed.value / 2
    assert mixed.protocol["visible_share"] < kept.protocol["visible_share"]


def test_flicker_over_a_still_picture_is_all_error() -> None:
    """Without motion to confuse it, the error is the mean squared step."""

    def still(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.zeros((*first.shape[:3], 2), np.float32)

    errors = warping_errors(still, levels(0, 51, 0))
    assert errors == pytest.approx(np.array([[[0.04, 1.0], [0.04, 1.0]]]))


def test_what_another_thing_covers_is_not_compared() -> None:
    forward, backward = torch.zeros(1, 2, 8, 16), torch.zeros(1, 2, 8, 16)
    backward[:, 0, :, 8:] = 3.0
    assert visible(forward, backward)[0, 0].tolist() == [True] * 8 + [False] * 8
    assert visible(forward, torch.zeros_like(backward)).all()


def test_the_edge_of_a_motion_is_not_compared() -> None:
    forward = torch.zeros(1, 2, 8, 16)
    forward[:, 0, :, 8:12] = 1.0
    backward = torch.zeros(1, 2, 8, 16)
    backward[:, 0, :, 9:13] = -1.0
    seen = visible(forward, backward)[0, 0].tolist()
    hidden = [place for place, shown in enumerate(seen) if not shown]
    assert hidden == [7, 11, 12]  # both edges, and the pixel that what moves covers


def test_videos_that_show_nothing_twice_have_no_error_but_a_reason(tools: Tools) -> None:
    class Away(GreyFlow):
        def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
            return np.full((*first.shape[:3], 2), 1000, np.float32)

    judge = WarpingError("fake", lambda name: Network(load=lambda tools: Away(), status="stand-in", sight=SIGHT))
    score = judge.score(video_set(levels(0, 200)), None, tools)
    assert score.value is None
    assert "1 of 1 videos show no pixel twice" in score.reason


def test_gaps_that_show_nothing_twice_do_not_count_as_perfect(tools: Tools) -> None:
    """The published program counts them as 0, and so rewards a cut."""

    class FirstGap(GreyFlow):
        def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
            away = first[:, :1, :1, :1].astype(np.int32) + second[:, :1, :1, :1] > 200
            return np.where(away, np.float32(1000), np.float32(0)) * np.ones((*first.shape[:3], 2), np.float32)

    judge = WarpingError("fake", lambda name: Network(load=lambda tools: FirstGap(), status="stand-in", sight=SIGHT))
    score = judge.score(video_set(levels(0, 51, 200)), None, tools)
    assert score.value == pytest.approx(0.04)
    assert score.protocol["visible_share"] == 0.5
