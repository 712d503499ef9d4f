"""Data-noise alignment: pair each clip of a batch with a noise that lies near it (Immiscible Diffusion, 2406.12303).

A permutation of Gaussian draws stays Gaussian over the batch, but the noise now depends on the clip; the
transition assumes independence. So this is an accelerator with a bias, and it can be switched off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Alignment = Literal["off", "batch", "pooled"]
"""``batch``: noises change places among the clips of one stage. ``pooled``: among all clips of the batch, each
comparing at its own stage's rate, so that the strength does not sink with the number of stages."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Which noise each clip is given, and what that was worth."""

    order: torch.Tensor
    """(B,) int64: clip i takes noise order[i]."""
    saved: float
    """Share of the summed L2 distance that the new order saves, in [0, 1)."""


def assign(distance: torch.Tensor) -> Assignment:
    """The order with the smallest summed ``distance`` (B, B) of clips (rows) and noises, found on the CPU."""
    from scipy.optimize import linear_sum_assignment  # half a second, which only training needs

    table = distance.detach().cpu()
    _, columns = linear_sum_assignment(table.numpy())
    order = torch.from_numpy(columns)
    before = table.diagonal().sum().item()
    after = table[torch.arange(len(table)), order].sum().item()
    return Assignment(order=order.to(distance.device), saved=1 - after / before if before else 0.0)


def distances(clips: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """(N, M) L2 distances of clips (N, ...) and noises (M, ...) by one float32 matrix product.

    |a|^2 + |b|^2 - 2 a.b, clipped at 0 against rounding.
    """
    a, b = clips.flatten(1).float(), noise.flatten(1).float()
    squared = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    return squared.clamp_(min=0).sqrt_()
