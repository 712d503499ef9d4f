"""Solvers: exact where they must be, of their order, and the same as the published implementations."""

from __future__ import annotations

import itertools
import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from harness.diffusion.form import SolverName
from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import FlowMatching, Level, Schedule, VariancePreserving, level, uniform_levels
from harness.diffusion.solvers import SOLVERS, Ddim, make_solver, solve
from harness.errors import UsageError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "diffusers.json").read_text())
SPREAD = 0.5
"""Standard deviation of the Gaussian below."""


def gaussian(x: torch.Tensor, at: Level) -> Estimate:
    """The optimal network for clips from N(1, .5^2): a curved flow with a known solution."""
    variance = at.alpha**2 * SPREAD**2 + at.sigma**2
    pull = (x - at.alpha) / variance
    return Estimate(clean=1 + at.alpha * SPREAD**2 * pull, noise=at.sigma * pull)


def exact(x: torch.Tensor, start: Level, end: Level) -> torch.Tensor:
    """Where the flow takes x: the same quantile of the Gaussian at the end."""
    spread = [math.sqrt(at.alpha**2 * SPREAD**2 + at.sigma**2) for at in (start, end)]
    return end.alpha + (x - start.alpha) * spread[1] / spread[0]


def error(solver: SolverName, schedule: Schedule, steps: int, start: float, end: float) -> float:
    x, levels = torch.tensor([0.3, -1.2], dtype=torch.float64), uniform_levels(schedule, start, end, steps)
    return float((solve(make_solver(solver), gaussian, x, levels) - exact(x, levels[0], levels[-1])).abs().max())


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()], ids=["flow", "vp"])
@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("ddim", 1), ("heun", 2), ("dpm++2m", 2), ("unipc", 2)])
def test_solvers_have_at_least_their_order_on_both_forms(solver: SolverName, order: int, schedule: Schedule) -> None:
    """From .8 to .2: where the levels are smooth in time. tests/tpdiff/test_oracle.py has the orders themselves."""
    coarse, fine = (error(solver, schedule, steps, 0.8, 0.2) for steps in (40, 320))
    mean_order = math.log2(coarse / fine) / 3
    assert mean_order > order - 0.3
    assert order > 1 or mean_order < 1.3


@pytest.mark.parametrize("solver", get_args(SolverName))
def test_solvers_survive_pure_noise_at_the_start_and_none_at_the_end(solver: SolverName) -> None:
    assert error(solver, FlowMatching(), 200, 1.0, 0.0) < 0.01


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()], ids=["flow", "vp"])
def test_ddim_without_fresh_noise_is_euler(schedule: Schedule) -> None:
    x, levels = torch.randn(5, dtype=torch.float64), uniform_levels(schedule, 1.0, 0.0, 9)
    euler, ddim = (solve(make_solver(name), gaussian, x, levels) for name in ("euler", "ddim"))  # type: ignore[arg-type]
    assert torch.equal(euler, ddim)


def test_euler_of_flow_matching_follows_the_velocity() -> None:
    x, levels = torch.randn(5, dtype=torch.float64), uniform_levels(FlowMatching(), 1.0, 0.0, 9)
    expected = x
    for now, following in itertools.pairwise(levels):
        said = gaussian(expected, now)
        expected = expected + (following.time - now.time) * (said.noise - said.clean)
    assert torch.allclose(solve(make_solver("euler"), gaussian, x, levels), expected)


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()], ids=["flow", "vp"])
def test_fresh_noise_keeps_the_distribution_for_plain_diffusion(schedule: Schedule) -> None:
    """Ancestral steps (eta 1) of 40000 walkers end in N(1, .5^2)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40_000, generator=generator, dtype=torch.float64)
    solver = Ddim(1.0, lambda index, like: torch.randn(like.shape, generator=generator, dtype=like.dtype))
    out = solve(solver, gaussian, x, uniform_levels(schedule, 1.0, 0.0, 400))
    assert (float(out.mean()), float(out.std())) == (pytest.approx(1, abs=0.02), pytest.approx(SPREAD, abs=0.02))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['solver']}-{case['steps']}")
def test_solvers_agree_with_diffusers(case: dict[str, Any]) -> None:
    """Golden values: the file holds the command, the versions and the tolerance with its reason."""
    levels = [
        Level(time=0.0, alpha=alpha, sigma=sigma, timestep=0.0)
        for alpha, sigma in zip(case["alpha"], case["sigma"], strict=True)
    ]
    x = torch.tensor(GOLDEN["x"], dtype=torch.float64)
    out = solve(make_solver(case["solver"]), gaussian, x, levels)
    assert out.tolist() == pytest.approx(case["out"], abs=GOLDEN["tolerance"])


@pytest.mark.parametrize("solver", get_args(SolverName))
def test_the_count_of_evaluations_is_what_is_called(solver: SolverName) -> None:
    calls: list[int] = []
    told: list[int] = []

    def counted(x: torch.Tensor, at: Level) -> Estimate:
        calls.append(1)
        return gaussian(x, at)

    @contextmanager
    def observe(index: int, evaluations: int) -> Any:
        told.append(evaluations)
        yield

    levels = uniform_levels(FlowMatching(), 1.0, 0.0, 6)
    solve(make_solver(solver), counted, torch.zeros(1, dtype=torch.float64), levels, observe=observe)
    assert len(calls) == sum(told) == (11 if solver == "heun" else 6)


def test_every_named_solver_is_there() -> None:
    assert set(SOLVERS) == set(get_args(SolverName))


@pytest.mark.parametrize(
    ("name", "eta", "message"),
    [("eulr", 0.0, "Did you mean 'euler'"), ("heun", 0.5, "belongs to ddim"), ("ddim", 1.5, "between 0")],
)
def test_solvers_that_make_no_sense_are_refused(name: Any, eta: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_solver(name, eta=eta)


def test_levels_know_their_ratio() -> None:
    assert level(FlowMatching(), 1.0).nu == math.inf
    assert level(FlowMatching(), 0.5).nu == 1.0
