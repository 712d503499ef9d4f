"""From one stage to the next: twice the frames, rescaled signal, and exactly the noise that is missing.

The paper's eq. 15 prints r = alpha_end. That collapses the signal; the ratio alpha_start / alpha_end is needed
for the mean of the next stage's start, and the Gaussian oracle in the tests tells the two apart.
"""

from __future__ import annotations

import torch

from harness.diffusion import flow
from tpdiff.stages import Stage


def transition(x_end: torch.Tensor, noise: torch.Tensor, leaving: Stage, entering: Stage) -> torch.Tensor:
    """The start of stage ``entering`` from the end of stage ``leaving``: (B, C, F, h, w) to (B, C, 2F, h, w).

        x[2i], x[2i+1] = r * x_end[i] +- delta * noise[i],   r = alpha_start / alpha_end,  delta = sigma_start / sqrt 2

    ``noise`` (B, C, F, h, w) is standard Gaussian, independent of ``x_end``: the high Haar band of the sample's
    full-rate noise. Since nu_end = nu_start / sqrt 2, noise of variance sigma_end^2 in ``x_end`` becomes white
    noise of variance sigma_start^2 over all 2F frames.
    """
    kept = flow.alpha(entering.start) / flow.alpha(leaving.end) * x_end
    fresh = flow.sigma(entering.start) * 0.5**0.5 * noise
    return torch.stack([kept + fresh, kept - fresh], dim=3).flatten(2, 3)
