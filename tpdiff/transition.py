"""From one stage to the next: more frames, rescaled signal, and exactly the noise that is missing.

    x = r * Up(x_end) + root(sigma_start^2 I - (r sigma_end)^2 W W^T) z        r = alpha_start / alpha_end

W is the matrix of Up. The first term brings the mean of the next stage's start and noise of covariance
(r sigma_end)^2 W W^T; the second term fills that up to white noise of variance sigma_start^2. It needs
nu_start >= ||W|| nu_end, and with equality (``tpdiff.stages``) adds the least noise that will do. For frames shown
twice this is the inverse Haar step x[2i], x[2i+1] = r * x_end[i] +- sigma_start / sqrt(2) * z[i].

The paper's eq. 15 prints alpha_end in the place of r. That collapses the signal (docs/method.md); it is here as
``printed``, as is doubling the frames without fresh noise (``none``), for ablations alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch

from harness.diffusion.schedule import Level
from tpdiff.resample import Resampling, along_time

TransitionRule = Literal["exact", "printed", "none"]


def transition(
    x_end: torch.Tensor,
    noise: torch.Tensor,
    *,
    leaving: Level,
    entering: Level,
    factor: int,
    resampling: Resampling,
    rule: TransitionRule = "exact",
) -> torch.Tensor:
    """The start of a stage, (B, C, F', h, w), from the end of the one before, (B, C, F, h, w).

    Args:
        x_end: at the noise level ``leaving``.
        noise: standard Gaussian at the *new* rate, shape of the result, independent of ``x_end``.
        factor: how many frames a frame becomes.
    """
    expanded = resampling.expand(x_end, factor)
    if rule == "none":
        return expanded
    kept = leaving.alpha if rule == "printed" else entering.alpha / leaving.alpha
    root = missing_noise(x_end.shape[2], factor, resampling, leaving, entering)
    return kept * expanded + along_time(root, noise)


@lru_cache(maxsize=64)
def missing_noise(frames: int, factor: int, resampling: Resampling, leaving: Level, entering: Level) -> torch.Tensor:
    """(F', F') float64: the symmetric root of the covariance that Up leaves open; singular by design.

    Raises:
        ValueError: the next stage starts at too little noise to hide the repetition.
    """
    up = resampling.expand(torch.eye(frames, dtype=torch.float64).view(frames, 1, frames, 1, 1), factor)[
        :, 0, :, 0, 0
    ].T
    held = (entering.alpha / leaving.alpha * leaving.sigma) ** 2 * up @ up.T
    values, vectors = torch.linalg.eigh(entering.sigma**2 * torch.eye(len(up), dtype=torch.float64) - held)
    if values[0] < -1e-9:
        raise ValueError(
            f"a stage that starts at noise-to-signal {entering.nu:.4g} cannot follow one that ends at "
            f"{leaving.nu:.4g} with {factor}-fold frames: it must be at least {leaving.nu * factor**0.5:.4g}"
        )
    return vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T


def reuses_low_band(root: torch.Tensor, factor: int, resampling: Resampling) -> bool:
    """Whether ``root`` lets through any of the noise band that the stage before has already used."""
    identity = torch.eye(len(root), dtype=torch.float64).view(len(root), 1, len(root), 1, 1)
    band = resampling.band(identity, factor)[:, 0, :, 0, 0].T
    return bool((band @ root).abs().max() > 1e-7)
