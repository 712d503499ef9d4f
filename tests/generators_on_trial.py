"""A small generator that keeps every promise of the seam, and siblings that each break one.

They are named as ``generators_on_trial.py:Class``, as a user names a generator that is not packaged.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from harness.denoiser import Denoiser, load_weights
from harness.diffusion.pixels import to_frames
from harness.generator import Batch, Context, Generation, Probe, Request


@dataclass(frozen=True)
class NoOptions:
    """None."""


class OneConvolution(Denoiser):
    """A denoiser of one 3-D convolution, told of the time and the mean word."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words + 1, 4)
        self.time = nn.Linear(1, 4)
        self.first = nn.Conv3d(1, 4, 3, padding=1)
        self.last = nn.Conv3d(4, 1, 1)

    def forward(
        self, x_t: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor, frame_positions: torch.Tensor
    ) -> torch.Tensor:
        told = self.time(timestep.view(-1, 1)) + self.words(tokens).mean(dim=1)
        hidden = torch.tanh(self.first(x_t) + told.view(-1, 4, 1, 1, 1))
        out: torch.Tensor = self.last(hidden)
        return out


class Good:
    """Keeps every promise."""

    denoiser: Denoiser

    def load(self, context: Context) -> None:
        context.options_as(NoOptions)
        self.context = context
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            self.denoiser = OneConvolution(len(context.vocabulary))
        if context.weights is not None:
            load_weights(self.denoiser, context.weights)

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        t = batch.uniform.view(-1, 1, 1, 1, 1)
        x_t = (1 - t) * batch.clips + t * batch.noise
        prediction = self.denoiser(x_t, batch.uniform, batch.tokens, torch.arange(x_t.shape[2]))
        return (prediction - batch.noise + batch.clips).square().mean()

    def start(self, request: Request) -> torch.Tensor:
        return request.noise(1, request.frames, request.height, request.width)

    @torch.no_grad()
    def generate(self, request: Request, probe: Probe) -> Generation:
        tokens = self.context.tokens(request.prompts)
        per_step = 1 if request.guidance == 1 else 2
        x = self.start(request)
        with probe.span("denoise"):
            for i in range(request.steps):
                t = torch.full((len(x),), 1 - i / request.steps)
                with probe.step(i, stage=0, frames=request.frames, nfe=per_step):
                    velocity = self.denoiser(x, t, tokens, torch.arange(request.frames))
                x = x - velocity / request.steps
        nfe = per_step * request.steps
        return Generation(frames=to_frames(x), nfe=nfe, full_rate_nfe=nfe)


class CannotLoad(Good):
    def load(self, context: Context) -> None:
        raise RuntimeError("the weights of my idea are on another machine")


class IgnoresOptions(Good):
    def load(self, context: Context) -> None:
        super().load(replace(context, options={}))


class FloatFrames(Good):
    def generate(self, request: Request, probe: Probe) -> Generation:
        answer = super().generate(request, probe)
        return replace(answer, frames=answer.frames.astype(np.float32) / 255)


class HalfTheFrames(Good):
    def generate(self, request: Request, probe: Probe) -> Generation:
        answer = super().generate(request, probe)
        return replace(answer, frames=answer.frames[:, ::2])


class CountsItsCalls(Good):
    calls = 0

    def start(self, request: Request) -> torch.Tensor:
        self.calls += 1
        return super().start(request) * (1 + self.calls)


class OneNoiseForAll(Good):
    def start(self, request: Request) -> torch.Tensor:
        return super().start(replace(request, sample_ids=(0,) * len(request.sample_ids)))


class NormalisesOverTheBatch(Good):
    def start(self, request: Request) -> torch.Tensor:
        noise = super().start(request)
        return noise / noise.std() * (1 + len(noise))


class SortsItsSamples(Good):
    def generate(self, request: Request, probe: Probe) -> Generation:
        order = sorted(range(len(request.sample_ids)), key=lambda place: request.sample_ids[place])
        prompts = tuple(request.prompts[place] for place in order)
        ids = tuple(request.sample_ids[place] for place in order)
        return super().generate(replace(request, prompts=prompts, sample_ids=ids), probe)


class DeafToPrompts(Good):
    def generate(self, request: Request, probe: Probe) -> Generation:
        return super().generate(replace(request, prompts=("",) * len(request.prompts)), probe)


class OwnNoise(Good):
    def start(self, request: Request) -> torch.Tensor:
        draws = []
        for sample in request.sample_ids:
            own = torch.Generator().manual_seed(sample)
            draws.append(torch.randn(1, request.frames, request.height, request.width, generator=own))
        return torch.stack(draws)


class HidesEvaluations(Good):
    def generate(self, request: Request, probe: Probe) -> Generation:
        return replace(super().generate(request, probe), nfe=1)


class TellsNoSteps(Good):
    def generate(self, request: Request, probe: Probe) -> Generation:
        from harness.generator import NullProbe

        return super().generate(request, NullProbe())


class GlobalTorchNoise(Good):
    def start(self, request: Request) -> torch.Tensor:
        return super().start(request) + torch.randn(())


class DrawsFromPython(Good):
    def start(self, request: Request) -> torch.Tensor:
        random.random()
        return super().start(request)


class DrawsFromNumpy(Good):
    def start(self, request: Request) -> torch.Tensor:
        np.random.random()
        return super().start(request)


class InitialisesFromTheGlobalSeed(Good):
    def load(self, context: Context) -> None:
        super().load(context)
        if context.weights is None:
            self.denoiser = OneConvolution(len(context.vocabulary))


class LossPerClip(Good):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        return super().training_step(batch, probe).expand(len(batch.clips))


class NotANumber(Good):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        return super().training_step(batch, probe) * float("nan")


class DetachedLoss(Good):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        return super().training_step(batch, probe).detach()


class HasASilentParameter(Good):
    def load(self, context: Context) -> None:
        super().load(context)
        self.denoiser.silent = nn.Parameter(torch.zeros(3))


class OwnTrainingNoise(Good):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        return super().training_step(replace(batch, noise=torch.randn_like(batch.noise)), probe)


class ScalesTheBatch(Good):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        batch.clips.mul_(0.5)
        return super().training_step(batch, probe)


class ClimbsTheLoss(Good):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        loss = super().training_step(batch, probe)
        return 2 * loss.detach() - loss


class ForgetsItsWeights(Good):
    def load(self, context: Context) -> None:
        super().load(replace(context, weights=None))


class UntrainedCopySamples(Good):
    def load(self, context: Context) -> None:
        super().load(context)
        self.sampler = Good()
        self.sampler.load(context)

    def generate(self, request: Request, probe: Probe) -> Generation:
        return self.sampler.generate(request, probe)


class CannotBeTrained:
    """Keeps every promise of a generator that brings its own weights."""

    def load(self, context: Context) -> None:
        self.inner = Good()
        self.inner.load(context)

    def generate(self, request: Request, probe: Probe) -> Generation:
        return self.inner.generate(request, probe)
