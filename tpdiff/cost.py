"""What a pyramid costs before anything is run: evaluations, FLOPs, tokens, activation memory, speed-up.

A video denoiser's FLOPs for one clip are a polynomial in the number F of latent frames it sees, exactly:
a for what does not depend on frames (text, timestep), b F for everything per frame, c F^2 for attention across
frames. Three counts fix it, and the same holds for the bytes that training keeps for the backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.diffusion.form import SolverName
from tpdiff.recipe import Recipe
from tpdiff.sampler import evaluations
from tpdiff.stages import TemporalPyramid


@dataclass(frozen=True, kw_only=True)
class CostPolynomial:
    """constant + linear * F + quadratic * F^2, for one clip of F latent frames."""

    constant: float
    linear: float
    quadratic: float

    def at(self, frames: int) -> float:
        """The cost at ``frames``."""
        return self.constant + self.linear * frames + self.quadratic * frames**2

    @classmethod
    def fit(cls, counts: Mapping[int, float]) -> CostPolynomial:
        """Through measured costs by number of frames; more than three are checked against one another.

        Raises:
            ValueError: fewer than three, or they lie on no such polynomial (to 1 part in a million).

        >>> CostPolynomial.fit({1: 111, 2: 124, 4: 156}).at(8)
        244.0
        """
        frames = sorted(counts)
        if len(frames) < 3:
            raise ValueError(f"a polynomial in frames needs three counts, got {len(frames)}: {dict(counts)}")
        first, second, third = frames[:3]
        a, b, c = (Fraction(counts[number]) for number in frames[:3])  # exact, so that counts come back exactly
        slope = (b - a) / (second - first)
        quadratic = ((c - a) / (third - first) - slope) / (third - second)
        linear = slope - quadratic * (first + second)
        constant = a - linear * first - quadratic * first**2
        fitted = cls(constant=float(constant), linear=float(linear), quadratic=float(quadratic))
        for number in frames:
            if abs(fitted.at(number) - counts[number]) > 1e-6 * abs(counts[number]):
                raise ValueError(
                    f"the cost at {number} frames is {counts[number]:.6g}, but the polynomial through the first three "
                    f"counts gives {fitted.at(number):.6g}; is something else than frames different?"
                )
        return fitted


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """One stage of one video."""

    frames: int
    """Latent frames the network sees."""
    steps: int
    """Solver steps."""
    calls: int
    """Network calls: guidance and two-evaluation solvers count."""
    flops: float
    """FLOP of all its network calls."""


@dataclass(frozen=True, kw_only=True)
class SamplingCost:
    """One video."""

    stages: tuple[StageCost, ...]
    control_flops: float
    """FLOP of the same number of steps at the full frame rate."""
    full_frames: int
    """Latent frames of the video."""

    @property
    def flops(self) -> float:
        """FLOP of all network calls."""
        return sum(stage.flops for stage in self.stages)

    @property
    def nfe(self) -> int:
        """Network calls."""
        return sum(stage.calls for stage in self.stages)

    @property
    def full_rate_nfe(self) -> float:
        """Network calls, each weighted by its share of the full-rate frames."""
        return self.frames / self.full_frames

    @property
    def frames(self) -> int:
        """Latent frames that all network calls see together; times tokens per frame these are tokens."""
        return sum(stage.calls * stage.frames for stage in self.stages)

    @property
    def speedup(self) -> float:
        """FLOP of the control over FLOP of the pyramid, in the denoiser alone."""
        return self.control_flops / self.flops


def sampling_cost(
    pyramid: TemporalPyramid,
    forward: CostPolynomial,
    *,
    frames: int,
    steps: int,
    solver: SolverName = "euler",
    calls: int | Sequence[int] = 1,
) -> SamplingCost:
    """What a video of ``frames`` latent frames costs.

    Args:
        pyramid: the pyramid.
        forward: FLOP of one network call on one clip.
        frames: latent frames at the full rate.
        steps: solver steps over all stages.
        solver: two-evaluation solvers cost twice, but for the step to the clean clip.
        calls: network calls per evaluation: 2 with guidance; one number, or one for each stage. The control has as
            many as the stage with the most.

    Raises:
        ValueError: frames or steps do not fit the pyramid.
    """
    pyramid.check_frames(frames)
    shares, numbers = pyramid.split_steps(steps), evaluations(pyramid, steps=steps, solver=solver)
    each, parts = pyramid.each(calls), []
    for stage, share, number in zip(pyramid.stages, shares, numbers, strict=True):
        seen = pyramid.resampling.frames(frames, stage.stride)
        asked = each[stage.index] * number
        parts.append(StageCost(frames=seen, steps=share, calls=asked, flops=asked * forward.at(seen)))
    control = max(each) * sum(numbers) * forward.at(frames)
    return SamplingCost(stages=tuple(parts), control_flops=control, full_frames=frames)


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
    recipe = Recipe() if recipe is None else recipe
    recipe.check(pyramid)
    weights = recipe.stage_weights or (1.0,) * len(pyramid)
    seen = [pyramid.resampling.frames(frames, stage.stride) for stage in pyramid.stages]
    return sum(w * step.at(number) for w, number in zip(weights, seen, strict=True)) / sum(weights)


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
