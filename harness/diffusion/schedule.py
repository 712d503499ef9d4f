"""Diffusion forms: how much signal and how much noise a clip holds at each time.

    x_t = alpha_t * clean + sigma_t * noise        t from 1 (noisiest) to 0 (clean, exactly)

``t`` is the axis on which steps are spaced and training times are drawn. What matters to the mathematics is
the noise-to-signal ratio nu = sigma / alpha alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch

from harness.diffusion.form import Betas
from harness.errors import require_known


class Schedule(Protocol):
    """One diffusion form. Times are float64 or float32 tensors of any shape in [0, 1]."""

    @property
    def grid(self) -> int | None:
        """Number N of discrete timesteps: every time used is a multiple of 1/N. None: time is continuous."""
        ...

    def alpha(self, t: torch.Tensor) -> torch.Tensor:
        """Share of the clean clip."""
        ...

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        """Share of the noise."""
        ...

    def timestep(self, t: torch.Tensor) -> torch.Tensor:
        """What the network is told, in [0, 1]."""
        ...

    def time_of_nu(self, nu: float) -> float:
        """The time whose noise-to-signal ratio is ``nu``; 1 if the form ends before such a ratio."""
        ...


@dataclass(frozen=True, kw_only=True)
class Level:
    """One noise level, as numbers."""

    time: float
    """On the schedule's axis, in [0, 1]."""
    alpha: float
    """Share of the clean clip."""
    sigma: float
    """Share of the noise."""
    timestep: float
    """What the network is told."""

    @property
    def nu(self) -> float:
        """Noise-to-signal ratio, infinite for pure noise."""
        return self.sigma / self.alpha if self.alpha else math.inf


def level(schedule: Schedule, time: float) -> Level:
    """The noise level at ``time``, in double precision."""
    t = torch.tensor(time, dtype=torch.float64)
    return Level(
        time=time,
        alpha=schedule.alpha(t).item(),
        sigma=schedule.sigma(t).item(),
        timestep=schedule.timestep(t).item(),
    )


@dataclass(frozen=True)
class FlowMatching:
    """alpha = 1 - sigma along straight lines (Lipman et al., arXiv 2210.02747).

    ``shift`` > 1 spends more of the time axis at high noise, as Stable Diffusion 3 does for large latents
    (arXiv 2403.03206, eq. 23): sigma = shift * t / (1 + (shift - 1) * t). The network is told sigma.
    """

    shift: float = 1.0

    @property
    def grid(self) -> None:
        return None

    def __post_init__(self) -> None:
        if not 0 < self.shift < math.inf:
            raise ValueError(f"the shift of the time axis is {self.shift}; it must be a positive number, 1 for none")

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        return self.shift * t / (1 + (self.shift - 1) * t)

    def alpha(self, t: torch.Tensor) -> torch.Tensor:
        return 1 - self.sigma(t)

    def timestep(self, t: torch.Tensor) -> torch.Tensor:
        return self.sigma(t)

    def time_of_nu(self, nu: float) -> float:
        if math.isinf(nu):
            return 1.0
        sigma = nu / (1 + nu)
        return sigma / (self.shift - (self.shift - 1) * sigma)


