"""Parameters by a formula, for networks whose trained ones cannot be had here: the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch


def formula_weights(shapes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state of these names and shapes, no two numbers of a parameter alike in a row.

    Weights lie in +-sqrt(2 / inputs), so that signals neither die nor grow much; variances in 0.5 to 1.5; counts are 0.
    """
    state = {}
    for place, (name, like) in enumerate(sorted(shapes.items())):
        numbers = torch.arange(like.numel(), dtype=torch.int64) + 7919 * place
        mixed = ((numbers * 2654435761 >> 13) % 2001).double() / 1000 - 1
        if not like.is_floating_point():
            values = torch.zeros(like.numel())
        elif name.endswith("running_var"):
            values = 1 + mixed / 2
        else:
            values = mixed * math.sqrt(2 / max(1, like[0].numel() if like.ndim > 1 else 4))
        state[name] = values.to(like.dtype).reshape(like.shape)
    return state
