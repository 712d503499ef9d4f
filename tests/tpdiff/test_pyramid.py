"""Stages, resampling, paths and transitions: the mathematics of the pyramid."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion import flow
from tpdiff.path import stage_ends
from tpdiff.resample import Down, down, frame_positions, haar, low_band, up
from tpdiff.stages import TemporalPyramid, next_start
from tpdiff.transition import transition

COUNTS = st.integers(1, 5)
DOWNS = st.sampled_from(["mean", "keep-first"])


def clip(frames: int, *, seed: int = 0, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, frames, 2, 2, generator=generator, dtype=torch.float64)


@given(COUNTS)
def test_stages_cover_all_noise_levels_and_end_at_the_full_rate(count: int) -> None:
    stages = TemporalPyramid.dyadic(count).stages
    assert (stages[0].start, stages[-1].end, stages[-1].stride) == (1.0, 0.0, 1)
    for leaving, entering in pairwise(stages):
        assert leaving.stride == 2 * entering.stride
        assert leaving.end < entering.start < leaving.start, "neighbours overlap in noise level"
        nu = [t / (1 - t) for t in (leaving.end, entering.start)]
        assert nu[1] / nu[0] == pytest.approx(math.sqrt(2))


def test_starts_are_those_of_the_derivation() -> None:
    assert [round(stage.start, 4) for stage in TemporalPyramid.dyadic(4).stages[1:]] == [
        0.8093,
        0.5858,
        0.3204,
    ]


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "3"])
def test_nonsense_stage_counts_are_refused(count: object) -> None:
    with pytest.raises(ValueError, match="1, 2, 3"):
        TemporalPyramid.dyadic(count)  # type: ignore[arg-type]


def test_frames_that_do_not_divide_are_refused_with_the_nearest_that_do() -> None:
    with pytest.raises(ValueError, match="Use 12 or 16 frames"):
        TemporalPyramid.dyadic(3).check_frames(14)
    with pytest.raises(ValueError, match="Use 4 frames"):
        TemporalPyramid.dyadic(3).check_frames(2)
    TemporalPyramid.dyadic(3).check_frames(16)


@given(COUNTS, st.integers(0, 40))
def test_steps_are_shared_out_without_loss(count: int, extra: int) -> None:
    shares = TemporalPyramid.dyadic(count).split_steps(count + extra)
    assert sum(shares) == count + extra
    assert max(shares) - min(shares) <= 1


def test_fewer_steps_than_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step a stage"):
        TemporalPyramid.dyadic(3).split_steps(2)


@given(DOWNS, st.sampled_from([2, 4]))
def test_down_chains_and_undoes_up(method: Down, factor: int) -> None:
    x = clip(8)
    assert torch.allclose(down(down(x, factor, method=method), 2, method=method), down(x, 2 * factor, method=method))
    assert torch.equal(down(up(x), 2, method=method), x)


def test_haar_bands_are_orthonormal() -> None:
    identity = torch.eye(8, dtype=torch.float64).view(8, 1, 8, 1, 1)
    low, high = haar(identity)
    matrix = torch.cat([low, high], dim=2).view(8, 8)
    assert torch.allclose(matrix.T @ matrix, torch.eye(8, dtype=torch.float64))


def test_low_band_of_white_noise_is_white_at_every_stage() -> None:
    identity = torch.eye(16, dtype=torch.float64).view(16, 1, 16, 1, 1)
    for stride in (1, 2, 4, 8):
        band = low_band(identity, stride).view(16, -1)
        assert torch.allclose(band.T @ band, torch.eye(16 // stride, dtype=torch.float64))


def test_frame_positions_are_block_centres_or_kept_frames() -> None:
    assert frame_positions(4, 4, method="mean").tolist() == [1.5, 5.5, 9.5, 13.5]
    assert frame_positions(4, 4, method="keep-first").tolist() == [0, 4, 8, 12]
    assert frame_positions(3, 1, method="mean").tolist() == [0, 1, 2]


@given(st.integers(2, 4), DOWNS)
def test_a_stage_runs_from_the_clip_as_it_arrives_to_the_sharp_clip(count: int, method: Down) -> None:
    for stage in TemporalPyramid.dyadic(count).stages[1:]:
        sharp, noise = clip(8), clip(8, seed=1)
        arrives = up(down(sharp, 2, method=method))
        ends = stage_ends(sharp, noise, stage, method=method)
        for time, expected in ((stage.start, arrives), (stage.end, sharp)):
            x_t = flow.interpolate(ends.clean, ends.noise, torch.full((2,), time, dtype=torch.float64))
            assert torch.allclose(x_t, (1 - time) * expected + time * noise)


def test_the_velocity_of_a_stage_is_the_slope_between_its_ends() -> None:
    stage = TemporalPyramid.dyadic(3).stages[1]
    sharp, noise = clip(8), clip(8, seed=1)
    ends = stage_ends(sharp, noise, stage, method="mean")
    start = (1 - stage.start) * up(down(sharp, 2, method="mean")) + stage.start * noise
    end = (1 - stage.end) * sharp + stage.end * noise
    assert torch.allclose(flow.velocity(ends.clean, ends.noise), (start - end) / (stage.start - stage.end))


def test_stage_zero_is_plain_diffusion_bit_for_bit() -> None:
    sharp, noise = clip(8), clip(8, seed=1)
    ends = stage_ends(sharp, noise, TemporalPyramid.dyadic(3).stages[0], method="mean")
    assert torch.equal(ends.clean, sharp)
    assert torch.equal(ends.noise, noise)


@given(st.integers(2, 5))
def test_noise_is_white_after_every_transition(count: int) -> None:
    stages = TemporalPyramid.dyadic(count).stages
    for leaving, entering in pairwise(stages):
        frames = 4
        # Columns: the noise already in x_end, then the fresh noise of the transition.
        held = leaving.end * torch.cat([torch.eye(frames), torch.zeros(frames, frames)]).double()
        fresh = torch.cat([torch.zeros(frames, frames), torch.eye(frames)]).double()
        shape = (2 * frames, 1, frames, 1, 1)
        factor = transition(held.view(shape), fresh.view(shape), leaving, entering).view(2 * frames, 2 * frames)
        white = entering.start**2 * torch.eye(2 * frames, dtype=torch.float64)
        assert (factor.T @ factor - white).abs().max() < 1e-12


def test_the_signal_arrives_at_the_next_start_unscaled() -> None:
    leaving, entering = TemporalPyramid.dyadic(3).stages[1:]
    sharp = clip(4)
    arrived = transition((1 - leaving.end) * sharp, torch.zeros_like(sharp), leaving, entering)
    assert torch.allclose(arrived, (1 - entering.start) * up(sharp))


@given(st.floats(0.01, 0.99))
def test_the_rule_only_ever_steps_back_to_more_noise(end: float) -> None:
    assert end < next_start(end) < 1
