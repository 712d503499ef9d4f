"""Exponential moving averages of a network's weights, one for each decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save

from harness.store import write_atomically

Tensors = Mapping[str, torch.Tensor]


class Averages:
    """Follow a network's weights with several decays at once; the first decay's average is the one that samples."""

    def __init__(self, weights: Tensors, *, decays: Sequence[float]) -> None:
        self.of = {decay: {name: value.detach().clone() for name, value in weights.items()} for decay in decays}

    @torch.no_grad()
    def update(self, weights: Tensors, *, step: int) -> None:
        """Move every average towards the weights after ``step`` (from 0).

        Early on the decay is (1 + step) / (10 + step) at most, so that the initial weights fade quickly.
        """
        floats = [name for name, value in weights.items() if value.is_floating_point()]
        current = [weights[name] for name in floats]
        for decay, average in self.of.items():
            share = 1 - min(decay, (1 + step) / (10 + step))
            torch._foreach_lerp_([average[name] for name in floats], current, share)
            for name in weights.keys() - set(floats):
                average[name].copy_(weights[name])

    def state(self) -> dict[str, torch.Tensor]:
        """All averages under names that tell their decays apart."""
        return {f"{decay}/{name}": value for decay, average in self.of.items() for name, value in average.items()}

    def load(self, state: Tensors) -> None:
        """Go on from what :meth:`state` gave."""
        for decay, average in self.of.items():
            for name, value in average.items():
                value.copy_(state[f"{decay}/{name}"])

    def write(self, path: Path) -> None:
        """The average that samples to ``path``, last; every further one beside it (see :func:`beside`)."""
        first = next(iter(self.of))
        for decay, average in reversed(self.of.items()):
            tensors = {name: value.contiguous() for name, value in average.items()}
            write_atomically(path if decay == first else beside(path, decay), save(tensors))


def beside(path: Path, decay: float) -> Path:
    """Where a further average is written.

    >>> beside(Path("0/denoiser.safetensors"), 0.9).as_posix()
    '0/denoiser-ema0.9.safetensors'
    """
    return path.with_name(f"{path.stem}-ema{decay}{path.suffix}")
