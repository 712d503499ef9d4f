"""What control and pyramid share besides schedules and solvers: guidance and pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.denoiser import Denoiser
from harness.diffusion.guidance import calls_per_evaluation, guided
from harness.diffusion.pixels import to_frames, to_latent
from harness.errors import UnitError


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
    assert network.seen == 2 * calls_per_evaluation(scale)


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
