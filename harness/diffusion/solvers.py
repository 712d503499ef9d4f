"""Solvers of the probability flow: each takes x from one noise level to the next, cleaner one.

All work on estimates of the clean clip and the noise, so the diffusion form and the kind of prediction do not
matter to them. A fresh solver is made for every stretch it solves: multistep methods remember estimates, and
what was said at another frame rate says nothing here.

    euler    first order; the same step as DDIM with eta 0, see :class:`Ddim`
    heun     second order, two evaluations a step
    ddim     first order; with eta > 0 it adds noise (Song et al., arXiv 2010.02502)
    dpm++2m  second order multistep, one evaluation a step (Lu et al., arXiv 2211.01095)
    unipc    second order predictor and corrector, one evaluation a step (Zhao et al., arXiv 2302.04867)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Protocol

import torch

from harness.diffusion.form import SolverName
from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level
from harness.errors import UsageError, unknown_name

Predict = Callable[[torch.Tensor, Level], Estimate]
"""(x, level) to what the network says there."""
FreshNoise = Callable[[int, torch.Tensor], torch.Tensor]
"""(index of the step, x) to standard Gaussian noise of x's shape."""


class Solver(Protocol):
    """One method, in the midst of one stretch."""

    def evaluations(self, following: Level) -> int:
        """Network evaluations of the step to ``following``."""
        ...

    def step(self, predict: Predict, x: torch.Tensor, now: Level, following: Level) -> torch.Tensor:
        """x at ``following`` from x at ``now``."""
        ...


class Euler:
    """x goes straight to where its estimate says: alpha' * clean + sigma' * noise.

    In the coordinates x / (alpha + sigma) over sigma / (alpha + sigma) this is Euler's method for the velocity,
    for every diffusion form; for flow matching these are x and t themselves.
    """

    def evaluations(self, following: Level) -> int:
        return 1

    def step(self, predict: Predict, x: torch.Tensor, now: Level, following: Level) -> torch.Tensor:
        return _towards(predict(x, now), following)


class Heun:
    """Euler's step, then the mean of the velocities at both of its ends (Karras et al., arXiv 2206.00364).

    The step to the clean clip stays Euler's: there is no noise left at its end for the network to see.
    """

    def evaluations(self, following: Level) -> int:
        return 2 if following.sigma else 1

    def step(self, predict: Predict, x: torch.Tensor, now: Level, following: Level) -> torch.Tensor:
        first = predict(x, now)
        ahead = _towards(first, following)
        if not following.sigma:
            return ahead
        second = predict(ahead, following)
        length = _place(following) - _place(now)
        velocity = (first.noise - first.clean + second.noise - second.clean) / 2
        return (x / (now.alpha + now.sigma) + length * velocity) * (following.alpha + following.sigma)


class Ddim:
    """DDIM. ``eta`` 0 is deterministic, 1 is DDPM's ancestral sampling.

    Stochastic steps need noise that is the score's. In a stage of a temporal pyramid it is not, see
    ``tpdiff.sampler``, which refuses them there.
    """

    def __init__(self, eta: float = 0.0, noise: FreshNoise | None = None) -> None:
        self.eta, self.noise, self.index = eta, noise, 0

    def evaluations(self, following: Level) -> int:
        return 1

    def step(self, predict: Predict, x: torch.Tensor, now: Level, following: Level) -> torch.Tensor:
        said = predict(x, now)
        self.index += 1
        if not self.eta or not following.sigma:
            return _towards(said, following)
        assert self.noise is not None, "eta > 0 needs a source of noise"
        # The noise of a posterior step, arXiv 2010.02502 eq. 16, in alpha and sigma of any form
        kept = now.alpha / following.alpha
        fresh = (
            self.eta * following.sigma / now.sigma * math.sqrt(max(0.0, now.sigma**2 - (kept * following.sigma) ** 2))
        )
        old = math.sqrt(max(0.0, following.sigma**2 - fresh**2))
        return following.alpha * said.clean + old * said.noise + fresh * self.noise(self.index - 1, x)


class DpmSolver2M:
    """DPM-Solver++(2M): the clean estimate is extended linearly in log(alpha / sigma) from the last two."""

    def __init__(self) -> None:
        self.before: tuple[torch.Tensor, float] | None = None

    def evaluations(self, following: Level) -> int:
        return 1

    def step(self, predict: Predict, x: torch.Tensor, now: Level, following: Level) -> torch.Tensor:
        clean = predict(x, now).clean
        extended = clean
        if self.before is not None and following.sigma and math.isfinite(self.before[1]):
            earlier, from_ = self.before
            reach = (_log_ratio(following) - _log_ratio(now)) / (_log_ratio(now) - from_)
            extended = clean + reach / 2 * (clean - earlier)
        self.before = (clean, _log_ratio(now))
        ratio = following.sigma / now.sigma
        return ratio * x + (following.alpha - ratio * now.alpha) * extended


