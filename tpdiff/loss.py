"""What a training step of the pyramid asks the network: draw a stage per clip, one forward pass per stage.

The mathematics stop where the network begins::

    for part in stage_batches(pyramid, clips, noise=noise, uniform=uniform, stages=stages, recipe=Recipe()):
        prediction = network(part.x, part.timesteps, text[part.rows], part.frame_positions)
        loss = loss + part.loss(prediction)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.diffusion.loss import denoising_loss, loss_weights
from harness.diffusion.prediction import interpolate, training_target
from harness.diffusion.schedule import draw_times
from harness.generator import NullProbe, Probe
from tpdiff.alignment import assign, distances
from tpdiff.path import stage_ends, target_share
from tpdiff.recipe import Recipe
from tpdiff.stages import Stage, TemporalPyramid


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
    batch_size: int, pyramid: TemporalPyramid, recipe: Recipe, generator: torch.Generator | None = None
) -> torch.Tensor:
    """A stage for each clip, (B,) int64, drawn by the recipe's ``stage_weights`` and ``mixing``.

    Mixed batches are stratified, so that the cost of a step does not depend on luck: with B divisible by K and
    equal weights each stage gets B/K. In ``one-stage`` batches all clips draw the same one. Without a ``generator``
    torch's global one draws.

    Raises:
        ValueError: the recipe does not fit the pyramid.
    """
    recipe.check(pyramid)
    stages = len(pyramid)
    chances = torch.tensor(recipe.stage_weights or (1.0,) * stages, dtype=torch.float64)
    offset = torch.rand((), generator=generator)
    cumulative = (chances.cumsum(0) / chances.sum()).float()
    if recipe.mixing == "one-stage":
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
) -> list[StageBatch]:
    """The parts of a batch, one per stage that was drawn, noisiest first.

    Autocast does not reach in here: targets and alignment are computed in the precision of ``clips``.

    Args:
        clips: clean (B, C, F, h, w) at the full rate.
        noise: standard Gaussian, shape of ``clips``.
        uniform: (B,) draws in [0, 1): where in its stage each clip is trained.
        stages: (B,) int64, see :func:`draw_stages`.
        recipe: how the pyramid is trained.
        probe: is told of the alignment.

    Raises:
        ValueError: the recipe or the frames do not fit the pyramid, or shapes do not fit one another.
    """
    recipe.check(pyramid)
    _check_batch(pyramid, clips, noise, uniform, stages)
    probe, resampling = probe or NullProbe(), pyramid.resampling
    with torch.autocast(clips.device.type, enabled=False):
        groups = {
            stage.index: rows.to(clips.device)
            for stage in pyramid.stages
            if len(rows := (stages == stage.index).nonzero().squeeze(1))
        }
        drawn = [stage for stage in pyramid.stages if stage.index in groups]
        sharp = {stage.index: resampling.reduce(clips[groups[stage.index]], stage.stride) for stage in drawn}
        if recipe.alignment == "pooled":
            noise = noise[_pooled_order(pyramid, sharp, groups, noise, probe)]
        return [
            _part(pyramid, stage, sharp[stage.index], noise, uniform, groups[stage.index], recipe, probe)
            for stage in drawn
        ]


def _part(
    pyramid: TemporalPyramid,
    stage: Stage,
    sharp: torch.Tensor,
    noise: torch.Tensor,
    uniform: torch.Tensor,
    rows: torch.Tensor,
    recipe: Recipe,
    probe: Probe,
) -> StageBatch:
    """The clips ``rows`` of a batch, which drew ``stage`` and are ``sharp`` at its rate."""
    schedule, resampling = pyramid.schedule, pyramid.resampling
    stage_noise = resampling.band(noise[rows], stage.stride)
    if recipe.alignment == "batch":
        with probe.span("alignment", stage=stage.index):
            assignment = assign(distances(sharp, stage_noise))
        stage_noise = stage_noise[assignment.order]
        probe.note("alignment_saved", assignment.saved)
    times = draw_times(schedule, stage.start.time, stage.end.time, uniform[rows])
    alpha, sigma = schedule.alpha(times), schedule.sigma(times)
    ends = stage_ends(sharp, stage_noise, stage, resampling)
    aim = stage_ends(sharp, stage_noise, stage, resampling, share=target_share(pyramid.target, stage, sigma / alpha))
    return StageBatch(
        stage=stage,
        rows=rows,
        x=interpolate(ends.clean, ends.noise, alpha, sigma),
        timesteps=pyramid.told(stage, times),
        frame_positions=pyramid.frame_positions(stage, sharp.shape[2]).to(sharp.device),
        target=training_target(recipe.prediction, aim.clean, aim.noise, alpha, sigma),
        share=len(rows) / len(uniform),
        weights=loss_weights(recipe.weighting, recipe.prediction, alpha, sigma),
        pyramid=pyramid,
        detail_weight=recipe.detail_weight,
    )


def _check_batch(
    pyramid: TemporalPyramid, clips: torch.Tensor, noise: torch.Tensor, uniform: torch.Tensor, stages: torch.Tensor
) -> None:
    if clips.ndim != 5:
        raise ValueError(f"clips are (batch, channels, frames, height, width), not of shape {tuple(clips.shape)}")
    pyramid.check_frames(clips.shape[2])
    if noise.shape != clips.shape:
        raise ValueError(f"noise has shape {tuple(noise.shape)}; it needs that of the clips, {tuple(clips.shape)}")
    for name, values in (("uniform", uniform), ("stages", stages)):
        if values.shape != clips.shape[:1]:
            raise ValueError(f"{name} has shape {tuple(values.shape)}; it needs one number a clip, ({len(clips)},)")
    if stages.min() < 0 or stages.max() >= len(pyramid):
        raise ValueError(f"stages run from 0 to {len(pyramid) - 1} here, got {sorted(set(stages.tolist()))}")


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
