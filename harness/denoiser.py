"""The network every method shares: noisy latent in, prediction out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

PredictionKind = Literal["epsilon", "v_prediction", "velocity"]


class Denoiser(nn.Module):
    """Base of the backbones. ``TPDiff`` and its control are handed the same one.

    ``forward(x_t, timestep, tokens, frame_positions)``:

    - ``x_t`` (B, C, F, h, w) float; F may be any length up to the full rate's
    - ``timestep`` (B,) float in [0, 1], 1 = pure noise
    - ``tokens`` (B, L) int64 caption tokens, a row of zeros = no caption
    - ``frame_positions`` (F,) float, in frames of the full-rate clip; half-integers are allowed
    - returns the prediction, shape of ``x_t``, in the units of ``prediction``
    """

    prediction: PredictionKind = "velocity"

    def forward(
        self,
        x_t: torch.Tensor,
        timestep: torch.Tensor,
        tokens: torch.Tensor,
        frame_positions: torch.Tensor,
    ) -> torch.Tensor:
        raise NotImplementedError

    # nn.Module.__call__ is untyped; this gives callers the tensor type.
    def __call__(self, *args: torch.Tensor) -> torch.Tensor:
        prediction = super().__call__(*args)
        assert isinstance(prediction, torch.Tensor)
        return prediction
