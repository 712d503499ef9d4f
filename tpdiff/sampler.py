"""Sampling through the pyramid: an ordinary solver inside each stage, an exact transition between stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch

from harness.diffusion.form import SolverName
from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level
from harness.diffusion.solvers import FreshNoise, make_solver, solve
from harness.errors import UsageError
from harness.generator import NullProbe, Probe
from tpdiff.path import stage_estimate
from tpdiff.recipe import Recipe
from tpdiff.stages import Stage, TemporalPyramid
from tpdiff.transition import missing_noise, reuses_low_band, transition

StagePredict = Callable[[Stage, torch.Tensor, Level], Estimate]
"""(stage, x (B, C, F_j, h, w), noise level) to what the network says there."""
StageNoise = Callable[[Stage, int], torch.Tensor]
"""(stage, its frames) to standard Gaussian noise (B, C, frames, h, w), independent from stage to stage."""
Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(x, timesteps (B,), frame positions (F_j,)) to the prediction."""


def predictor(network: Network, pyramid: TemporalPyramid, recipe: Recipe) -> StagePredict:
    """A network that was trained by ``recipe``, as the sampler asks it.

    Raises:
        ValueError: the recipe does not fit the pyramid.
    """
    recipe.check(pyramid)

    def predict(stage: Stage, x: torch.Tensor, at: Level) -> Estimate:
        timesteps = torch.full((len(x),), at.timestep, device=x.device)
        positions = pyramid.frame_positions(stage, x.shape[2]).to(x.device)
        return stage_estimate(recipe.prediction, network(x, timesteps, positions), x, at, stage, pyramid)

    return predict


def check_sampling(pyramid: TemporalPyramid, *, frames: int, steps: int, solver: SolverName, eta: float) -> None:
    """Refuse what a pyramid cannot do, before anything is computed.

    Raises:
        UsageError: names what would do. Stochastic solvers are refused for more than one stage: the noise of a
            stage is not the score's (it carries -(d - b)), so fresh noise on the way leads to a wrong distribution,
            however many steps are taken (docs/method.md shows by how much).
    """
    make_solver(solver, eta=eta)
    try:
        pyramid.check_frames(frames)
        for stage, share in zip(pyramid.stages, pyramid.split_steps(steps), strict=True):
            pyramid.levels(stage, share)
    except ValueError as error:
        raise UsageError(f"cannot sample with this pyramid: {error}.") from error
    if eta and len(pyramid) > 1:
        raise UsageError(
            f"eta {eta} adds noise in every step, and a pyramid of {len(pyramid)} stages needs a deterministic solver: "
            f"within a stage the predicted noise is not that of the score, so fresh noise leads to a wrong "
            f"distribution. Set eta: 0, or use one stage."
        )


def evaluations(pyramid: TemporalPyramid, *, steps: int, solver: SolverName) -> tuple[int, ...]:
    """Network evaluations of each stage."""
    method = make_solver(solver)
    return tuple(
        sum(method.evaluations(following) for following in pyramid.levels(stage, share)[1:])
        for stage, share in zip(pyramid.stages, pyramid.split_steps(steps), strict=True)
    )


def sample(
    predict: StagePredict,
    noise: torch.Tensor,
    pyramid: TemporalPyramid,
    *,
    steps: int,
    solver: SolverName = "euler",
    eta: float = 0.0,
    stage_noise: StageNoise | None = None,
    step_noise: FreshNoise | None = None,
    calls: int | Sequence[int] = 1,
    probe: Probe | None = None,
) -> torch.Tensor:
    """Clean latents (B, C, F, h, w) from full-rate noise of that shape, in ``steps`` over all stages.

    The noise is split into its temporal Haar bands: the lowest starts stage 0, each transition takes the next
    higher one. So for frames shown twice all of a sample's randomness is the noise that a full-rate sampler would
    start from. Other pyramids (causal, linear, whole timesteps) need some more: ``stage_noise``.

    Args:
        predict: asks the network; see :func:`predictor`.
        noise: standard Gaussian.
        steps: of the solver, shared out by ``pyramid.shares``.
        solver: see :mod:`harness.diffusion.solvers`.
        eta: for ``ddim`` and one stage: the share of fresh noise.
        stage_noise: where further noise comes from; torch's global generator if None.
        step_noise: where the noise of a stochastic solver comes from; torch's global generator if None.
        calls: network calls that one evaluation costs (guidance: 2), in all stages or in each; for the probe alone.
        probe: sees the stages and steps.

    Raises:
        UsageError: the pyramid does not fit, see :func:`check_sampling`.
    """
    check_sampling(pyramid, frames=noise.shape[2], steps=steps, solver=solver, eta=eta)
    probe, resampling = probe or NullProbe(), pyramid.resampling
    stage_noise = stage_noise or _drawn_like(noise)
    each, done = pyramid.each(calls), 0
    for stage, stage_steps in zip(pyramid.stages, pyramid.split_steps(steps), strict=True):
        # Stage 0 starts from the lowest band of the noise
        if stage.index == 0:
            x = resampling.band(noise, stage.stride)
        # Every other one with more frames than the stage before, and with the noise that is missing
        else:
            with probe.span("transition", stage=stage.index):
                fill = _missing_band(noise, pyramid, stage, stage_noise)
                x = transition(
                    x,
                    fill,
                    leaving=pyramid.stages[stage.index - 1].end,
                    entering=stage.start,
                    factor=stage.factor,
                    resampling=resampling,
                    rule=pyramid.rule,
                )

        # Solve the stage's ordinary diffusion from its start to its end
        def observe(
            index: int, evaluations: int, stage: Stage = stage, done: int = done
        ) -> AbstractContextManager[None]:
            frames = resampling.frames(noise.shape[2], stage.stride)
            return probe.step(done + index, stage=stage.index, frames=frames, nfe=each[stage.index] * evaluations)

        def ask(x: torch.Tensor, at: Level, stage: Stage = stage) -> Estimate:
            return predict(stage, x, at)

        with probe.span("denoise", stage=stage.index):
            method = make_solver(solver, eta=eta, noise=step_noise or (lambda index, x: torch.randn_like(x)))
            x = solve(method, ask, x, pyramid.levels(stage, stage_steps), observe=observe)
        done += stage_steps
    return x


def _missing_band(noise: torch.Tensor, pyramid: TemporalPyramid, stage: Stage, fresh: StageNoise) -> torch.Tensor:
    """White noise at the stage's rate, independent of all that the stages before have used.

    Its high band is that of the sample's own noise. Its low band is already in x, so where the transition lets some
    of it through it is drawn anew.
    """
    resampling, factor = pyramid.resampling, stage.factor
    own = resampling.band(noise, stage.stride)
    if pyramid.rule == "none":
        return own
    before, leaving = resampling.frames(own.shape[2], factor), pyramid.stages[stage.index - 1].end
    if not reuses_low_band(missing_noise(before, factor, resampling, leaving, stage.start), factor, resampling):
        return own
    anew = fresh(stage, own.shape[2]).to(own)
    return own + resampling.spread(resampling.band(anew - own, factor), factor)


def _drawn_like(noise: torch.Tensor) -> StageNoise:
    def draw(stage: Stage, frames: int) -> torch.Tensor:
        return torch.randn(*noise.shape[:2], frames, *noise.shape[3:], device=noise.device, dtype=noise.dtype)

    return draw
