"""The network's part of a request and of a training step once more, with fake tensors: what memory it has to take.

Generators need not know of this: the calls that they made of their network are repeated, as far as shapes go. What a
generator holds itself, and what it does before and after the network, is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from harness.generator import Batch, NullProbe, Probe, Trainable
from harness.measure.memory import in_words
from harness.measure.predicted_memory import (
    Built,
    CallLog,
    NetworkCall,
    PredictedPeak,
    TensorSpec,
    fake_copy,
    predict_peak,
)
from harness.training import TRAINING, Trainer

Prediction = PredictedPeak | str
"""Or why there is none."""


class PartProbe(NullProbe):
    """Knows which part of a training batch is under way, from 0."""

    def __init__(self) -> None:
        self.part = -1

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        self.part += name == f"{TRAINING}[forward]"
        yield


def predict_denoising(network: nn.Module, log: CallLog) -> dict[int, Prediction]:
    """Of a denoising step of each stage: the network's largest call in it."""
    by_stage: dict[int, list[NetworkCall]] = defaultdict(list)
    for call in log.calls:
        if call.place is not None and call not in by_stage[call.place]:
            by_stage[call.place].append(call)

    def build(calls: list[NetworkCall]) -> Built:
        fake = fake_copy(network)

        def step() -> None:
            for call in calls:
                call.repeat(fake)

        return Built(network=fake, step=step)

    return {stage: log.reason or _attempt(partial(build, calls)) for stage, calls in sorted(by_stage.items())}


def predict_training(trainer: Trainer, batch: Batch, log: CallLog) -> Prediction:
    """Of a training step: the network's calls, the mean square of what they return, and all that the trainer does."""

    def build() -> Built:
        network = fake_copy(trainer.generator.denoiser)
        again = cast(Trainable, _Repeated(network, log.calls))
        fake = Trainer(again, trainer.study, trainer.dataset, label=trainer.label, seed=trainer.seed)
        # In float16 it would read whether gradients overflowed. What it holds are single numbers.
        fake.precision.scaler = GradScaler(fake.precision.device_type, enabled=False)
        inputs = remade(batch, lambda tensor: TensorSpec.of(tensor).empty())
        return Built(network=network, step=lambda: fake.train_step(inputs, NullProbe()), optimiser=fake.optimizer)

    if trainer.study.training.compile:
        return "the network is compiled: what the compiler will hold cannot be told from the network's operators"
    return log.reason or _attempt(build)


class _Repeated:
    """What a trainer needs of a generator: its network, and a loss of the same calls."""

    def __init__(self, network: nn.Module, calls: list[NetworkCall]) -> None:
        self.denoiser, self._calls = network, calls

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        predictions = [call.repeat(self.denoiser) for call in self._calls if call.place == batch.part]
        return torch.stack([(one - torch.empty_like(one)).square().mean() for one in predictions]).sum()


def remade(batch: Batch, make: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    """The batch with another tensor in the place of each."""
    tensors = [(name, value) for name, value in vars(batch).items() if isinstance(value, torch.Tensor)]
    again: dict[str, Any] = {name: make(tensor) for name, tensor in tensors}
    return replace(batch, **again)


def _attempt(build: Callable[[], Built]) -> Prediction:
    try:
        return predict_peak(build)
    except Exception as error:  # noqa: BLE001  a network that needs values is no reason for a unit to fail
        return f"the network does not run on fake tensors: {in_words(error)}"
