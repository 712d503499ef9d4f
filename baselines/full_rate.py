"""The control: plain flow matching at the full frame rate in every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from harness.denoiser import Denoiser
from harness.diffusion import flow
from harness.diffusion.guidance import evaluations_per_step, guided
from harness.diffusion.pixels import to_frames
from harness.diffusion.solvers import euler, uniform_times
from harness.generator import Batch, Context, Generation, Probe, Request


@dataclass(frozen=True)
class FullRateOptions:
    """The control has no options of its own."""


class FullRate:
    """Same backbone, optimiser, data order and noise as the pyramid; only the pyramid is missing."""

    denoiser: Denoiser

    def load(self, context: Context) -> None:
        context.options_as(FullRateOptions)
        self.context = context
        self.denoiser = context.build_denoiser()

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        x_t = flow.interpolate(batch.clips, batch.noise, batch.uniform)
        target = flow.velocity(batch.clips, batch.noise)
        positions = torch.arange(x_t.shape[2], device=x_t.device, dtype=torch.float32)
        with probe.span("forward", stage=0):
            prediction = self.denoiser(x_t, batch.uniform, batch.tokens, positions)
            return F.mse_loss(prediction, target)

    @torch.no_grad()
    def generate(self, request: Request, probe: Probe) -> Generation:
        device, evaluations = self.context.device, evaluations_per_step(request.guidance)
        tokens = self.context.tokens(request.prompts)
        positions = torch.arange(request.frames, device=device, dtype=torch.float32)
        channels = self.context.shape.channels

        def velocity(index: int, x: torch.Tensor, time: float) -> torch.Tensor:
            with probe.step(index, stage=0, frames=request.frames, nfe=evaluations):
                return guided(self.denoiser, x, time, tokens, positions, guidance=request.guidance)

        x = request.noise(channels, request.frames, request.height, request.width).to(device)
        with probe.span("denoise", stage=0):
            x = euler(velocity, x, uniform_times(1.0, 0.0, request.steps))
        with probe.span("decode"):
            frames = to_frames(x)
        nfe = evaluations * request.steps
        return Generation(frames=frames, nfe=nfe, full_rate_nfe=float(nfe))
