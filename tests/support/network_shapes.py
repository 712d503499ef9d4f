"""Parameters of networks that are built small, and names and shapes of those that are not, in one number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from formula_weights import formula_weights


def shapes_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Count of numbers and a hash over (name, shape) of each parameter."""
    shapes = sorted((name, list(tensor.shape)) for name, tensor in state.items())
    count = sum(tensor.numel() for tensor in state.values())
    return f"{count}-{hashlib.sha256(repr(shapes).encode()).hexdigest()[:16]}"


def strong_weights(shapes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Four times as large: attention then prefers some tokens much to others, and pictures differ in what comes out."""
    return {name: 4 * tensor for name, tensor in formula_weights(shapes).items()}
