"""Speed-ups of published models that were computed elsewhere, from their networks on the meta device."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from harness.model_files import load_model
from harness.planning.plan import Plan, Request, make_plan
from harness.published import PublishedModel
from tpdiff.planner import plan


@cache
def planned(name: str, *, size: tuple[int, int] | None = None) -> Plan:
    model: PublishedModel = replace(load_model(name), companions=())
    request = Request(model=model, planner_name="tpdiff", planner=plan, stages=3, steps=30, size=size, counted=())
    return make_plan(request)


@pytest.mark.parametrize(
    ("name", "frames", "expected"),
    [
        ("animatediff-sd15", [4, 8, 16], 1.71),
        ("wan2.1-1.3b", [6, 11, 21], 2.01),
        ("hunyuanvideo", [9, 17, 33], 2.14),
    ],
)
def test_three_equal_stages_save_what_is_known(name: str, frames: list[int], expected: float) -> None:
    found = planned(name)
    assert [stage.frames for stage in found.work.stages] == frames
    assert found.work.sampling_speedup(found.forward.at) == pytest.approx(expected, abs=0.005)


def test_the_size_does_not_matter_where_cost_is_per_frame() -> None:
    small, large = planned("animatediff-sd15", size=(256, 256)), planned("animatediff-sd15")
    assert small.work.sampling_speedup(small.forward.at) == pytest.approx(
        large.work.sampling_speedup(large.forward.at), abs=1e-3
    )


@pytest.mark.parametrize(
    ("name", "expected"), [("wan2.1-1.3b", 3.0), ("hunyuanvideo", 3.0), ("animatediff-sd15", 2.997)]
)
def test_a_training_step_is_three_forward_passes(name: str, expected: float) -> None:
    """Of AnimateDiff a little less: the first layer has no gradient of its input."""
    found = planned(name)
    step = found.count("full").step
    frames = found.work.stages[-1].frames
    assert step.at(frames) / found.forward.at(frames) == pytest.approx(expected, abs=5e-4)


def test_half_the_training_cost_is_more_than_a_step_saves() -> None:
    """The paper's 2.00x with AnimateDiff: 1.71x come from a step."""
    found = planned("animatediff-sd15")
    assert found.work.training_speedup(found.count("full").step.at) == pytest.approx(12 / 7, abs=1e-3)
