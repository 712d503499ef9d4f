"""Classifier-free guidance (Ho & Salimans, arXiv 2207.12598)."""

from __future__ import annotations

import torch

from harness.denoiser import Denoiser


def evaluations_per_step(guidance: float) -> int:
    """Network evaluations a step: 1 at scale 1, else 2 (with and without the caption)."""
    return 1 if guidance == 1 else 2


def guided(
    denoiser: Denoiser,
    x: torch.Tensor,
    time: float,
    tokens: torch.Tensor,
    frame_positions: torch.Tensor,
    *,
    guidance: float,
) -> torch.Tensor:
    """prediction = without + guidance * (with - without), both halves in one batch; shape of ``x``."""
    timestep = torch.full((len(x),), time, device=x.device)
    if guidance == 1:
        return denoiser(x, timestep, tokens, frame_positions)
    both = denoiser(
        torch.cat([x, x]),
        torch.cat([timestep, timestep]),
        torch.cat([tokens, torch.zeros_like(tokens)]),
        frame_positions,
    )
    with_caption, without = both.chunk(2)
    return without + guidance * (with_caption - without)
