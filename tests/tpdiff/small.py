"""TPDiff and the control on small networks with weights, and what the tests ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from baselines.full_rate import FullRate
from harness.diffusion.form import Diffusion
from harness.generator import Batch, ClipShape, Context, NullProbe, Request
from tpdiff.generator import TPDiff

Model = FullRate | TPDiff


def loaded(
    kind: type[Model],
    *,
    frames: int = 8,
    backbone: str = "tiny-unet",
    diffusion: Diffusion | None = None,
    **options: Any,
) -> Model:
    """A generator with weights that do something: freshly initialised networks predict zero."""
    generator = kind()
    small: dict[str, Any] = {"width": 8} if backbone == "tiny-unet" else {"width": 16, "depth": 2}
    generator.load(
        Context(
            seed=7,
            shape=ClipShape(frames=frames, height=8, width=8),
            vocabulary=("up", "down"),
            caption_length=2,
            backbone=backbone,
            backbone_options=small,
            diffusion=diffusion or Diffusion(),
            options=options,
        )
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in generator.denoiser.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return generator


def batch(size: int = 6, frames: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        clips=torch.rand(size, 1, frames, 8, 8, generator=generator) * 2 - 1,
        tokens=torch.ones(size, 2, dtype=torch.long),
        noise=torch.randn(size, 1, frames, 8, 8, generator=generator),
        uniform=torch.rand(size, generator=generator),
        step=3,
        seed=11,
    )


def request(*sample_ids: int, frames: int = 8, steps: int = 6, **more: Any) -> Request:
    settings: dict[str, Any] = {"study_seed": 0, "height": 8, "width": 8, "fps": 8, "frames": frames, "steps": steps}
    return Request(prompts=("up",) * len(sample_ids), sample_ids=sample_ids, **settings | more)


def loss_and_gradient(generator: Model) -> tuple[float, list[torch.Tensor]]:
    loss = generator.training_step(batch(), NullProbe())
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in generator.denoiser.parameters() if parameter.grad is not None]
    return loss.item(), gradients


class StepLog:
    """Keeps the attributes of every solver step and the names of the spans."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.spans: list[str] = []

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[None]:
        self.spans.append(name)
        yield

    @contextmanager
    def step(self, index: int, **attributes: Any) -> Iterator[None]:
        self.steps.append({"index": index, **attributes})
        yield

    def note(self, name: str, value: float) -> None:
        self.spans.append(name)
