"""What control and pyramid share: the path, the solver, guidance, pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.denoiser import Denoiser
from harness.diffusion import flow
from harness.diffusion.guidance import evaluations_per_step, guided
from harness.diffusion.pixels import to_frames, to_latent
from harness.diffusion.solvers import euler, uniform_times
from harness.errors import UnitError


def test_the_path_runs_from_clean_to_noise_with_constant_velocity() -> None:
    clean, noise = torch.randn(3, 1, 2, 4, 4), torch.randn(3, 1, 2, 4, 4)
    assert torch.equal(flow.interpolate(clean, noise, torch.zeros(3)), clean)
    assert torch.equal(flow.interpolate(clean, noise, torch.ones(3)), noise)
    early, late = (flow.interpolate(clean, noise, torch.full((3,), t)) for t in (0.25, 0.75))
    assert torch.allclose((late - early) / 0.5, flow.velocity(clean, noise), atol=1e-5)


@given(st.floats(0.1, 1), st.floats(0, 0.09), st.integers(1, 50))
def test_times_fall_evenly_and_end_exactly(start: float, end: float, steps: int) -> None:
    times = uniform_times(start, end, steps)
    assert (times[0], times[-1], len(times)) == (start, end, steps + 1)
    assert np.diff(times) == pytest.approx((end - start) / steps)


def test_euler_is_exact_for_a_constant_velocity_and_first_order_for_a_curved_one() -> None:
    x = torch.zeros(1, dtype=torch.float64)
    assert euler(lambda index, x, t: torch.full_like(x, 2.0), x, uniform_times(1, 0, 7)).item() == pytest.approx(-2)

    def error(steps: int) -> float:
        out = euler(lambda index, x, t: x, torch.ones(1, dtype=torch.float64), uniform_times(1, 0, steps))
        return abs(out.item() - math.exp(-1))

    assert math.log2(error(100) / error(200)) == pytest.approx(1, abs=0.02)


class _Echo(Denoiser):
    """Predicts 3 with a caption and 1 without, and counts the clips it is shown."""

    seen = 0

    def forward(
        self, x_t: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor, frame_positions: torch.Tensor
    ) -> torch.Tensor:
        self.seen += len(x_t)
        with_caption = (tokens.sum(dim=1) > 0).float().view(-1, 1, 1, 1, 1)
        return torch.ones_like(x_t) + 2 * with_caption


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 1), (1.0, 3), (2.5, 6)])
def test_guidance_moves_from_without_to_with_caption_and_beyond(scale: float, expected: float) -> None:
    network, x = _Echo(), torch.zeros(2, 1, 2, 4, 4)
    out = guided(network, x, 0.5, torch.ones(2, 3, dtype=torch.long), torch.arange(2.0), guidance=scale)
    assert torch.equal(out, torch.full_like(x, expected))
    assert network.seen == 2 * evaluations_per_step(scale)


def test_frames_survive_the_way_to_the_latent_and_back() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    assert (to_frames(to_latent(frames)) == frames).all()
    grey = frames[..., :1]
    assert (to_frames(to_latent(grey)) == np.repeat(grey, 3, axis=-1)).all()


def test_values_beyond_the_range_are_clipped_and_no_numbers_are_refused() -> None:
    latent = torch.tensor([-7.0, 7.0]).view(1, 1, 2, 1, 1)
    assert to_frames(latent)[0, :, 0, 0, 0].tolist() == [0, 255]
    for bad in (float("nan"), float("inf")):
        latent[0, 0, 0] = bad
        with pytest.raises(UnitError, match="diverged"):
            to_frames(latent)
