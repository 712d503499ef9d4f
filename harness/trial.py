"""A generator on trial: a tiny context, and orders and batches to question it with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from harness.generator import Batch, ClipShape, Context, Generator, NullProbe, Request, Trainable
from harness.registry import find
from harness.seeds import torch_generator

SHAPE = ClipShape(frames=8, height=16, width=16, channels=1)
WORDS = ("the", "digit", "one", "two", "moving", "left", "right")
PROMPTS = ("the digit one moving left", "the digit two moving right", "the digit one moving right")
STEPS = 6


@dataclass
class RecordingProbe(NullProbe):
    """Remembers what it is told."""

    spans: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        self.spans.append(name)
        yield

    @contextmanager
    def step(self, index: int, **attributes: int | float | str) -> Iterator[None]:
        self.steps.append(attributes)
        yield


@dataclass(frozen=True, kw_only=True)
class WitnessedRequest(Request):
    """Remembers which noise was asked for."""

    asked: list[tuple[int, ...]] = field(default_factory=list)

    def noise(self, *latent_shape: int, name: str = "sample-noise") -> torch.Tensor:
        self.asked.append(latent_shape)
        return super().noise(*latent_shape, name=name)


class Trial:
    """One generator on trial, and what the checks need to question it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.factory = find("generators", name).load()
        self.folder = folder

    def load(self, **changes: Any) -> Generator:
        """A new instance, loaded with the context of the trial."""
        context = Context(
            seed=7,
            shape=SHAPE,
            vocabulary=WORDS,
            caption_length=5,
            backbone="tiny-unet",
            backbone_options={"width": 8},
        )
        generator = cast(Generator, self.factory())
        generator.load(replace(context, **changes))
        return generator

    @cached_property
    def generator(self) -> Generator:
        """The instance that most checks share; its network, if it has one, is shaken."""
        generator = self.load()
        if isinstance(generator, Trainable):
            shake(generator)
        return generator

    @property
    def trainable(self) -> Trainable:
        """A copy of the generator, free to be trained."""
        return cast(Trainable, copy.deepcopy(self.generator))

    def request(self, ids: tuple[int, ...] = (0, 1, 2), **changes: Any) -> WitnessedRequest:
        """An order for samples with these ids; the prompt belongs to the id."""
        prompts = tuple(PROMPTS[sample % len(PROMPTS)] for sample in ids)
        order = WitnessedRequest(
            prompts=prompts,
            sample_ids=ids,
            study_seed=1,
            frames=SHAPE.frames,
            height=SHAPE.height,
            width=SHAPE.width,
            fps=8.0,
            steps=STEPS,
        )
        return replace(order, asked=[], **changes)

    def frames(self, ids: tuple[int, ...] = (0, 1, 2), **changes: Any) -> np.ndarray:
        """The videos of such an order, as signed integers, ready to be compared."""
        return self.generator.generate(self.request(ids, **changes), NullProbe()).frames.astype(np.int16)

    def batch(self) -> Batch:
        """Six clips of moving bars; one caption is empty."""
        columns = torch.arange(SHAPE.width).view(1, 1, 1, 1, -1)
        frames = torch.arange(SHAPE.frames).view(1, 1, -1, 1, 1)
        starts = torch.arange(6).view(-1, 1, 1, 1, 1)
        bars = ((columns - starts - frames) % 8 < 3).float() * 2 - 1
        clips = bars.expand(6, SHAPE.channels, SHAPE.frames, SHAPE.height, SHAPE.width).contiguous()
        tokens = torch.tensor([[1, 2, 3 + i % 2, 5, 6 + i % 2] for i in range(6)])
        tokens[0] = 0
        noise = torch.randn(clips.shape, generator=torch_generator("conformance", "noise"))
        uniform = torch.rand(6, generator=torch_generator("conformance", "time"))
        return Batch(clips=clips, tokens=tokens, noise=noise, uniform=uniform, step=3, seed=5)


def shake(generator: Trainable) -> None:
    """Add a little fixed noise to every weight."""
    with torch.no_grad():
        for name, parameter in generator.denoiser.named_parameters():
            draw = torch.randn(parameter.shape, generator=torch_generator("conformance", "shake", name))
            parameter.add_(0.1 * draw.to(parameter.device))
