"""What networks that were trained on ImageNet share: how pictures are normalised, and what the classes are called."""

from __future__ import annotations

import json

import torch

from harness import weights
from harness.errors import WeightsError

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]."""

CLASSES = 1000
NAMES = "imagenet-names"
"""What the fetched list is called."""


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """RGB (n, 3, H, W), 0 to 255, less the mean and over the deviation of ImageNet's pictures.

    >>> [round(value, 4) for value in normalised(torch.full((1, 3, 1, 1), 255.0)).flatten().tolist()]
    [2.2489, 2.4286, 2.64]
    """
    mean, deviation = (pictures.new_tensor(numbers).view(1, 3, 1, 1) for numbers in (MEAN, DEVIATION))
    return (pictures / 255 - mean) / deviation


def class_names() -> tuple[str, ...]:
    """English names of ImageNet-1k's classes, in the order in which networks number them.

    Two names stand for two classes each (missile, sunglasses).

    Raises:
        WeightsError: the list is not there, or not one of 1000 names; the message names the command that fetches it.
    """
    file = weights.path(NAMES)
    try:
        names = json.loads(file.read_bytes())
    except ValueError as error:
        raise WeightsError(f"{file} cannot be read as a list of names: {error}") from error
    if not isinstance(names, list) or len(names) != CLASSES or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"{file} does not hold the names of {CLASSES} classes")
    return tuple(names)
