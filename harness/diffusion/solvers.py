"""Integrators of the probability flow. Every method here is deterministic, as a temporal pyramid requires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

Velocity = Callable[[int, torch.Tensor, float], torch.Tensor]
"""(index of the step, x, time) to dx/dt, shape of x."""


def euler(velocity: Velocity, x: torch.Tensor, times: Sequence[float]) -> torch.Tensor:
    """Follow dx/dt through ``times`` (falling); first order, one evaluation a step."""
    for index, (now, following) in enumerate(pairwise(times)):
        x = x + (following - now) * velocity(index, x, now)
    return x


def uniform_times(start: float, end: float, steps: int) -> list[float]:
    """``steps`` + 1 equally spaced times from ``start`` to ``end``, both exact.

    >>> uniform_times(1.0, 0.0, 4)
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return [start + (end - start) * (index / steps) for index in range(steps)] + [end]
