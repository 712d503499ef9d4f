"""Classifier-free guidance (Ho & Salimans, arXiv 2207.12598)."""

from __future__ import annotations

import torch

from harness.denoiser import Denoiser


def calls_per_evaluation(guidance: float) -> int:
    """Network calls that an evaluation costs: 1 at scale 1, else 2 (with and without the caption)."""
    return 1 if guidance == 1 else 2


def guided(
    denoiser: Denoiser,
    x: torch.Tensor,
    timestep: float,
    tokens: torch.Tensor,
    frame_positions: torch.Tensor,
    *,
    guidance: float,
) -> torch.Tensor:
    """prediction = without + guidance * (with - without), both halves in one batch; shape of ``x``.

    All kinds of prediction are affine in one another, so it does not matter which of them is guided.
    """
    timesteps = torch.full((len(x),), timestep, device=x.device)
    if guidance == 1:
        return denoiser(x, timesteps, tokens, frame_positions)
    both = denoiser(
        torch.cat([x, x]),
        torch.cat([timesteps, timesteps]),
        torch.cat([tokens, torch.zeros_like(tokens)]),
        frame_positions,
    )
    with_caption, without = both.chunk(2)
    return without + guidance * (with_caption - without)
