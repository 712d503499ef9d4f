"""The temporal pyramid: which interval of noise levels runs at which frame rate.

    time   1 ........ 2/3   .739 ........ 1/3   .414 ........ 0
    stage      j = 0             j = 1              j = 2
    frames      T/4               T/2                 T

Stages are counted in sampling order, 0 is the noisiest. One end of each stage lies on a grid of times, the next
start follows from it by nu_start = sqrt(n) * nu_end for n-fold frames, so neighbours overlap in noise level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, inf, sqrt
from numbers import Integral
from typing import Literal

import torch

from harness.diffusion.schedule import FlowMatching, Level, Schedule, level, uniform_levels
from harness.errors import require_known
from tpdiff.resample import Resampling
from tpdiff.transition import TransitionRule

OnGrid = Literal["ends", "starts"]
Timesteps = Literal["true", "disjoint"]
Positions = Literal["consistent", "plain"]
Target = Literal["virtual", "sharp", "blended"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One interval of noise levels at one frame rate."""

    index: int
    """j, in sampling order."""
    stride: int
    """The stage sees one frame in ``stride``: its frame ratio is 1/stride."""
    factor: int
    """n: how many of its frames each frame of the stage before becomes; 1 for stage 0."""
    start: Level
    """Its noisiest level."""
    end: Level
    """Its cleanest level."""