class UniPC:
    """UniPC-2 with B(h) = exp(h) - 1 and data prediction: each estimate first corrects the step that led to it."""

    def __init__(self) -> None:
        self.last: tuple[torch.Tensor, Level] | None = None
        self.history: list[tuple[torch.Tensor, Level]] = []

    def evaluations(self, following: Level) -> int:
        return 1

    def step(self, predict: Predict, x: torch.Tensor, now: Level, following: Level) -> torch.Tensor:
        clean = predict(x, now).clean
        if self.last is not None and self.history[-1][1].alpha:
            x = self._move(*self.last, now, arrived=clean)
        self.last = (x, now)
        self.history = [*self.history[-1:], (clean, now)]
        return self._move(x, now, following, arrived=None)

    def _move(self, x: torch.Tensor, now: Level, following: Level, *, arrived: torch.Tensor | None) -> torch.Tensor:
        """From ``now`` to ``following``; with the estimate ``arrived`` there, corrected by it."""
        clean = self.history[-1][0]
        ratio = following.sigma / now.sigma
        plain = ratio * x + (following.alpha - ratio * now.alpha) * clean
        if not following.sigma:
            return plain
        # Divided differences of the clean estimate over log(alpha / sigma), as shares of this step
        h = _log_ratio(following) - _log_ratio(now)
        slopes, places = [], []
        if len(self.history) == 2 and self.history[0][1].alpha:
            earlier, at = self.history[0]
            places.append((_log_ratio(at) - _log_ratio(now)) / h)
            slopes.append((earlier - clean) / places[0])
        if arrived is not None:
            places.append(1.0)
            slopes.append(arrived - clean)
        if not slopes:
            return plain
        scale, weights = _unipc_weights(h, places)
        bend = sum(weight * slope for weight, slope in zip(weights, slopes, strict=True))
        return plain - following.alpha * scale * bend


def _unipc_weights(h: float, places: Sequence[float]) -> tuple[float, list[float]]:
    """B(h) and the weights of the differences at ``places`` (arXiv 2302.04867, eq. 9 and appendix; data prediction)."""
    scale = math.expm1(-h)
    if len(places) == 1:
        return scale, [0.5]  # of both the predictor and the first corrector, as published: exact to second order
    phi, right = scale / -h - 1, []
    for factorial, order in ((1, 1), (2, 2)):
        right.append(phi * factorial / scale)
        phi = phi / -h - 1 / (factorial * (order + 1))
    (r_1, r_2), (b_1, b_2) = places, right
    # [[1, 1], [r_1, r_2]] w = b
    second = (b_2 - r_1 * b_1) / (r_2 - r_1)
    return scale, [b_1 - second, second]


def _towards(said: Estimate, level: Level) -> torch.Tensor:
    return level.alpha * said.clean + level.sigma * said.noise


def _place(level: Level) -> float:
    """Where a level lies between clean (0) and noise (1)."""
    return level.sigma / (level.alpha + level.sigma)


def _log_ratio(level: Level) -> float:
    """log(alpha / sigma): minus infinity for pure noise."""
    return math.log(level.alpha / level.sigma) if level.alpha else -math.inf


SOLVERS: dict[str, Callable[[], Solver]] = {
    "euler": Euler,
    "heun": Heun,
    "ddim": Ddim,
    "dpm++2m": DpmSolver2M,
    "unipc": UniPC,
}
"""Every solver by name; ``ddim`` alone takes options."""


def make_solver(name: SolverName, *, eta: float = 0.0, noise: FreshNoise | None = None) -> Solver:
    """A fresh solver.

    Raises:
        UsageError: the name is unknown, or ``eta`` is not its own or not in [0, 1].
    """
    if name not in SOLVERS:
        raise unknown_name("solver", name, SOLVERS)
    if not 0 <= eta <= 1:
        raise UsageError(f"eta is {eta}; it is a share of noise between 0 (deterministic) and 1 (ancestral).")
    if name == "ddim":
        return Ddim(eta, noise)
    if eta:
        raise UsageError(f"solver {name} is deterministic: eta {eta} belongs to ddim. Set eta: 0 or solver: ddim.")
    return SOLVERS[name]()


Observe = Callable[[int, int], AbstractContextManager[None]]
"""(index of the step, its network evaluations) to a context that is open while it works."""


def _unobserved(index: int, evaluations: int) -> AbstractContextManager[None]:
    return nullcontext()


def solve(
    solver: Solver, predict: Predict, x: torch.Tensor, levels: Sequence[Level], *, observe: Observe = _unobserved
) -> torch.Tensor:
    """Follow ``levels`` (falling) from x at the first to x at the last."""
    for index, (now, following) in enumerate(pairwise(levels)):
        with observe(index, solver.evaluations(following)):
            x = solver.step(predict, x, now, following)
    return x
