"""What a training step of the pyramid asks the network: draw a stage per clip, one forward pass per stage.

The mathematics stop where the network begins::

    for part in stage_batches(pyramid, clips, noise=noise, uniform=uniform, stages=stages, recipe=Recipe()):
        prediction = network(part.x, part.timesteps, text[part.rows], part.frame_positions)
        loss = loss + part.loss(prediction)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from harness.diffusion.form import PredictionKind, Weighting
from harness.diffusion.loss import denoising_loss, loss_weights
from harness.diffusion.prediction import interpolate, training_target
from harness.diffusion.schedule import draw_times
from harness.generator import NullProbe, Probe
from tpdiff.alignment import Alignment, assign, distances
from tpdiff.path import stage_ends, target_share
from tpdiff.stages import Stage, TemporalPyramid

Mixing = Literal["mixed", "one-stage"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a pyramid is trained.

    Raises:
        ValueError: a choice is unknown or a weight makes no sense.
    """

    prediction: PredictionKind = "velocity"
    """What the network predicts."""
    alignment: Alignment = "batch"
    """Data-noise alignment."""
    mixing: Mixing = "mixed"
    """Batches of clips from all stages, or each batch of one stage only."""
    stage_weights: tuple[float, ...] | None = None
    """Chance of each stage to be drawn, as any positive numbers; None: equal."""
    weighting: Weighting = "uniform"
    """How the loss weighs noise levels."""
    detail_weight: float = 1.0
    """Weight of the error in the temporal detail that a stage adds (differences within its repeated frames)."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("prediction", self.prediction, get_args(PredictionKind)),
            ("alignment", self.alignment, get_args(Alignment)),
            ("mixing", self.mixing, get_args(Mixing)),
            ("weighting", self.weighting, get_args(Weighting)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}, known: {', '.join(known)}")
        if not self.detail_weight > 0:
            raise ValueError(f"detail_weight is {self.detail_weight}; it must be above 0, 1 weighs all errors alike")
        if self.stage_weights is not None and any(not weight > 0 for weight in self.stage_weights):
            raise ValueError(f"stage_weights {self.stage_weights} must all be above 0: every stage needs training")


@dataclass(frozen=True, kw_only=True)
class StageBatch:
    """The clips of a batch that drew one stage, ready for the network."""

    stage: Stage
    rows: torch.Tensor
    """(n,) int64: which clips of the batch these are; take their conditions by it."""
    x: torch.Tensor
    """(n, C, F_j, h, w): noisy clips at the stage's rate."""
    timesteps: torch.Tensor
    """(n,): what the network is told."""
    frame_positions: torch.Tensor
    """(F_j,) float32."""
    target: torch.Tensor
    """What the network should say, shape of ``x``."""
    share: float
    """n over the size of the batch."""
    weights: torch.Tensor | None
    """(n,) weight of each clip by its noise level; None: all alike."""
    pyramid: TemporalPyramid
    detail_weight: float

    def loss(self, prediction: torch.Tensor) -> torch.Tensor:
        """This part's share of the batch's mean squared error; the parts' losses are summed."""
        target, stage, resampling = self.target, self.stage, self.pyramid.resampling
        if self.detail_weight != 1 and stage.factor > 1:
            # Scaling an orthogonal component of the error weighs its square
            error = prediction - target
            repeated = resampling.spread(resampling.band(error, stage.factor), stage.factor)
            prediction = target + repeated + self.detail_weight**0.5 * (error - repeated)
        return self.share * denoising_loss(prediction, target, self.weights)


