"""Frames that a pyramid cannot take are refused with those near that it can."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.planning.planner import Settings, near_frames, work_of
from tiny_published import tiny_model
from tpdiff.planner import plan

SETTINGS = Settings(stages=3, steps=30, shares=None, calls=1)


@pytest.mark.parametrize(
    ("frames", "near"),
    [(49, [65, 33]), (57, [65, 33]), (41, [33, 65]), (5, [17])],
)
def test_the_nearest_frames_that_would_do_are_named(frames: int, near: list[int]) -> None:
    """Temporal stride 8, causal: 1 + 8 m frames are 1 + m latent ones, and m must divide by 4."""
    model = tiny_model(temporal_stride=8) if frames != 5 else tiny_model()
    assert near_frames(plan, model, SETTINGS, frames=frames) == near
    with pytest.raises(UsageError) as refused:
        work_of(plan, model, SETTINGS, frames=frames)
    assert f"Use {' or '.join(map(str, near))} frames" in str(refused.value)
    for number in near:
        assert work_of(plan, model, SETTINGS, frames=number).full_frames == (number - 1) // model.temporal_stride + 1


def test_a_plain_clip_needs_a_multiple_of_the_coarsest_stride() -> None:
    model = tiny_model(causal=False, temporal_stride=1, frames=16, max_frames=32)
    assert near_frames(plan, model, SETTINGS, frames=15) == [16, 12]
    assert near_frames(plan, model, SETTINGS, frames=31) == [32, 28]


def test_no_frames_beyond_the_models_table_are_named() -> None:
    model = tiny_model(causal=False, temporal_stride=1, frames=16, max_frames=31)
    assert near_frames(plan, model, SETTINGS, frames=31) == [28]


def test_frames_that_the_model_cannot_take_are_refused_by_the_model() -> None:
    with pytest.raises(UsageError, match=r"tiny cannot make 64 frames: it needs 1 \+ a multiple of 4, e.g. 61 or 65"):
        work_of(plan, tiny_model(), SETTINGS, frames=64)


def test_where_no_frames_help_none_are_named() -> None:
    settings = Settings(stages=3, steps=2, shares=None, calls=1)
    with pytest.raises(
        UsageError, match=r"Change the stages, the steps or their shares.*2 steps cannot serve 3 stages"
    ):
        work_of(plan, tiny_model(), settings, frames=65)
