"""The control: plain diffusion at the full frame rate in every step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from harness.denoiser import Denoiser
from harness.diffusion.guidance import calls_per_evaluation, guided
from harness.diffusion.loss import denoising_loss, loss_weights
from harness.diffusion.pixels import to_frames
from harness.diffusion.prediction import Estimate, estimate, interpolate, training_target
from harness.diffusion.schedule import Level, draw_times, uniform_levels
from harness.diffusion.solvers import make_solver, solve
from harness.errors import UsageError
from harness.generator import Batch, Context, Generation, Probe, Request


@dataclass(frozen=True)
class FullRateOptions:
    """The control has no options of its own."""


class FullRate:
    """Same backbone, diffusion, optimiser, data order and noise as the pyramid; only the pyramid is missing."""

    denoiser: Denoiser

    def load(self, context: Context) -> None:
        context.options_as(FullRateOptions)
        self.context = context
        self.schedule = context.diffusion.schedule
        self.denoiser = context.build_denoiser()

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        schedule, kind = self.schedule, self.denoiser.prediction
        times = draw_times(schedule, 1.0, 0.0, batch.uniform)
        alpha, sigma = schedule.alpha(times), schedule.sigma(times)
        x_t = interpolate(batch.clips, batch.noise, alpha, sigma)
        target = training_target(kind, batch.clips, batch.noise, alpha, sigma)
        weights = loss_weights(self.context.diffusion.weighting, kind, alpha, sigma)
        positions = torch.arange(x_t.shape[2], device=x_t.device, dtype=torch.float32)
        with probe.span("forward", stage=0):
            prediction = self.denoiser(x_t, schedule.timestep(times), batch.tokens, positions)
            return denoising_loss(prediction, target, weights)

    def check(self, request: Request) -> None:
        make_solver(request.solver, eta=request.eta)
        self._levels(request)

    def _levels(self, request: Request) -> list[Level]:
        try:
            return uniform_levels(self.schedule, 1.0, 0.0, request.steps)
        except ValueError as error:
            raise UsageError(f"cannot sample at the full rate: {error}.") from error

    @torch.no_grad()
    def generate(self, request: Request, probe: Probe) -> Generation:
        device, calls = self.context.device, calls_per_evaluation(request.guidance)
        with probe.span("text"):
            tokens = self.context.tokens(request.prompts)
        positions = torch.arange(request.frames, device=device, dtype=torch.float32)
        levels, channels = self._levels(request), self.context.shape.channels

        def predict(x: torch.Tensor, at: Level) -> Estimate:
            said = guided(self.denoiser, x, at.timestep, tokens, positions, guidance=request.guidance)
            return estimate(self.denoiser.prediction, said, x, at)

        def observe(index: int, evaluations: int) -> AbstractContextManager[None]:
            return probe.step(index, stage=0, frames=request.frames, nfe=calls * evaluations)

        def fresh(index: int, x: torch.Tensor) -> torch.Tensor:
            return request.noise(*x.shape[1:], name=f"step-{index}").to(device)

        solver = make_solver(request.solver, eta=request.eta, noise=fresh)
        nfe = calls * sum(solver.evaluations(following) for following in levels[1:])
        x = request.noise(channels, request.frames, request.height, request.width).to(device)
        with probe.span("denoise", stage=0):
            x = solve(solver, predict, x, levels, observe=observe)
        with probe.span("decode"):
            frames = to_frames(x)
        return Generation(frames=frames, nfe=nfe, full_rate_nfe=float(nfe))
