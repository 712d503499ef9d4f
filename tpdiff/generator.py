"""TPDiff as a plugin of the harness: the only file here that knows there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch

from harness.denoiser import Denoiser
from harness.diffusion.guidance import evaluations_per_step, guided
from harness.diffusion.pixels import to_frames
from harness.errors import UsageError
from harness.generator import Batch, Context, Generation, Probe, Request
from tpdiff.loss import Alignment, pyramid_loss
from tpdiff.resample import Down, frame_positions
from tpdiff.sampler import sample
from tpdiff.stages import Stage, TemporalPyramid


@dataclass(frozen=True)
class TPDiffOptions:
    """Options of the generator in a study."""

    stages: int = 3
    """K; only the last stage runs at the full frame rate."""
    down: Down = "mean"
    """How frames are reduced: the mean of a block, or its first frame."""
    alignment: Alignment = "batch"
    """Data-noise alignment in training."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("down", self.down, get_args(Down)),
            ("alignment", self.alignment, get_args(Alignment)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}, known: {', '.join(known)}")


class TPDiff:
    """Temporal pyramid video diffusion (Ran & Shou, arXiv 2503.09566), flow matching."""

    denoiser: Denoiser

    def load(self, context: Context) -> None:
        self.options = context.options_as(TPDiffOptions)
        self.context = context
        try:
            self.pyramid = TemporalPyramid.dyadic(self.options.stages)
            self.pyramid.check_frames(context.shape.frames)
        except ValueError as error:
            raise UsageError(f"cannot build the pyramid of 'tpdiff': {error}.") from error
        self.denoiser = context.build_denoiser()

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        return pyramid_loss(
            self.denoiser,
            batch,
            self.pyramid,
            method=self.options.down,
            alignment=self.options.alignment,
            probe=probe,
        )

    def check(self, request: Request) -> None:
        try:
            self.pyramid.check_frames(request.frames)
            self.pyramid.split_steps(request.steps)
        except ValueError as error:
            raise UsageError(f"cannot sample with 'tpdiff': {error}.") from error

    @torch.no_grad()
    def generate(self, request: Request, probe: Probe) -> Generation:
        self.check(request)
        device, evaluations = self.context.device, evaluations_per_step(request.guidance)
        tokens = self.context.tokens(request.prompts)

        def velocity(stage: Stage, x: torch.Tensor, time: float) -> torch.Tensor:
            positions = frame_positions(x.shape[2], stage.stride, method=self.options.down).to(device)
            return guided(self.denoiser, x, time, tokens, positions, guidance=request.guidance)

        noise = request.noise(self.context.shape.channels, request.frames, request.height, request.width)
        x = sample(
            velocity,
            noise.to(device),
            self.pyramid,
            steps=request.steps,
            evaluations=evaluations,
            probe=probe,
        )
        with probe.span("decode"):
            frames = to_frames(x)
        steps = self.pyramid.split_steps(request.steps)
        weighted = sum(n * stage.frame_ratio for n, stage in zip(steps, self.pyramid.stages, strict=True))
        return Generation(frames=frames, nfe=evaluations * request.steps, full_rate_nfe=evaluations * weighted)