@dataclass(frozen=True, kw_only=True)
class TemporalPyramid:
    """The stages of one pyramid, noisiest first: what training and sampling must agree on, beside the prediction.

    Build one with :meth:`build`.
    """

    stages: tuple[Stage, ...]
    schedule: Schedule
    resampling: Resampling
    rule: TransitionRule
    timesteps: Timesteps
    positions: Positions
    target: Target
    shares: tuple[float, ...]

    @classmethod
    def build(
        cls,
        stages: int | None = None,
        *,
        strides: Sequence[int] | None = None,
        schedule: Schedule | None = None,
        resampling: Resampling | None = None,
        boundaries: Sequence[float] | None = None,
        on_grid: OnGrid = "ends",
        shares: Sequence[float] | None = None,
        timesteps: Timesteps = "true",
        positions: Positions = "consistent",
        target: Target = "blended",
        rule: TransitionRule = "exact",
    ) -> TemporalPyramid:
        """A pyramid of ``stages`` stages whose frame rate doubles each time, or with the given ``strides``.

        Args:
            stages: K; strides are 2^(K-1) ... 2, 1. 3 if neither this nor ``strides`` is given.
            strides: of each stage, noisiest first: each a multiple of the next, the last 1. (4, 2, 1), (4, 1) ...
            schedule: the diffusion form; flow matching if not given.
            resampling: how frames are taken away and put back.
            boundaries: K - 1 falling times between 1 and 0 that part the stages; equal parts if not given.
            on_grid: which end of the stages lies on the boundaries. The paper does not say; ``ends`` is our choice.
            shares: how denoising steps are shared out, any positive numbers: (20, 5, 5) ...; equal if not given.
            timesteps: what the network is told: the ``true`` time, or times relabelled so that stage j of K is told
                the j-th part of the axis (``disjoint``, as in Pyramid Flow, arXiv 2410.05954): two stages share the
                end where they meet and nothing else. On a schedule of whole timesteps the labels are fractions.
            positions: frame positions that are ``consistent`` over stages, or ``plain`` 0, 1, 2 ... (ablation).
            target: what the network's prediction is about: the paper's ``virtual`` ends of the stage's straight line,
                the stage's clip and noise themselves (``sharp``), or something between (``blended``); see
                ``tpdiff.path``.
            rule: the ``exact`` transition, or an ablation: the paper's ``printed`` one, or ``none``.

        Raises:
            ValueError: these numbers make no pyramid; the message says what would do.

        >>> [round(stage.start.time, 4) for stage in TemporalPyramid.build(3).stages]
        [1.0, 0.7388, 0.4142]
        """
        schedule = FlowMatching() if schedule is None else schedule
        resampling = Resampling() if resampling is None else resampling
        chosen = _strides(stages, strides)
        count = len(chosen)
        parts = _boundaries(boundaries, count)
        for name, value, known in (
            ("on_grid", on_grid, ("ends", "starts")),
            ("timesteps", timesteps, ("true", "disjoint")),
            ("positions", positions, ("consistent", "plain")),
            ("target", target, ("virtual", "sharp", "blended")),
            ("rule", rule, ("exact", "printed", "none")),
        ):
            require_known(name, value, known)
        factors = [1] + [left // right for left, right in pairwise(chosen)]
        starts, ends = [1.0], []
        for boundary, factor in zip(parts, factors[1:], strict=True):
            start, end = _junction(schedule, boundary, 1 if rule == "none" else factor, on_grid)
            starts.append(start)
            ends.append(end)
        ends.append(0.0)
        for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if not start > end:
                raise ValueError(
                    f"stage {index} would start at time {start:.4g} and end at {end:.4g}, with nothing between: move "
                    f"the boundaries {parts} apart"
                )
        levels = [(level(schedule, start), level(schedule, end)) for start, end in zip(starts, ends, strict=True)]
        return cls(
            stages=tuple(
                Stage(index=index, stride=stride, factor=factor, start=start, end=end)
                for index, (stride, factor, (start, end)) in enumerate(zip(chosen, factors, levels, strict=True))
            ),
            schedule=schedule,
            resampling=resampling,
            rule=rule,
            timesteps=timesteps,
            positions=positions,
            target=target,
            shares=_shares(shares, count),
        )

    def __len__(self) -> int:
        return len(self.stages)

    def check_frames(self, frames: int) -> None:
        """Refuse a clip whose frames the coarsest stage cannot divide.

        Raises:
            ValueError: names the nearest lengths that would do.
        """
        coarsest, alone = self.stages[0].stride, int(self.resampling.causal)
        rest = frames - alone
        if frames < 1 or rest % coarsest or rest < coarsest > 1:
            below, above = rest // coarsest * coarsest, (rest // coarsest + 1) * coarsest
            nearest = f"{below + alone} or {above + alone}" if below > 0 else f"{max(above, coarsest) + alone}"
            shape = f"1 + {rest} frames" if alone else f"{frames} frames"
            raise ValueError(
                f"{len(self)} stages reduce the frames {coarsest}-fold at first: {shape} do not divide. "
                f"Use {nearest} frames, or fewer stages"
            )

    def each(self, value: int | Sequence[int]) -> tuple[int, ...]:
        """One number for each stage, from one for all or from one for each.

        Raises:
            ValueError: there are not as many as stages.

        >>> TemporalPyramid.build(3).each(2), TemporalPyramid.build(3).each((2, 1, 2))
        ((2, 2, 2), (2, 1, 2))
        """
        values = (value,) * len(self) if isinstance(value, int) else tuple(value)
        if len(values) != len(self):
            raise ValueError(f"{len(values)} numbers {values} for {len(self)} stages: give one, or one for each")
        return values

    def split_steps(self, steps: int) -> tuple[int, ...]:
        """Denoising steps of each stage by its share; what is left over goes by largest remainder, noisiest first.

        Raises:
            ValueError: a stage would get no step.

        >>> TemporalPyramid.build(3).split_steps(30), TemporalPyramid.build(3, shares=(4, 1, 1)).split_steps(30)
        ((10, 10, 10), (20, 5, 5))
        """
        total = sum(self.shares)
        exact = [steps * share / total for share in self.shares]
        split = [floor(part + 1e-9) for part in exact]
        # Largest remainders first, the noisiest stage first among equals
        order = sorted(range(len(self)), key=lambda index: (round(split[index] - exact[index], 9), index))
        for index in order[: steps - sum(split)]:
            split[index] += 1
        if min(split) < 1:
            raise ValueError(
                f"{steps} steps cannot serve {len(self)} stages: they would take {', '.join(map(str, split))}; "
                f"use at least one step a stage"
            )
        return tuple(split)

    def told(self, stage: Stage, times: torch.Tensor) -> torch.Tensor:
        """The timesteps that the network is told at ``times`` of a stage; with one stage always the true ones."""
        if self.timesteps == "true" or len(self) == 1:
            return self.schedule.timestep(times)
        within = (times - stage.end.time) / (stage.start.time - stage.end.time)
        return (len(self) - 1 - stage.index + within) / len(self)

    def levels(self, stage: Stage, steps: int) -> list[Level]:
        """The ``steps`` + 1 noise levels that a sampler visits in a stage, with what the network is told there."""
        levels = uniform_levels(self.schedule, stage.start.time, stage.end.time, steps)
        return [
            replace(at, timestep=self.told(stage, torch.tensor(at.time, dtype=torch.float64)).item()) for at in levels
        ]

    def frame_positions(self, stage: Stage, frames: int) -> torch.Tensor:
        """Positions of the stage's ``frames`` frames, (frames,) float32, in frames of the full-rate clip."""
        return self.resampling.positions(frames, stage.stride if self.positions == "consistent" else 1)


def _strides(stages: int | None, strides: Sequence[int] | None) -> tuple[int, ...]:
    if strides is None:
        count = 3 if stages is None else stages
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"a pyramid has 1, 2, 3 ... stages, not {count!r}; the paper uses 3")
        return tuple(2 ** (count - 1 - index) for index in range(count))
    chosen = tuple(strides)
    if stages is not None and len(chosen) != stages:
        raise ValueError(f"{stages} stages but {len(chosen)} strides {chosen}; give one of the two")
    if not chosen or any(not isinstance(part, Integral) or isinstance(part, bool) or part < 1 for part in chosen):
        raise ValueError(f"strides are whole numbers from 1, e.g. (4, 2, 1), not {chosen}")
    chosen = tuple(int(stride) for stride in chosen)
    if chosen[-1] != 1:
        raise ValueError(f"strides {chosen}: the last stage runs at the full frame rate, so the last stride is 1")
    for left, right in pairwise(chosen):
        if left % right:
            raise ValueError(
                f"strides {chosen}: {left} is no multiple of {right}. From stage to stage the frame rate stays or "
                f"grows by a whole factor, e.g. (4, 2, 1)"
            )
    return chosen


