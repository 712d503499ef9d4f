"""Stage-wise diffusion: every stage is an ordinary diffusion between a virtual clean clip and a virtual noise.

A stage starts at the clip as it arrives (b, each pair of frames equal) and ends at the sharp clip of its own
rate (d), with one shared noise throughout (paper eq. 6-13):

    virtual noise   eps = noise - (d - b) / (nu_start - nu_end)
    virtual clean   x0  = b + nu_start / (nu_start - nu_end) * (d - b)          nu = sigma / alpha
    x_t = alpha_t * x0 + sigma_t * eps
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.diffusion import flow
from tpdiff.resample import Down, down, up
from tpdiff.stages import Stage


@dataclass(frozen=True, kw_only=True)
class StageEnds:
    """The two ends of the straight line that a stage follows, both (B, C, F_j, h, w)."""

    clean: torch.Tensor
    """Virtual clean clip x0; beyond the data range in all but the first stage."""
    noise: torch.Tensor
    """Virtual noise eps."""


def stage_ends(sharp: torch.Tensor, noise: torch.Tensor, stage: Stage, *, method: Down) -> StageEnds:
    """Virtual clean clip and noise of a stage, from the clip at the stage's rate and the stage's noise.

    Stage 0 has nothing to arrive from: it is plain diffusion of its clip.
    """
    if stage.index == 0:
        return StageEnds(clean=sharp, noise=noise)
    gained = sharp - up(down(sharp, 2, method=method))
    nu_start, nu_end = _nu(stage.start), _nu(stage.end)
    return StageEnds(
        clean=sharp - gained + nu_start / (nu_start - nu_end) * gained,
        noise=noise - gained / (nu_start - nu_end),
    )


def _nu(t: float) -> float:
    return flow.sigma(t) / flow.alpha(t)
