"""TPDiff as a plugin of the harness: the only file here that answers its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

import torch

from harness.denoiser import Denoiser
from harness.diffusion.guidance import calls_per_evaluation, guided
from harness.diffusion.pixels import to_frames
from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level
from harness.errors import UsageError
from harness.generator import Batch, Context, Generation, Probe, Request
from tpdiff.alignment import Alignment
from tpdiff.loss import draw_stages, stage_batches
from tpdiff.path import stage_estimate
from tpdiff.recipe import Mixing, Recipe
from tpdiff.resample import Down, Resampling, Up
from tpdiff.sampler import check_sampling, evaluations, sample
from tpdiff.stages import OnGrid, Positions, Stage, Target, TemporalPyramid, Timesteps
from tpdiff.transition import TransitionRule

BETWEEN_GUIDANCE = 0.25
"""Share of the guidance in the stages between the first and the last. Guidance there makes what moves between frames
that are later doubled larger, and the last stage does not follow: samples judder (docs/results/README.md)."""


@dataclass(frozen=True)
class TPDiffOptions:
    """Options of the generator in a study."""

    stages: int | None = None
    """K; only the last stage runs at the full frame rate. 3 if neither this nor ``strides`` is given."""
    strides: Sequence[int] | None = None
    """Or the stride of each stage, noisiest first: [4, 2, 1], [4, 1] ..."""
    boundaries: Sequence[float] | None = None
    """Falling times that part the stages; equal parts if not given."""
    on_grid: OnGrid = "ends"
    """Which end of a stage lies on the boundaries."""
    shares: Sequence[float] | None = None
    """How denoising steps are shared out: [20, 5, 5] ...; equal if not given."""
    timesteps: Timesteps = "true"
    """What the network is told."""
    positions: Positions = "consistent"
    """Frame positions; ``plain`` is an ablation."""
    target: Target = "blended"
    """What the prediction is about; ``virtual`` is the paper's."""
    transition: TransitionRule = "exact"
    """``printed`` and ``none`` are ablations."""
    down: Down | None = None
    """How frames are reduced; if not given, by keeping one frame in so many."""
    up: Up = "nearest"
    """How frames are put back."""
    causal: bool = False
    """Whether the first frame stands alone (clips of 1 + m frames)."""
    alignment: Alignment = "batch"
    """Data-noise alignment in training."""
    mixing: Mixing = "mixed"
    """Training batches of clips from all stages, or of one stage each."""
    stage_weights: Sequence[float] | None = None
    """Chance of each stage in training; equal if not given."""
    detail_weight: float = 1.0
    """Weight of the error in the temporal detail that a stage adds."""
    guidance_by_stage: Sequence[float] | None = None
    """Factor on (guidance - 1) in each stage, noisiest first; if not given, 1 in the first and the last stage and
    ``BETWEEN_GUIDANCE`` in those between. 0 saves a stage's second network calls, which makes the number of
    evaluations another than the control's."""

    def pyramid(self, context: Context) -> TemporalPyramid:
        """The pyramid for the study's diffusion.

        Raises:
            ValueError: the options make none.
        """
        return TemporalPyramid.build(
            self.stages,
            strides=self.strides,
            schedule=context.diffusion.schedule,
            resampling=Resampling(down=self.down, up=self.up, causal=self.causal),
            boundaries=self.boundaries,
            on_grid=self.on_grid,
            shares=self.shares,
            timesteps=self.timesteps,
            positions=self.positions,
            target=self.target,
            rule=self.transition,
        )

    def recipe(self, context: Context, denoiser: Denoiser) -> Recipe:
        """How the pyramid is trained.

        Raises:
            ValueError: an option makes no sense.
        """
        return Recipe(
            prediction=denoiser.prediction,
            alignment=self.alignment,
            mixing=self.mixing,
            stage_weights=None if self.stage_weights is None else tuple(self.stage_weights),
            weighting=context.diffusion.weighting,
            detail_weight=self.detail_weight,
        )

    def guidance_factors(self, stages: int) -> tuple[float, ...]:
        """Factor on (guidance - 1) in each of the stages.

        Raises:
            ValueError: there are not as many, or one is negative.
        """
        if self.guidance_by_stage is None:
            return tuple(BETWEEN_GUIDANCE if 0 < stage < stages - 1 else 1.0 for stage in range(stages))
        factors = tuple(self.guidance_by_stage)
        if len(factors) != stages or any(not 0 <= factor < inf for factor in factors):
            raise ValueError(
                f"guidance_by_stage {factors}: give {stages} numbers from 0, one a stage, e.g. {(1,) * stages}"
            )
        return factors


