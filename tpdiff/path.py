"""Stage-wise diffusion: every stage is an ordinary diffusion between a virtual clean clip and a virtual noise.

A stage starts at the clip as it arrives (b, each frame of the stage before shown n times) and ends at the sharp
clip of its own rate (d), with one shared noise throughout (paper eq. 6-13):

    virtual noise   eps = noise - (d - b) / (nu_start - nu_end)
    virtual clean   x0  = d + nu_end / (nu_start - nu_end) * (d - b)            nu = sigma / alpha
    x_t = alpha_t * x0 + sigma_t * eps

(The paper writes x0 as b + nu_start / (nu_start - nu_end) * (d - b), which is the same; this form gives d to the
last bit where nu_end is 0, in the last stage.)

What the network is asked for is another matter: any prediction about

    clean' = d + w * nu_end / (nu_start - nu_end) * (d - b)        noise' = noise - w / (nu_start - nu_end) * (d - b)

gives d and noise back by a small linear system in time, whatever the share w is (:func:`stage_estimate`). w = 1 is
the paper's ``virtual`` target, w = 0 the ``sharp`` one, and ``blended`` goes from 1 at the stage's start to 0 at its
end. They differ in how hard they are to learn. At the start x holds nothing of the temporal detail d - b, and only
w = 1 states it loud enough to be heard above the noise; at the end a w above 0 asks for that detail once more than x
shows it, so that the network has to filter in time at its finest spatial scale. docs/method.md has the measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from harness.diffusion.form import PredictionKind
from harness.diffusion.prediction import Estimate, coefficients, estimate
from harness.diffusion.schedule import Level
from tpdiff.resample import Resampling, along_time
from tpdiff.stages import Stage, Target, TemporalPyramid


@dataclass(frozen=True, kw_only=True)
class StageEnds:
    """Two ends of a line, both (B, C, F_j, h, w)."""

    clean: torch.Tensor
    """Virtual clean clip; beyond the data range in all but the first stage and the last."""
    noise: torch.Tensor
    """Virtual noise."""


def stage_ends(
    sharp: torch.Tensor,
    noise: torch.Tensor,
    stage: Stage,
    resampling: Resampling,
    *,
    share: torch.Tensor | float = 1.0,
) -> StageEnds:
    """Virtual clean clip and noise of a stage, from the clip at the stage's rate and the stage's noise.

    A stage that shows no frame twice has nothing to arrive from: it is plain diffusion of its clip. Stage 0 is
    always one, whatever the schedule starts at.

    Args:
        sharp: d, (B, C, F_j, h, w).
        noise: standard Gaussian, shape of ``sharp``.
        stage: the stage.
        resampling: how the clip was reduced and will be expanded.
        share: w, one number or (B,). Only 1 gives the line that x lies on.
    """
    if stage.factor == 1:
        return StageEnds(clean=sharp, noise=noise)
    gained = sharp - resampling.expand(resampling.reduce(sharp, stage.factor), stage.factor)
    if isinstance(share, torch.Tensor):
        gained = share.view(-1, 1, 1, 1, 1).to(gained) * gained
    span = stage.start.nu - stage.end.nu
    return StageEnds(clean=sharp + stage.end.nu / span * gained, noise=noise - gained / span)


def target_share(target: Target, stage: Stage, nu: torch.Tensor | float) -> torch.Tensor | float:
    """w at noise-to-signal ratio ``nu`` within a stage."""
    if target == "virtual":
        return 1.0
    if target == "sharp":
        return 0.0 * nu
    return (nu - stage.end.nu) / (stage.start.nu - stage.end.nu)


def stage_estimate(
    kind: PredictionKind, said: torch.Tensor, x: torch.Tensor, at: Level, stage: Stage, pyramid: TemporalPyramid
) -> Estimate:
    """The virtual ends from what the network said about x (B, C, F_j, h, w), the way solvers need them.

    Epsilon does not tell them at pure noise, nor with the sharp target where a stage starts: see ``Recipe.check``.
    """
    if pyramid.target == "virtual" or stage.factor == 1:
        return estimate(kind, said, x, at)
    resampling, span = pyramid.resampling, stage.start.nu - stage.end.nu
    share = float(target_share(pyramid.target, stage, at.nu))
    # x = (alpha + kappa H) d + sigma noise,  said = p noise - q d - share (p + q nu_end) / span H d,  H d = d - b
    p, q = coefficients(kind, at)
    kappa = (at.alpha * stage.end.nu - at.sigma) / span
    own, of_gain = at.alpha * p + at.sigma * q, kappa * p + at.sigma * share * (p + q * stage.end.nu) / span
    inverse = _inverse(own, of_gain, x.shape[2], stage.factor, resampling)
    sharp = along_time(inverse, p * x - at.sigma * said)
    gained = sharp - resampling.expand(resampling.reduce(sharp, stage.factor), stage.factor)
    clean = sharp + stage.end.nu / span * gained
    return Estimate(clean=clean, noise=(x - at.alpha * clean) / at.sigma)


@lru_cache(maxsize=512)
def _inverse(own: float, of_gain: float, frames: int, factor: int, resampling: Resampling) -> torch.Tensor:
    """(F, F) float64: the inverse of own * I + of_gain * H. One for each noise level, so batches share them."""
    identity = torch.eye(frames, dtype=torch.float64).view(frames, 1, frames, 1, 1)
    arrives = resampling.expand(resampling.reduce(identity, factor), factor)
    gained = (identity - arrives)[:, 0, :, 0, 0].T
    system = own * torch.eye(frames, dtype=torch.float64) + of_gain * gained
    return torch.linalg.inv(system)
