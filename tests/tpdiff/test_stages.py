"""Stages: they cover the noise levels, tell timesteps and positions, share out steps, and refuse nonsense."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion.schedule import FlowMatching, Schedule, VariancePreserving
from tests.tpdiff.pyramids import SCHEDULES, pyramids
from tpdiff import Resampling, TemporalPyramid
from tpdiff.stages import OnGrid


@given(pyramids())
def test_stages_cover_all_noise_levels_and_end_at_the_full_rate(pyramid: TemporalPyramid) -> None:
    stages = pyramid.stages
    assert (stages[0].start.time, stages[-1].end.time, stages[-1].stride) == (1.0, 0.0, 1)
    assert stages[-1].end.nu == 0
    for leaving, entering in pairwise(stages):
        assert leaving.stride == entering.factor * entering.stride
        assert entering.end.time < entering.start.time
        assert leaving.end.time <= entering.start.time, "neighbours overlap in noise level"
        ratio = entering.start.nu / leaving.end.nu
        if pyramid.schedule.grid is None:
            assert ratio == pytest.approx(math.sqrt(entering.factor), rel=1e-6)
        else:
            assert ratio >= math.sqrt(entering.factor) * (1 - 1e-9), "whole timesteps are never rounded down"


@pytest.mark.parametrize(
    ("schedule", "starts"),
    [
        (FlowMatching(), (0.7388, 0.4142)),
        (VariancePreserving(), (0.7526, 0.4390)),
        (VariancePreserving(betas="animatediff"), (0.7435, 0.4257)),
    ],
)
def test_starts_are_those_of_the_derivation(schedule: Schedule, starts: tuple[float, float]) -> None:
    """For the forms of DDIM: timesteps 751.6 and 438.0, 742.5 and 424.7, of ends at timesteps 666 and 333."""
    ends = (2 / 3, 1 / 3) if isinstance(schedule, FlowMatching) else (0.667, 0.334)
    pyramid = TemporalPyramid.build(3, schedule=schedule, boundaries=ends)
    assert [round(stage.start.time, 4) for stage in pyramid.stages[1:]] == pytest.approx(starts, abs=1e-4)


def test_whole_timesteps_are_rounded_up() -> None:
    stages = TemporalPyramid.build(3, schedule=VariancePreserving(discrete=True)).stages
    timesteps = [(round(1000 * stage.start.time) - 1, round(1000 * stage.end.time) - 1) for stage in stages]
    assert timesteps == [(999, 666), (752, 333), (438, -1)]


@pytest.mark.parametrize("on_grid", ["ends", "starts"])
def test_one_end_of_each_stage_lies_on_the_grid(on_grid: OnGrid) -> None:
    stages = TemporalPyramid.build(4, on_grid=on_grid).stages
    on = [stage.end.time for stage in stages[:-1]] if on_grid == "ends" else [stage.start.time for stage in stages[1:]]
    assert on == pytest.approx([0.75, 0.5, 0.25])


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "3"])
def test_nonsense_stage_counts_are_refused(count: object) -> None:
    with pytest.raises(ValueError, match="1, 2, 3"):
        TemporalPyramid.build(count)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strides": (1, 2)}, "last stride is 1"),
        ({"strides": (2, 4, 1)}, "2 is no multiple of 4.*whole factor"),
        ({"strides": (4, 3, 1)}, "4 is no multiple of 3"),
        ({"strides": (4, 2)}, "last stride is 1"),
        ({"strides": (0, 1)}, "whole numbers from 1"),
        ({"strides": ()}, "whole numbers from 1"),
        ({"stages": 3, "strides": (2, 1)}, "3 stages but 2 strides"),
        ({"boundaries": (0.5,)}, "3 stages have 2 boundaries"),
        ({"boundaries": (0.3, 0.6)}, "overlap or are empty"),
        ({"boundaries": (0.6, 0.6)}, "overlap or are empty"),
        ({"boundaries": (1.0, 0.5)}, "below 1"),
        ({"boundaries": (0.5, 0.0)}, "above 0"),
        ({"shares": (1, 2)}, "3 positive numbers"),
        ({"shares": (1, 0, 1)}, "3 positive numbers"),
        ({"on_grid": "both"}, "known: ends, starts"),
        ({"timesteps": "wrong"}, "known: true, disjoint"),
        ({"positions": "odd"}, "known: consistent, plain"),
        ({"target": "noise"}, "known: virtual, sharp, blended"),
        ({"rule": "paper"}, "known: exact, printed, none"),
        ({"shares": (1, float("inf"), 1)}, "3 positive numbers"),
        ({"schedule": VariancePreserving(), "boundaries": (0.99, 0.5)}, "never reaches; move the boundary"),
        (
            {"schedule": VariancePreserving(discrete=True), "boundaries": (0.5, 0.0005), "on_grid": "starts"},
            "stage 2 would start at time 0 and end at 0, with nothing between",
        ),
        (
            {
                "schedule": VariancePreserving(discrete=True),
                "strides": (2, 2, 1),
                "boundaries": (0.5004, 0.5001),
            },
            "stage 1 would start at time 0.501 and end at 0.501",
        ),
    ],
)
def test_pyramids_that_make_no_sense_are_refused_with_what_would_do(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TemporalPyramid.build(**options)


@pytest.mark.parametrize(
    ("causal", "frames", "message"),
    [
        (False, 14, "Use 12 or 16 frames"),
        (False, 2, "Use 4 frames"),
        (True, 16, r"1 \+ 15 frames do not divide. Use 13 or 17 frames"),
        (True, 1, "Use 5 frames"),
        (True, 0, "Use 5 frames"),
    ],
)
def test_frames_that_do_not_divide_are_refused_with_the_nearest_that_do(
    causal: bool, frames: int, message: str
) -> None:
    pyramid = TemporalPyramid.build(3, resampling=Resampling(causal=causal))
    with pytest.raises(ValueError, match=message):
        pyramid.check_frames(frames)
    pyramid.check_frames(16 + causal)


@given(st.integers(1, 5), st.integers(0, 40))
def test_steps_are_shared_out_without_loss(count: int, extra: int) -> None:
    shares = TemporalPyramid.build(count).split_steps(count + extra)
    assert sum(shares) == count + extra
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize(
    ("shares", "steps", "split"),
    [((20, 5, 5), 30, (20, 5, 5)), ((1, 2, 3), 7, (1, 2, 4)), ((1, 1, 1), 8, (3, 3, 2)), ((5, 5, 20), 12, (2, 2, 8))],
)
def test_steps_follow_the_shares(shares: tuple[int, ...], steps: int, split: tuple[int, ...]) -> None:
    assert TemporalPyramid.build(3, shares=shares).split_steps(steps) == split


def test_fewer_steps_than_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step a stage"):
        TemporalPyramid.build(3).split_steps(2)
    with pytest.raises(ValueError, match="they would take 3, 0, 0"):
        TemporalPyramid.build(3, shares=(98, 1, 1)).split_steps(3)


def test_one_stage_takes_any_number_of_frames() -> None:
    for causal in (False, True):
        pyramid = TemporalPyramid.build(1, resampling=Resampling(causal=causal))
        for frames in (1, 2, 7):
            pyramid.check_frames(frames)
        with pytest.raises(ValueError, match="do not divide"):
            pyramid.check_frames(0)


def test_strides_may_be_numbers_of_numpy() -> None:
    assert TemporalPyramid.build(strides=np.array([4, 2, 1])) == TemporalPyramid.build(3)  # type: ignore[arg-type]


def test_plain_positions_tell_no_stage_apart() -> None:
    pyramid = TemporalPyramid.build(3, positions="plain")
    assert [pyramid.frame_positions(stage, 4).tolist() for stage in pyramid.stages] == [[0, 1, 2, 3]] * 3
    consistent = TemporalPyramid.build(3)
    assert consistent.frame_positions(consistent.stages[0], 2).tolist() == [0, 4]


@given(st.integers(1, 4), SCHEDULES)
def test_disjoint_timesteps_part_the_stages_and_true_ones_do_not(count: int, schedule: Schedule) -> None:
    disjoint = TemporalPyramid.build(count, schedule=schedule, timesteps="disjoint")
    spans = []
    for stage in disjoint.stages:
        told = [at.timestep for at in disjoint.levels(stage, 3)]
        assert told == sorted(told, reverse=True)
        spans.append((told[0], told[-1]))
    assert all(left[1] == pytest.approx(right[0]) for left, right in pairwise(spans)), "they meet, and share no more"
    true = TemporalPyramid.build(count, schedule=schedule)
    if count == 1:
        assert disjoint.levels(disjoint.stages[0], 3) == true.levels(true.stages[0], 3), "as the control is told"
    if count > 1:
        ends = [(true.levels(stage, 1)[0].timestep, true.levels(stage, 1)[-1].timestep) for stage in true.stages]
        assert any(left[1] < right[0] for left, right in pairwise(ends))
