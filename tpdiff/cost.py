"""What a pyramid costs before anything is run: evaluations, FLOPs, tokens, activation memory, speed-up.

What one network call costs at how many frames is a :class:`~harness.diffusion.cost.CostPolynomial`; here is what a
pyramid asks of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.diffusion.cost import CostPolynomial, StageWork, VideoWork, expected
from harness.diffusion.form import SolverName
from tpdiff.recipe import Recipe
from tpdiff.sampler import evaluations
from tpdiff.stages import TemporalPyramid


@dataclass(frozen=True, kw_only=True)
class SamplingCost:
    """One video."""

    work: VideoWork
    """What its stages ask of the network."""
    forward: CostPolynomial
    """FLOP of one network call on one clip."""

    @property
    def flops(self) -> float:
        """FLOP of all network calls."""
        return self.work.sampling(self.forward.at)

    @property
    def control_flops(self) -> float:
        """FLOP of the same number of steps at the full frame rate."""
        return self.work.control_sampling(self.forward.at)

    @property
    def nfe(self) -> int:
        """Network calls."""
        return self.work.nfe

    @property
    def full_rate_nfe(self) -> float:
        """Network calls, each weighted by its share of the full-rate frames."""
        return self.work.full_rate_nfe

    @property
    def frames(self) -> int:
        """Latent frames that all network calls see together; times tokens per frame these are tokens."""
        return self.work.frames

    @property
    def speedup(self) -> float:
        """FLOP of the control over FLOP of the pyramid, in the denoiser alone."""
        return self.work.sampling_speedup(self.forward.at)


def video_work(
    pyramid: TemporalPyramid,
    *,
    frames: int,
    steps: int,
    solver: SolverName = "euler",
    calls: int | Sequence[int] = 1,
    recipe: Recipe | None = None,
) -> VideoWork:
    """What a video of ``frames`` latent frames, and a training clip of as many, ask of the network.

    Args:
        pyramid: the pyramid.
        frames: latent frames at the full rate.
        steps: solver steps over all stages.
        solver: two-evaluation solvers cost twice, but for the step to the clean clip.
        calls: network calls per evaluation: 2 with guidance; one number, or one for each stage. The control has as
            many as the stage with the most.
        recipe: says how often training draws each stage; equally often if None.

    Raises:
        ValueError: frames, steps or recipe do not fit the pyramid.
    """
    pyramid.check_frames(frames)
    numbers = evaluations(pyramid, steps=steps, solver=solver)
    each, weights = pyramid.each(calls), _draws(pyramid, recipe)
    parts = zip(pyramid.stages, pyramid.split_steps(steps), numbers, weights, strict=True)
    stages = tuple(
        StageWork(
            frames=pyramid.resampling.frames(frames, stage.stride),
            frame_ratio=Fraction(1, stage.stride),
            steps=share,
            calls=each[stage.index] * number,
            share=Fraction(weight) / sum(map(Fraction, weights)),
        )
        for stage, share, number, weight in parts
    )
    return VideoWork(stages=stages, full_frames=frames, control_calls=max(each) * sum(numbers))


def sampling_cost(
    pyramid: TemporalPyramid,
    forward: CostPolynomial,
    *,
    frames: int,
    steps: int,
    solver: SolverName = "euler",
    calls: int | Sequence[int] = 1,
) -> SamplingCost:
    """What a video of ``frames`` latent frames costs; the arguments are those of :func:`video_work`.

    Args:
        forward: FLOP of one network call on one clip.

    Raises:
        ValueError: frames or steps do not fit the pyramid.
    """
    work = video_work(pyramid, frames=frames, steps=steps, solver=solver, calls=calls)
    return SamplingCost(work=work, forward=forward)


def training_cost(
    pyramid: TemporalPyramid, step: CostPolynomial, *, frames: int, recipe: Recipe | None = None
) -> float:
    """Expected cost of training on one clip, in the unit of ``step``; the control's is ``step.at(frames)``.

    Args:
        pyramid: the pyramid.
        step: FLOP of forward and backward on one clip.
        frames: latent frames at the full rate.
        recipe: says how often each stage is drawn; equally often if None.

    Raises:
        ValueError: frames or recipe do not fit the pyramid.
    """
    pyramid.check_frames(frames)
    seen = [pyramid.resampling.frames(frames, stage.stride) for stage in pyramid.stages]
    return expected(_draws(pyramid, recipe), seen, step.at)


def activation_bytes(
    pyramid: TemporalPyramid,
    kept: CostPolynomial,
    *,
    frames: int,
    clips_by_stage: Sequence[int],
    recipe: Recipe | None = None,
) -> float:
    """Bytes that the network keeps for the backward pass of one batch.

    A mixed batch keeps those of all its stages at once; a one-stage batch has all clips in the most expensive
    stage at worst.

    Args:
        pyramid: the pyramid.
        kept: bytes kept for one clip.
        frames: latent frames at the full rate.
        clips_by_stage: clips of the batch in each stage.
        recipe: says how batches are put together; mixed if None.

    Raises:
        ValueError: frames, clips or recipe do not fit the pyramid.
    """
    pyramid.check_frames(frames)
    recipe = Recipe() if recipe is None else recipe
    recipe.check(pyramid)
    seen = [pyramid.resampling.frames(frames, stage.stride) for stage in pyramid.stages]
    by_stage = [n * kept.at(number) for n, number in zip(pyramid.each(clips_by_stage), seen, strict=True)]
    return sum(by_stage) if recipe.mixing == "mixed" else sum(clips_by_stage) * max(map(kept.at, seen))


def _draws(pyramid: TemporalPyramid, recipe: Recipe | None) -> tuple[float, ...]:
    """Chance of each stage to be drawn in training, as positive numbers."""
    recipe = Recipe() if recipe is None else recipe
    recipe.check(pyramid)
    return recipe.stage_weights or (1.0,) * len(pyramid)
