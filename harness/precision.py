"""The numbers that a training step computes in: float32, or mixed precision by autocast.

Parameters, optimiser, averages and sampling stay float32.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.amp.autocast_mode import autocast
from torch.amp.grad_scaler import GradScaler

from harness.study import PrecisionName

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision:
    """Autocast for the forward pass and, in float16, a loss scale that keeps small gradients from vanishing.

    A step whose scaled gradients overflow leaves weights and optimiser as they are and halves the scale; with a
    fresh scale of 65536 a few such steps are normal. In the other precisions the scaler does nothing at all.
    """

    def __init__(self, name: PrecisionName, *, device: str) -> None:
        self.name = name
        self.device_type = torch.device(device).type
        self.scaler = GradScaler(self.device_type, enabled=name == "float16")

    def forward(self) -> AbstractContextManager[Any]:
        """What the forward pass, and only it, runs in."""
        if self.name not in AUTOCAST:
            return nullcontext()
        return autocast(self.device_type, dtype=AUTOCAST[self.name])

    def notes(self) -> dict[str, float]:
        """Numbers for the training record: ``loss_scale`` in float16. One that only falls means skipped steps."""
        return {"loss_scale": self.scaler.get_scale()} if self.scaler.is_enabled() else {}

    def state(self) -> str:
        """The loss scale and its count of good steps as JSON, which keeps every bit of a float."""
        return json.dumps(self.scaler.state_dict())

    def load(self, state: str) -> None:
        """Go on from what :meth:`state` gave."""
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(json.loads(state))
