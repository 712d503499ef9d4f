"""A stage's path: its ends, its velocity, what the network is asked for, and where solvers end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

from harness.diffusion.form import PredictionKind
from harness.diffusion.prediction import interpolate, training_target
from harness.diffusion.schedule import FlowMatching, Schedule, VariancePreserving, level
from harness.diffusion.solvers import SOLVERS, make_solver, solve
from tests.tpdiff.pyramids import clip, frames_of, pyramids
from tpdiff import Recipe, Resampling, TemporalPyramid
from tpdiff.path import stage_ends, stage_estimate, target_share


@given(pyramids())
def test_a_stage_runs_from_the_clip_as_it_arrives_to_the_sharp_clip(pyramid: TemporalPyramid) -> None:
    for stage in pyramid.stages:
        full, resampling = frames_of(pyramid), pyramid.resampling
        sharp = resampling.reduce(clip(full), stage.stride)
        noise = torch.randn_like(sharp)
        arrives = resampling.expand(resampling.reduce(sharp, stage.factor), stage.factor)
        ends = stage_ends(sharp, noise, stage, resampling)
        for at, expected in ((stage.start, arrives if stage.index else sharp), (stage.end, sharp)):
            alpha, sigma = (torch.full((2,), share, dtype=torch.float64) for share in (at.alpha, at.sigma))
            x_t = interpolate(ends.clean, ends.noise, alpha, sigma)
            assert torch.allclose(x_t, at.alpha * expected + at.sigma * noise, atol=1e-9)


def test_the_velocity_of_a_stage_is_the_slope_between_its_ends() -> None:
    stage = TemporalPyramid.build(3).stages[1]
    sharp, noise, resampling = clip(8), clip(8, seed=1), Resampling()
    ends = stage_ends(sharp, noise, stage, resampling)
    start = stage.start.alpha * resampling.expand(resampling.reduce(sharp, 2), 2) + stage.start.sigma * noise
    end = stage.end.alpha * sharp + stage.end.sigma * noise
    assert torch.allclose(ends.noise - ends.clean, (start - end) / (stage.start.time - stage.end.time))


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()])
def test_stage_zero_is_plain_diffusion_and_the_last_stage_aims_at_the_clip_bit_for_bit(schedule: Schedule) -> None:
    pyramid = TemporalPyramid.build(3, schedule=schedule)
    sharp, noise = clip(8), clip(8, seed=1)
    first = stage_ends(sharp, noise, pyramid.stages[0], pyramid.resampling)
    assert torch.equal(first.clean, sharp)
    assert torch.equal(first.noise, noise)
    assert torch.equal(stage_ends(sharp, noise, pyramid.stages[-1], pyramid.resampling).clean, sharp)


@given(pyramids(), st.sampled_from(["velocity", "v_prediction", "clean", "epsilon"]), st.floats(0, 1))
def test_what_the_network_is_asked_for_gives_the_virtual_ends_back(
    pyramid: TemporalPyramid, kind: PredictionKind, place: float
) -> None:
    """Whether it is asked for the sharp ends or for the virtual ones."""
    try:
        Recipe(prediction=kind).check(pyramid)
    except ValueError:
        reject()
    resampling = pyramid.resampling
    for stage in pyramid.stages:
        sharp = resampling.reduce(clip(frames_of(pyramid)), stage.stride)
        noise = torch.randn_like(sharp)
        ends = stage_ends(sharp, noise, stage, resampling)
        at = level(pyramid.schedule, stage.start.time + place * (max(stage.end.time, 0.01) - stage.start.time))
        alpha, sigma = (torch.full((2,), share, dtype=torch.float64) for share in (at.alpha, at.sigma))
        x = interpolate(ends.clean, ends.noise, alpha, sigma)
        share = float(target_share(pyramid.target, stage, at.nu)) if stage.factor > 1 else 1.0
        aim = stage_ends(sharp, noise, stage, resampling, share=torch.full((2,), share))
        said = training_target(kind, aim.clean, aim.noise, alpha, sigma)
        got = stage_estimate(kind, said, x, at, stage, pyramid)
        assert torch.allclose(got.clean, ends.clean, atol=1e-6)
        assert torch.allclose(got.noise, ends.noise, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()])
def test_a_network_that_knows_the_ends_takes_every_solver_to_the_stage_end(solver: str, schedule: Schedule) -> None:
    pyramid = TemporalPyramid.build(3, schedule=schedule)
    for stage in pyramid.stages:
        sharp = clip(8 // stage.stride)
        noise = torch.randn_like(sharp)
        ends = stage_ends(sharp, noise, stage, pyramid.resampling)

        def knows(x: torch.Tensor, at: Any, ends: Any = ends) -> Any:
            return ends

        start = stage.start.alpha * ends.clean + stage.start.sigma * ends.noise
        end = solve(make_solver(solver), knows, start, pyramid.levels(stage, 7))  # type: ignore[arg-type]
        assert torch.allclose(end, stage.end.alpha * sharp + stage.end.sigma * noise, rtol=0, atol=1e-9)