@dataclass(frozen=True)
class VariancePreserving:
    """alpha = sqrt(abar), sigma = sqrt(1 - abar): the forms of DDPM, DDIM and Stable Diffusion.

    Timestep n of the N = 1000 in a checkpoint's table lies at t = (n + 1) / N, and t = 0 is the clean clip itself,
    abar = 1: the last step of a sampler goes there and not to abar[0]. Between table entries log(abar) is linear.
    The noisiest level is finite: nu(1) is 157 for linear, 14.6 for scaled-linear, 25.1 for animatediff.

    Args:
        betas: ``linear`` (1e-4 to .02; Ho et al., arXiv 2006.11239), ``scaled-linear`` (the square roots are linear,
            .00085 to .012; Stable Diffusion 1.5), ``cosine`` (Nichol & Dhariwal, arXiv 2102.09672) or
            ``animatediff`` (linear, .00085 to .012: the scheduler file of its checkpoints, arXiv 2307.04725).
        discrete: times are multiples of 1/N only, as for a network that knows whole timesteps.
    """

    betas: Betas = "scaled-linear"
    discrete: bool = False

    STEPS = 1000

    def __post_init__(self) -> None:
        require_known("betas", self.betas, _BETAS)

    @property
    def grid(self) -> int | None:
        return self.STEPS if self.discrete else None

    @cached_property
    def log_abar(self) -> torch.Tensor:
        """(N + 1,) float64: log abar at t = 0, 1/N, ..., 1."""
        betas = _BETAS[self.betas](self.STEPS)
        return torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-betas).cumsum(0)])

    def _log_abar_at(self, t: torch.Tensor) -> torch.Tensor:
        table = self.log_abar.to(t.device)
        place = t.double() * self.STEPS
        # A time that is meant to be a multiple of 1/N is one, in spite of float32
        place = torch.where((place - place.round()).abs() < 1e-4, place.round(), place)
        below = place.floor().clamp(0, self.STEPS - 1).long()
        return table[below] + (place - below) * (table[below + 1] - table[below])

    def alpha(self, t: torch.Tensor) -> torch.Tensor:
        return (self._log_abar_at(t) / 2).exp().to(t.dtype)

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        return (-torch.expm1(self._log_abar_at(t))).sqrt().to(t.dtype)

    def timestep(self, t: torch.Tensor) -> torch.Tensor:
        return t

    def time_of_nu(self, nu: float) -> float:
        # nu^2 = 1 / abar - 1
        wanted = -math.log1p(nu * nu) if math.isfinite(nu) else -math.inf
        if wanted <= self.log_abar[-1].item():
            return 1.0
        above = int(torch.searchsorted(-self.log_abar, -wanted).clamp(min=1))
        left, right = self.log_abar[above - 1].item(), self.log_abar[above].item()
        return (above - 1 + (wanted - left) / (right - left)) / self.STEPS


def _linear(steps: int) -> torch.Tensor:
    return torch.linspace(1e-4, 2e-2, steps, dtype=torch.float64)


def _animatediff(steps: int) -> torch.Tensor:
    return torch.linspace(0.00085, 0.012, steps, dtype=torch.float64)


def _scaled_linear(steps: int) -> torch.Tensor:
    return torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64).square()


def _cosine(steps: int) -> torch.Tensor:
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    abar = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - abar[1:] / abar[:-1]).clamp(max=0.999)


_BETAS: dict[Betas, Callable[[int], torch.Tensor]] = {
    "linear": _linear,
    "scaled-linear": _scaled_linear,
    "cosine": _cosine,
    "animatediff": _animatediff,
}


def draw_times(schedule: Schedule, start: float, end: float, uniform: torch.Tensor) -> torch.Tensor:
    """Training times in [end, start] from draws (B,) in [0, 1); on a discrete schedule whole timesteps, ends included.

    Of a discrete schedule the clean clip itself (time 0) is no timestep and is never drawn.
    """
    if schedule.grid is None:
        return end + (start - end) * uniform
    first, last = max(1, round(end * schedule.grid)), round(start * schedule.grid)
    return (first + ((last - first + 1) * uniform).floor().clamp(max=last - first)) / schedule.grid


def uniform_levels(schedule: Schedule, start: float, end: float, steps: int) -> list[Level]:
    """``steps`` + 1 noise levels, equally spaced in time from ``start`` down to ``end``, both exact.

    On a discrete schedule the times between are rounded to whole timesteps.

    Raises:
        ValueError: a discrete schedule has fewer timesteps between than asked for.

    >>> [level.time for level in uniform_levels(FlowMatching(), 1.0, 0.0, 4)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    times = [start + (end - start) * (index / steps) for index in range(steps)] + [end]
    if schedule.grid is not None:
        there = round((start - end) * schedule.grid)
        if steps > there:
            raise ValueError(f"{steps} steps from time {start} to {end}: only {there} whole timesteps lie there")
        times = [round(time * schedule.grid) / schedule.grid for time in times]
    return [level(schedule, time) for time in times]
