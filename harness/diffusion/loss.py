"""The training loss of one noisy batch, and how it weighs noise levels."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from harness.diffusion.form import PredictionKind, Weighting

GAMMA = 5.0
"""Where min-SNR stops rewarding clean levels (Hang et al., arXiv 2303.09556)."""


def denoising_loss(prediction: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Mean squared error over (B, ...), each clip weighted by ``weights`` (B,); None weighs all alike."""
    if weights is None:
        return F.mse_loss(prediction, target)
    per_clip = (prediction - target).square().flatten(1).mean(dim=1)
    return (weights * per_clip).mean()


def loss_weights(
    weighting: Weighting, kind: PredictionKind, alpha: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor | None:
    """Weight of each clip (B,) at levels (B,); None for ``uniform``.

    ``min-snr`` weighs the error of the *clean* clip by min(SNR, 5), SNR = (alpha / sigma)^2, whatever the network
    predicts; the error of the prediction is converted. In the stages of a pyramid that is exact for its ``virtual``
    target; with the others the error in the detail that a stage adds is weighed as if the target were virtual.
    """
    if weighting == "uniform":
        return None
    snr = (alpha / sigma.clamp(min=1e-8)).square()
    match kind:
        case "epsilon":
            return (GAMMA / snr.clamp(min=1e-12)).clamp(max=1)
        case "clean":
            per_error = torch.ones_like(snr)
        case "velocity":
            per_error = (sigma / (alpha + sigma)).square()
        case "v_prediction":
            per_error = (sigma / (alpha.square() + sigma.square())).square()
    return snr.clamp(max=GAMMA) * per_error
