"""Models in pixel space: the latent is the clip itself, scaled to [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch

from harness.errors import UnitError


def to_latent(frames: np.ndarray) -> torch.Tensor:
    """uint8 (B, T, H, W, C) to float32 (B, C, T, H, W) in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1).contiguous()


def to_frames(latent: torch.Tensor) -> np.ndarray:
    """Latent (B, C, T, H, W) to uint8 RGB (B, T, H, W, 3); values outside [-1, 1] are clipped, grey is repeated.

    Raises:
        UnitError: the latent holds values that are no numbers; casting would turn them into silent grey.
    """
    if not torch.isfinite(latent).all():
        raise UnitError("sampling diverged: the final latent holds NaN or infinity. Check the weights that sampled it.")
    scaled = latent.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    frames = scaled.permute(0, 2, 3, 4, 1).cpu().numpy()
    return np.ascontiguousarray(frames if frames.shape[-1] == 3 else np.repeat(frames, 3, axis=-1))