def _boundaries(boundaries: Sequence[float] | None, count: int) -> list[float]:
    if boundaries is None:
        return [(count - 1 - index) / count for index in range(count - 1)]
    parts = list(boundaries)
    if len(parts) != count - 1:
        raise ValueError(f"{count} stages have {count - 1} boundaries between them, not {len(parts)}: {parts}")
    if any(not left > right for left, right in pairwise([1.0, *parts, 0.0])):
        raise ValueError(
            f"boundaries {parts} must fall from below 1 to above 0: shares of time that overlap or are empty are none"
        )
    return parts


def _shares(shares: Sequence[float] | None, count: int) -> tuple[float, ...]:
    chosen = tuple(shares) if shares is not None else (1,) * count
    if len(chosen) != count or any(not 0 < share < inf for share in chosen):
        raise ValueError(f"shares {chosen}: give {count} positive numbers, one a stage, e.g. {(10,) * count}")
    return chosen


def _junction(schedule: Schedule, boundary: float, factor: int, on_grid: OnGrid) -> tuple[float, float]:
    """(start of the next stage, end of this one) at a boundary: nu_start = sqrt(factor) * nu_end.

    On a discrete schedule both are whole timesteps, rounded so that nu_start is never below the rule's.
    """
    grid = schedule.grid
    if on_grid == "ends":
        end = boundary if grid is None else _ceil(boundary, grid)
        nu = level(schedule, end).nu * sqrt(factor)
        start = schedule.time_of_nu(nu) if factor > 1 else end
        start = start if grid is None else _ceil(start, grid)
        if level(schedule, start).nu < nu * (1 - 1e-9):
            raise ValueError(
                f"a stage that ends at time {end:.4g} needs the next one to start at noise-to-signal {nu:.4g}, which "
                f"this schedule never reaches; move the boundary towards 0"
            )
        return start, end
    start = boundary if grid is None else _floor(boundary, grid)
    end = schedule.time_of_nu(level(schedule, start).nu / sqrt(factor)) if factor > 1 else start
    return start, end if grid is None else _floor(end, grid)


def _ceil(time: float, grid: int) -> float:
    return ceil(Fraction(time).limit_denominator(10**9) * grid - Fraction(1, 10**6)) / grid


def _floor(time: float, grid: int) -> float:
    return floor(Fraction(time).limit_denominator(10**9) * grid + Fraction(1, 10**6)) / grid
