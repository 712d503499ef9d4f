"""A small network of DINO's kind: its sizes, and parameters by a formula."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from formula_weights import formula_weights

TINY = {"side": 32, "patch": 8, "width": 24, "layers": 2, "heads": 2}


def tiny_dino_state(shapes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Formula weights, tables four times as large: else one frame's features are hardly another's."""
    return {name: 4 * value if value.ndim > 1 else value for name, value in formula_weights(shapes).items()}
