"""Data-noise alignment: pair each clip of a batch with a noise that lies near it (Immiscible Diffusion, 2406.12303).

A permutation of Gaussian draws stays Gaussian over the batch, but the noise now depends on the clip; the
transition assumes independence. So this is an accelerator with a bias, and it can be switched off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """The noise in its new order, and what that was worth."""

    noise: torch.Tensor
    """Rows of the given noise, permuted."""
    saved: float
    """Share of the summed L2 distance that the new order saves, in [0, 1)."""


def align(clips: torch.Tensor, noise: torch.Tensor) -> Aligned:
    """The order of ``noise`` (B, ...) that minimises the summed L2 distance to ``clips`` (B, ...), row by row."""
    distance = _distances(clips.flatten(1), noise.flatten(1)).cpu()
    _, order = linear_sum_assignment(distance.numpy())
    permutation = torch.from_numpy(order)
    before = distance.diagonal().sum().item()
    after = distance[torch.arange(len(clips)), permutation].sum().item()
    return Aligned(noise=noise[permutation.to(noise.device)], saved=1 - after / before if before else 0.0)


def _distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(N, M) L2 distances by one matrix product: |a|^2 + |b|^2 - 2 a.b, clipped at 0 against rounding."""
    squared = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    return squared.clamp_(min=0).sqrt_()
