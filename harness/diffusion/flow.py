"""Flow matching: x_t = alpha * clean + sigma * noise with alpha = 1 - t, sigma = t (Lipman et al., arXiv 2210.02747).

Time runs from 1 (noise) to 0 (clean). The network predicts the velocity dx/dt = noise - clean.
"""

from __future__ import annotations

import torch


def alpha(t: float) -> float:
    """Share of the clean clip at time ``t``."""
    return 1.0 - t


def sigma(t: float) -> float:
    """Share of the noise at time ``t``."""
    return t


def interpolate(clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """x_t for clips (B, ...) and times (B,) in [0, 1]."""
    t = t.view(-1, *[1] * (clean.dim() - 1))
    return (1 - t) * clean + t * noise


def velocity(clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """What the network should predict at every x_t between ``clean`` and ``noise``."""
    return noise - clean
