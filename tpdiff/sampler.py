"""Sampling through the pyramid: an ordinary solver inside each stage, an exact transition between stages."""

from __future__ import annotations

from collections.abc import Callable

import torch

from harness.diffusion.solvers import euler, uniform_times
from harness.generator import Probe
from tpdiff.resample import haar
from tpdiff.stages import Stage, TemporalPyramid
from tpdiff.transition import transition

StageVelocity = Callable[[Stage, torch.Tensor, float], torch.Tensor]
"""(stage, x (B, C, F_j, h, w), time) to the velocity, shape of x."""


def sample(
    velocity: StageVelocity,
    noise: torch.Tensor,
    pyramid: TemporalPyramid,
    *,
    steps: int,
    evaluations: int = 1,
    probe: Probe,
) -> torch.Tensor:
    """Clean latents (B, C, F, h, w) from full-rate noise of that shape, in ``steps`` over all stages.

    The noise is split into its temporal Haar bands: the lowest starts stage 0, each transition takes the next
    higher one. So all of the sample's randomness is the noise that a full-rate sampler would start from.
    ``evaluations`` is what one velocity costs in network calls (guidance: 2), for the probe alone.
    """
    # Split the noise, finest band first
    low, high_bands = noise, []
    for _ in pyramid.stages[1:]:
        low, high = haar(low)
        high_bands.append(high)

    x, leaving, done = low, None, 0
    for stage, stage_steps in zip(pyramid.stages, pyramid.split_steps(steps), strict=True):
        # Enter the stage with twice the frames and the noise that is missing
        if leaving is not None:
            with probe.span("transition", stage=stage.index):
                x = transition(x, high_bands.pop(), leaving, stage)

        # Solve the stage's ordinary diffusion from its start to its end
        def stage_velocity(
            index: int, x: torch.Tensor, time: float, stage: Stage = stage, done: int = done
        ) -> torch.Tensor:
            with probe.step(done + index, stage=stage.index, frames=x.shape[2], nfe=evaluations):
                return velocity(stage, x, time)

        with probe.span("denoise", stage=stage.index):
            x = euler(stage_velocity, x, uniform_times(stage.start, stage.end, stage_steps))
        leaving, done = stage, done + stage_steps
    return x