def draw_stages(
    batch_size: int,
    stages: int,
    generator: torch.Generator | None = None,
    *,
    weights: Sequence[float] | None = None,
    mixing: Mixing = "mixed",
) -> torch.Tensor:
    """A stage for each clip, (B,) int64, drawn by ``weights`` (equal if None).

    Mixed batches are stratified, so that the cost of a step does not depend on luck: with B divisible by K and
    equal weights each stage gets B/K. In ``one-stage`` batches all clips draw the same one. Without a ``generator``
    torch's global one draws.

    Raises:
        ValueError: there are not as many weights as stages.
    """
    chances = torch.tensor([1.0] * stages if weights is None else list(weights), dtype=torch.float64)
    if len(chances) != stages:
        raise ValueError(f"{len(chances)} stage_weights for {stages} stages: give one a stage, e.g. {(1,) * stages}")
    offset = torch.rand((), generator=generator)
    cumulative = (chances.cumsum(0) / chances.sum()).float()
    if mixing == "one-stage":
        return torch.searchsorted(cumulative, offset, right=True).clamp(max=stages - 1).expand(batch_size)
    places = (torch.arange(batch_size) + offset) / batch_size
    strata = torch.searchsorted(cumulative, places, right=True).clamp_(max=stages - 1)
    return strata[torch.randperm(batch_size, generator=generator)]


def stage_batches(
    pyramid: TemporalPyramid,
    clips: torch.Tensor,
    *,
    noise: torch.Tensor,
    uniform: torch.Tensor,
    stages: torch.Tensor,
    recipe: Recipe,
    probe: Probe | None = None,
) -> Iterator[StageBatch]:
    """The parts of a batch, one per stage that was drawn, noisiest first.

    Args:
        clips: clean (B, C, F, h, w) at the full rate.
        noise: standard Gaussian, shape of ``clips``.
        uniform: (B,) draws in [0, 1): where in its stage each clip is trained.
        stages: (B,) int64, see :func:`draw_stages`.
        recipe: how the pyramid is trained.
        probe: is told of the alignment.
    """
    probe, resampling = probe or NullProbe(), pyramid.resampling
    groups = {stage.index: (stages == stage.index).nonzero().squeeze(1).to(clips.device) for stage in pyramid.stages}
    sharp = {
        stage.index: resampling.reduce(clips[groups[stage.index]], stage.stride)
        for stage in pyramid.stages
        if len(groups[stage.index])
    }
    if recipe.alignment == "pooled":
        noise = noise[_pooled_order(pyramid, sharp, groups, noise, probe)]
    for stage in pyramid.stages:
        rows = groups[stage.index]
        if not len(rows):
            continue
        stage_noise = resampling.band(noise[rows], stage.stride)
        if recipe.alignment == "batch":
            with probe.span("alignment", stage=stage.index):
                assignment = assign(distances(sharp[stage.index], stage_noise))
            stage_noise = stage_noise[assignment.order]
            probe.note("alignment_saved", assignment.saved)
        ends = stage_ends(sharp[stage.index], stage_noise, stage, resampling)
        times = draw_times(pyramid.schedule, stage.start.time, stage.end.time, uniform[rows])
        alpha, sigma = pyramid.schedule.alpha(times), pyramid.schedule.sigma(times)
        share = target_share(pyramid.target, stage, sigma / alpha)
        aim = stage_ends(sharp[stage.index], stage_noise, stage, resampling, share=share)
        yield StageBatch(
            stage=stage,
            rows=rows,
            x=interpolate(ends.clean, ends.noise, alpha, sigma),
            timesteps=pyramid.told(stage, times),
            frame_positions=pyramid.frame_positions(stage, stage_noise.shape[2]).to(clips.device),
            target=training_target(recipe.prediction, aim.clean, aim.noise, alpha, sigma),
            share=len(rows) / len(clips),
            weights=loss_weights(recipe.weighting, recipe.prediction, alpha, sigma),
            pyramid=pyramid,
            detail_weight=recipe.detail_weight,
        )


def _pooled_order(
    pyramid: TemporalPyramid,
    sharp: dict[int, torch.Tensor],
    groups: dict[int, torch.Tensor],
    noise: torch.Tensor,
    probe: Probe,
) -> torch.Tensor:
    """One order for the whole batch: each clip compares all noises at its own stage's rate."""
    with probe.span("alignment"):
        table = torch.empty(len(noise), len(noise), device=noise.device)
        for stage in pyramid.stages:
            if stage.index in sharp:
                seen = pyramid.resampling.band(noise, stage.stride)
                table[groups[stage.index]] = distances(sharp[stage.index], seen)
        assignment = assign(table)
    probe.note("alignment_saved", assignment.saved)
    return assignment.order
