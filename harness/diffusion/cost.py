"""Arithmetic of cost: what one network call costs at how many frames, and what a video and a training step ask for.

A video denoiser's FLOPs for one clip are a polynomial in the number F of latent frames it sees, exactly:
a for what does not depend on frames (text, timestep), b F for everything per frame, c F^2 for attention across
frames. Three counts fix it, and the same holds for the bytes that training keeps for the backward pass.

A method that does its work in stages of fewer frames asks for :class:`VideoWork`; full rate is the case of one stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

CallCost = Callable[[int], float]
"""Latent frames to the cost of one network call that sees them, in whatever unit."""
Growth = Literal["linear", "quadratic"]
"""How the cost of a call may grow with its frames: work per frame, or attention across all of them."""


@dataclass(frozen=True, kw_only=True)
class CostPolynomial:
    """constant + linear * F + quadratic * F^2, for one clip of F latent frames."""

    constant: float
    linear: float
    quadratic: float

    def at(self, frames: float) -> float:
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
class StageWork:
    """What one stage asks of the network."""

    frames: int
    """Latent frames that it sees."""
    frame_ratio: Fraction
    """Share of the full frame rate, in (0, 1]; frames / full frames where the clip divides evenly."""
    steps: int
    """Solver steps of one video."""
    calls: int
    """Network calls of one video: guidance and two-evaluation solvers count."""
    share: Fraction
    """Expected share of the training clips."""


@dataclass(frozen=True, kw_only=True)
class VideoWork:
    """What a method asks of the network for one video and for one training clip, and what full rate would ask."""

    stages: tuple[StageWork, ...]
    full_frames: int
    """Latent frames of the video."""
    control_calls: int
    """Network calls of the same steps at the full frame rate."""

    @property
    def nfe(self) -> int:
        """Network calls of one video."""
        return sum(stage.calls for stage in self.stages)

    @property
    def frames(self) -> int:
        """Latent frames that all network calls see together; times tokens per frame these are tokens."""
        return sum(stage.calls * stage.frames for stage in self.stages)

    @property
    def full_rate_nfe(self) -> float:
        """Network calls, each weighted by its share of the full-rate frames."""
        return self.frames / self.full_frames

    def sampling(self, cost: CallCost) -> float:
        """All network calls of one video, in the unit of ``cost``."""
        return sum(stage.calls * cost(stage.frames) for stage in self.stages)

    def control_sampling(self, cost: CallCost) -> float:
        """The same steps at the full frame rate."""
        return self.control_calls * cost(self.full_frames)

    def sampling_speedup(self, cost: CallCost) -> float:
        """Full rate over this, in the network alone."""
        return self.control_sampling(cost) / self.sampling(cost)

    def ideal_speedup(self, cost: Callable[[float], float]) -> float:
        """Speed-up of sampling if every stage saw its frame ratio of the clip, a first frame that stands alone, too."""
        asked = sum(stage.calls * cost(float(stage.frame_ratio * self.full_frames)) for stage in self.stages)
        return self.control_sampling(cost) / asked

    def training(self, cost: CallCost) -> float:
        """Expected cost of one training clip; at full rate it is ``cost(full_frames)``."""
        return expected([stage.share for stage in self.stages], [stage.frames for stage in self.stages], cost)

    def training_speedup(self, cost: CallCost) -> float:
        """Full rate over this, for one training clip."""
        return cost(self.full_frames) / self.training(cost)

    def sampling_bound(self, growth: Growth, *, exact: bool) -> Fraction:
        """Speed-up of sampling were a call's cost purely linear or quadratic in frames.

        Args:
            growth: which of the two.
            exact: with the frames that the stages see; otherwise with their frame ratios, which they approach in long
                clips. A first frame that stands alone is in every stage and makes the two differ.
        """
        power = _POWERS[growth]
        asked = sum(stage.calls * self._seen(stage, exact) ** power for stage in self.stages)
        return Fraction(self.control_calls) / asked

    def training_bound(self, growth: Growth, *, exact: bool) -> Fraction:
        """The same for one training clip."""
        power = _POWERS[growth]
        return 1 / Fraction(sum(stage.share * self._seen(stage, exact) ** power for stage in self.stages))

    def _seen(self, stage: StageWork, exact: bool) -> Fraction:
        return Fraction(stage.frames, self.full_frames) if exact else stage.frame_ratio


_POWERS: Mapping[Growth, int] = {"linear": 1, "quadratic": 2}


def expected(weights: Sequence[float | Fraction], frames: Sequence[int], cost: CallCost) -> float:
    """Mean cost of a call whose ``frames`` are drawn with ``weights``, which are any positive numbers.

    >>> expected([1, 1, 2], [4, 8, 16], lambda frames: frames)
    11.0
    """
    total = sum(weights)
    return sum(float(weight / total) * cost(number) for weight, number in zip(weights, frames, strict=True))