class TPDiff:
    """Temporal pyramid video diffusion (Ran & Shou, arXiv 2503.09566)."""

    denoiser: Denoiser

    def load(self, context: Context) -> None:
        options = context.options_as(TPDiffOptions)
        self.context = context
        self.denoiser = context.build_denoiser()
        try:
            self.pyramid = options.pyramid(context)
            self.pyramid.check_frames(context.shape.frames)
            self.recipe = options.recipe(context, self.denoiser)
            self.guidance_factors = options.guidance_factors(len(self.pyramid))
            self.recipe.check(self.pyramid)
        except ValueError as error:
            raise UsageError(f"cannot build the pyramid of 'tpdiff': {error}.") from error

    def trained_for(self) -> Mapping[str, Any]:
        """The intervals and rates of the stages, what the network is told and asked for, and how it is trained.

        Not the shares of the steps, the guidance, or which of two transitions between equal intervals is taken.
        """
        pyramid = self.pyramid
        return {
            "strides": [stage.stride for stage in pyramid.stages],
            "intervals": [[round(stage.start.time, 6), round(stage.end.time, 6)] for stage in pyramid.stages],
            "down": pyramid.resampling.kept,
            "up": pyramid.resampling.up,
            "causal": pyramid.resampling.causal,
            "timesteps": pyramid.timesteps,
            "positions": pyramid.positions,
            "target": pyramid.target,
            **asdict(self.recipe),
        }

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        parts = stage_batches(
            self.pyramid,
            batch.clips,
            noise=batch.noise,
            uniform=batch.uniform,
            stages=draw_stages(len(batch.clips), self.pyramid, self.recipe, batch.generator("stage")),
            recipe=self.recipe,
            probe=probe,
        )
        losses = []
        for part in parts:
            with probe.span("forward", stage=part.stage.index):
                prediction = self.denoiser(part.x, part.timesteps, batch.tokens[part.rows], part.frame_positions)
                losses.append(part.loss(prediction))
        return torch.stack(losses).sum()

    def check(self, request: Request) -> None:
        check_sampling(self.pyramid, frames=request.frames, steps=request.steps, solver=request.solver, eta=request.eta)

    @torch.no_grad()
    def generate(self, request: Request, probe: Probe) -> Generation:
        self.check(request)
        device, pyramid = self.context.device, self.pyramid
        with probe.span("text"):
            tokens = self.context.tokens(request.prompts)
        guidance = [1 + factor * (request.guidance - 1) for factor in self.guidance_factors]
        calls = [calls_per_evaluation(scale) for scale in guidance]
        latent = (self.context.shape.channels, request.frames, request.height, request.width)

        def predict(stage: Stage, x: torch.Tensor, at: Level) -> Estimate:
            positions = pyramid.frame_positions(stage, x.shape[2]).to(device)
            said = guided(self.denoiser, x, at.timestep, tokens, positions, guidance=guidance[stage.index])
            return stage_estimate(self.denoiser.prediction, said, x, at, stage, pyramid)

        def stage_noise(stage: Stage, frames: int) -> torch.Tensor:
            return request.noise(latent[0], frames, *latent[2:], name=f"transition-{stage.index}").to(device)

        x = sample(
            predict,
            request.noise(*latent).to(device),
            pyramid,
            steps=request.steps,
            solver=request.solver,
            eta=request.eta,
            stage_noise=stage_noise,
            step_noise=lambda index, x: request.noise(*x.shape[1:], name=f"step-{index}").to(device),
            calls=calls,
            probe=probe,
        )
        with probe.span("decode"):
            frames = to_frames(x)
        numbers = evaluations(pyramid, steps=request.steps, solver=request.solver)
        asked = [call * number for call, number in zip(calls, numbers, strict=True)]
        seen = [pyramid.resampling.frames(request.frames, stage.stride) for stage in pyramid.stages]
        weighted = sum(number * share for number, share in zip(asked, seen, strict=True)) / request.frames
        return Generation(frames=frames, nfe=sum(asked), full_rate_nfe=weighted)
