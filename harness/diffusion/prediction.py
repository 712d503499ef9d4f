"""What a network predicts, and how one kind becomes another. All explicit, nothing divides where it need not.

    epsilon         noise
    clean           clean
    velocity        noise - clean                     flow matching's target
    v_prediction    alpha * noise - sigma * clean     Salimans & Ho, arXiv 2202.00512

``velocity`` and ``v_prediction`` are two things. Together with x = alpha * clean + sigma * noise each of them
fixes both clean and noise: two linear equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.diffusion.form import PredictionKind
from harness.diffusion.schedule import Level


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a network says about x: the two ends of the straight line on which it believes x to lie."""

    clean: torch.Tensor
    """Shape of x. In a stage of a pyramid it is the virtual clean clip, which may leave the data range."""
    noise: torch.Tensor
    """Shape of x."""


def coefficients(kind: PredictionKind, at: Level) -> tuple[float, float]:
    """(p, q) of the prediction p * noise - q * clean."""
    match kind:
        case "epsilon":
            return 1.0, 0.0
        case "clean":
            return 0.0, -1.0
        case "velocity":
            return 1.0, 1.0
        case "v_prediction":
            return at.alpha, at.sigma
    raise _unknown(kind)


def training_target(
    kind: PredictionKind, clean: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """What the network should say, for clips (B, ...) and levels (B,)."""
    match kind:
        case "epsilon":
            return noise
        case "clean":
            return clean
        case "velocity":
            return noise - clean
        case "v_prediction":
            return _wide(alpha, noise) * noise - _wide(sigma, clean) * clean
    raise _unknown(kind)


def estimate(kind: PredictionKind, prediction: torch.Tensor, x: torch.Tensor, at: Level) -> Estimate:
    """Clean and noise from a network's prediction at one noise level: two linear equations.

    Raises:
        ValueError: the prediction does not tell: epsilon of pure noise, or a clean clip of no noise at all.
    """
    p, q = coefficients(kind, at)
    total = at.alpha * p + at.sigma * q
    if not total:
        raise ValueError(
            f"a network that predicts {kind} says nothing about the other end at alpha {at.alpha:g}, sigma "
            f"{at.sigma:g}; train it to predict velocity or v_prediction"
        )
    return Estimate(clean=(p * x - at.sigma * prediction) / total, noise=(q * x + at.alpha * prediction) / total)


def convert(
    prediction: torch.Tensor, x: torch.Tensor, at: Level, *, given: PredictionKind, wanted: PredictionKind
) -> torch.Tensor:
    """The same statement in another kind of prediction: ``epsilon`` to ``velocity`` and so on."""
    ends = estimate(given, prediction, x, at)
    level = (x.new_full((len(x),), at.alpha), x.new_full((len(x),), at.sigma))
    return training_target(wanted, ends.clean, ends.noise, *level)


def interpolate(clean: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """x_t for clips (B, ...) at levels (B,)."""
    return _wide(alpha, clean) * clean + _wide(sigma, noise) * noise


def _wide(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.view(-1, *[1] * (like.dim() - 1)).to(like.dtype)


def _unknown(kind: str) -> ValueError:
    return ValueError(f"prediction kind is {kind!r}, known: epsilon, v_prediction, velocity, clean")
