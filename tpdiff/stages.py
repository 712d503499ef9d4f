"""The temporal pyramid: which interval of noise levels runs at which frame rate.

    time   1 ........ 2/3   .739 ........ 1/3   .414 ........ 0
    stage      j = 0             j = 1              j = 2
    frames      T/4               T/2                 T

Stages are counted in sampling order, 0 is the noisiest. Ends lie on the uniform grid of times; the next start
follows from the end by the rule of :func:`next_start`, so neighbouring stages overlap in noise level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One interval of noise levels at one frame rate."""

    index: int
    """j, in sampling order."""
    stride: int
    """The stage sees every stride-th frame; its frame_ratio is 1/stride."""
    start: float
    """Time of its noisiest level, in (0, 1]."""
    end: float
    """Time of its cleanest level, in [0, start)."""

    @property
    def frame_ratio(self) -> float:
        """Share of the full frame rate, in (0, 1]."""
        return 1 / self.stride


@dataclass(frozen=True)
class TemporalPyramid:
    """The stages of one pyramid, noisiest first."""

    stages: tuple[Stage, ...]

    @classmethod
    def dyadic(cls, count: int) -> TemporalPyramid:
        """``count`` stages of equal shares of time whose frame rates double from stage to stage (flow matching).

        Raises:
            ValueError: ``count`` is not a positive whole number.

        >>> [round(stage.start, 4) for stage in TemporalPyramid.dyadic(3).stages]
        [1.0, 0.7388, 0.4142]
        """
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"a pyramid has 1, 2, 3 ... stages, not {count!r}; the paper uses 3")
        stages, start = [], 1.0
        for index in range(count):
            end = (count - 1 - index) / count
            stages.append(Stage(index=index, stride=2 ** (count - 1 - index), start=start, end=end))
            start = next_start(end)
        return cls(tuple(stages))

    def __len__(self) -> int:
        return len(self.stages)

    def check_frames(self, frames: int) -> None:
        """Refuse a clip whose frames the coarsest stage cannot divide.

        Raises:
            ValueError: names the nearest lengths that would do.
        """
        coarsest = self.stages[0].stride
        if frames % coarsest or frames < coarsest:
            below, above = frames // coarsest * coarsest, (frames // coarsest + 1) * coarsest
            nearest = f"{below} or {above}" if below else f"{above}"
            raise ValueError(
                f"{len(self)} stages reduce the frames {coarsest}-fold at first: {frames} frames do not divide. "
                f"Use {nearest} frames, or fewer stages"
            )

    def split_steps(self, steps: int) -> tuple[int, ...]:
        """Denoising steps of each stage: equal shares, what is left over goes to the noisiest stages.

        Raises:
            ValueError: there are fewer steps than stages.

        >>> TemporalPyramid.dyadic(3).split_steps(30)
        (10, 10, 10)
        """
        if steps < len(self):
            raise ValueError(f"{steps} steps cannot serve {len(self)} stages; use at least one step a stage")
        share, left_over = divmod(steps, len(self))
        return tuple(share + (stage.index < left_over) for stage in self.stages)


def next_start(end: float) -> float:
    """Where the next stage starts after one that ended at time ``end``: nu_start = sqrt(2) * nu_end, nu = t/(1-t).

    Doubling the frames keeps a pair's mean and adds a fresh difference; only at this noise level is the result
    white, with a covariance of exactly sigma_start^2 * I (docs/method.md derives it).

    >>> round(next_start(2 / 3), 4), round(next_start(1 / 3), 4)
    (0.7388, 0.4142)
    """
    return math.sqrt(2) * end / (1 - end + math.sqrt(2) * end)
