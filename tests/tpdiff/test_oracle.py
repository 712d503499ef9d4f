"""The Gaussian oracle: with the optimal denoiser known, the sampler must reach the known distribution.

Run with ``-s`` the tests print the table of docs/method.md.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gaussian_oracle import Moments, optimal, sampled, truth
from harness.diffusion.form import PredictionKind, SolverName
from harness.diffusion.prediction import Estimate, estimate, training_target
from harness.diffusion.schedule import FlowMatching, Level, Schedule, VariancePreserving
from harness.diffusion.solvers import Ddim, solve
from harness.errors import UsageError
from tpdiff import Resampling, Stage, TemporalPyramid, sample
from tpdiff.resample import Down
from tpdiff.stages import OnGrid
from tpdiff.transition import TransitionRule, transition

FLOW = FlowMatching()
VP = VariancePreserving()
MOTION = 0.2816
"""Motion energy of the truth."""
MEAN = Resampling(down="mean")
RESAMPLINGS = [
    MEAN,
    Resampling(down="keep-first"),
    Resampling(down="keep-last"),
    Resampling(down="mean", up="linear"),
]
SOLVERS: list[SolverName] = ["euler", "heun", "ddim", "dpm++2m", "unipc"]


def named(value: object) -> str | None:
    if isinstance(value, Resampling):
        return f"{'causal ' if value.causal else ''}{value.kept} {value.up}"
    if isinstance(value, VariancePreserving):
        return f"vp-{value.betas}{' whole' if value.discrete else ''}"
    return "flow" if isinstance(value, FlowMatching) else None


def told(case: str, moments: Moments) -> float:
    """Prints a row of the table and gives the distance."""
    frames = len(moments.mean)
    distance = moments.distance(truth(frames))
    print(f"\n| {case:52} | {distance:8.2e} | {moments.motion() / truth(frames).motion():5.3f} |", end="")
    return distance


def test_the_truth_has_no_distance_to_itself_and_the_known_motion() -> None:
    assert truth().distance(truth()) == pytest.approx(0, abs=1e-12)
    assert truth().motion() == pytest.approx(MOTION, abs=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("resampling", RESAMPLINGS, ids=named)
@pytest.mark.parametrize("stages", [2, 3, 4])
def test_flow_matching_reaches_the_true_distribution(stages: int, resampling: Resampling, solver: SolverName) -> None:
    """400 steps a stage; what is left is the step size's."""
    moments = sampled(TemporalPyramid.build(stages, resampling=resampling), solver=solver)
    assert told(f"flow, K={stages}, {named(resampling)}, {solver}", moments) < 5e-5
    assert moments.motion() == pytest.approx(MOTION, rel=0.01)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("resampling", RESAMPLINGS, ids=named)
@pytest.mark.parametrize("stages", [2, 3, 4])
def test_variance_preserving_reaches_it_from_the_exact_start(
    stages: int, resampling: Resampling, solver: SolverName
) -> None:
    """At least 1200 steps in all: the last one, from a noise of sqrt(step) to none, is first order in every solver."""
    pyramid = TemporalPyramid.build(stages, schedule=VP, resampling=resampling)
    moments = sampled(pyramid, solver=solver, steps_per_stage=max(400, 1200 // stages), exact_start=True)
    assert told(f"VP, K={stages}, {named(resampling)}, {solver}", moments) < 1e-4
    assert moments.motion() == pytest.approx(MOTION, rel=0.02)


@pytest.mark.parametrize(
    ("stages", "schedule", "down", "distance"),
    [
        (1, FLOW, "mean", 1.3e-4),
        (2, FLOW, "mean", 3.0e-5),
        (3, FLOW, "mean", 1.6e-5),
        (4, FLOW, "mean", 1.1e-5),
        (3, FLOW, "keep-first", 1.8e-5),
        (3, VP, "mean", 0.0028),
        (3, VP, "keep-first", 0.0118),
    ],
    ids=named,
)
def test_known_distances_are_met_to_five_percent(stages: int, schedule: Schedule, down: Down, distance: float) -> None:
    """VP from white noise: nearly all of its distance comes from starting at a finite noise level."""
    pyramid = TemporalPyramid.build(stages, schedule=schedule, resampling=Resampling(down=down))
    assert told(f"{named(schedule)}, K={stages}, {down}, euler, white start", sampled(pyramid)) == pytest.approx(
        distance, rel=0.05
    )


@pytest.mark.parametrize("down", ["mean", "keep-last", "keep-first"])
@pytest.mark.parametrize("stages", [2, 3, 4])
def test_causal_clips_reach_the_true_distribution(stages: int, down: Down) -> None:
    pyramid = TemporalPyramid.build(stages, resampling=Resampling(down=down, causal=True))
    assert told(f"flow, K={stages}, causal 1+8, {down}", sampled(pyramid, frames=9)) < 5e-5


def test_causal_clips_with_linear_interpolation_do_so_too() -> None:
    pyramid = TemporalPyramid.build(3, resampling=Resampling(down="mean", up="linear", causal=True))
    assert told("flow, K=3, causal 1+8, linear", sampled(pyramid, frames=9)) < 5e-5


@pytest.mark.parametrize("betas", ["linear", "scaled-linear", "cosine", "animatediff"])
def test_whole_timesteps_reach_the_true_distribution(betas: str) -> None:
    """Every one of the thousand timesteps is visited; starts are rounded up, so pairs get some shared noise, too."""
    schedule = VariancePreserving(betas=betas, discrete=True)  # type: ignore[arg-type]
    whole = [
        round(1000 * (stage.start.time - stage.end.time)) for stage in TemporalPyramid.build(schedule=schedule).stages
    ]
    pyramid = TemporalPyramid.build(schedule=schedule, shares=whole)
    moments = sampled(pyramid, steps_per_stage=sum(whole) // 3, exact_start=True)
    assert told(f"{named(schedule)} timesteps, K=3", moments) < 1e-4


@pytest.mark.parametrize(
    "pyramid",
    [
        TemporalPyramid.build(strides=(4, 1)),
        TemporalPyramid.build(strides=(4, 1), resampling=Resampling(down="mean", up="linear")),
        TemporalPyramid.build(strides=(8, 2, 1)),
        TemporalPyramid.build(strides=(2, 2, 1)),
        TemporalPyramid.build(3, on_grid="starts"),
        TemporalPyramid.build(3, schedule=FlowMatching(3.0)),
        TemporalPyramid.build(3, boundaries=(0.8, 0.5), shares=(1, 2, 3)),
        TemporalPyramid.build(3, timesteps="disjoint"),
    ],
    ids=["4-1", "4-1 linear", "8-2-1", "2-2-1", "starts on grid", "shift 3", "uneven boundaries", "disjoint"],
)
def test_any_pyramid_reaches_the_true_distribution(pyramid: TemporalPyramid, request: pytest.FixtureRequest) -> None:
    assert told(f"flow, {request.node.callspec.id}", sampled(pyramid)) < 5e-5


@pytest.mark.parametrize(
    ("schedule", "rule", "distance", "motion"),
    [
        (FLOW, "printed", 3.53, 0.200),
        (FLOW, "none", 1.48, 0.141),
        (VP, "printed", 2.63, 0.226),
        (VP, "none", 2.15, 0.150),
    ],
    ids=named,
)
def test_wrong_transitions_fail_the_oracle(
    schedule: Schedule, rule: TransitionRule, distance: float, motion: float
) -> None:
    moments = sampled(TemporalPyramid.build(3, schedule=schedule, resampling=MEAN, rule=rule))
    assert told(f"{named(schedule)}, K=3, transition: {rule}", moments) == pytest.approx(distance, abs=0.005)
    assert moments.motion() == pytest.approx(motion, abs=0.001)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("ddim", 1), ("heun", 2), ("dpm++2m", 2), ("unipc", 2)])
def test_solvers_converge_with_their_order(solver: SolverName, order: int) -> None:
    law, pyramid = truth().covariance, TemporalPyramid.build(3, resampling=MEAN)
    errors = [
        np.abs(sampled(pyramid, solver=solver, steps_per_stage=steps).covariance - law).max()
        for steps in (100, 200, 400)
    ]
    orders = np.log2([errors[0] / errors[1], errors[1] / errors[2]])
    assert orders == pytest.approx([order, order], abs=0.25)


@pytest.mark.parametrize(("stages", "steps_per_stage", "kept"), [(1, 30, 0.919), (3, 10, 0.861), (3, 20, 0.926)])
def test_few_euler_steps_lose_motion_even_with_the_optimal_network(
    stages: int, steps_per_stage: int, kept: float
) -> None:
    moments = sampled(TemporalPyramid.build(stages), steps_per_stage=steps_per_stage)
    told(f"flow, K={stages}, euler, {steps_per_stage} steps a stage", moments)
    assert moments.motion() / MOTION == pytest.approx(kept, abs=0.002)


@pytest.mark.parametrize("solver", ["heun", "dpm++2m", "unipc"])
def test_few_steps_of_second_order_keep_the_motion(solver: SolverName) -> None:
    moments = sampled(TemporalPyramid.build(3), solver=solver, steps_per_stage=10)
    told(f"flow, K=3, {solver}, 10 steps a stage", moments)
    assert moments.motion() / MOTION == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("on_grid", ["ends", "starts"])
@pytest.mark.parametrize("kind", ["velocity", "v_prediction", "clean", "epsilon"])
def test_all_kinds_of_prediction_give_one_path(kind: PredictionKind, on_grid: OnGrid) -> None:
    pyramid = TemporalPyramid.build(3, schedule=VP, on_grid=on_grid)
    network, noise = optimal(pyramid), torch.randn(2, 1, 8, 1, 1, dtype=torch.float64)

    def converted(stage: Stage, x: torch.Tensor, at: Level) -> Estimate:
        said = network(stage, x, at)
        level = (torch.full((2,), at.alpha).double(), torch.full((2,), at.sigma).double())
        return estimate(kind, training_target(kind, said.clean, said.noise, *level), x, at)

    expected = sample(network, noise, pyramid, steps=30)
    assert torch.allclose(sample(converted, noise, pyramid, steps=30), expected, atol=1e-5)


def stochastic(pyramid: TemporalPyramid, *, steps_per_stage: int, eta: float) -> Moments:
    """What a stochastic solver would make inside the stages, had the sampler not refused it."""
    network, frames = optimal(pyramid), 8
    slots = [frames] + [frames // stage.stride for stage in pyramid.stages for _ in range(steps_per_stage)]
    offsets = np.cumsum([1, *slots])

    def basis(slot: int, size: int) -> torch.Tensor:
        out = torch.zeros(int(offsets[-1]), 1, size, 1, 1, dtype=torch.float64)
        out[offsets[slot] + torch.arange(size), 0, torch.arange(size), 0, 0] = 1
        return out

    noise = basis(0, frames)
    x = pyramid.resampling.band(noise, pyramid.stages[0].stride)
    for stage in pyramid.stages:
        if stage.index:
            x = transition(
                x,
                pyramid.resampling.band(noise, stage.stride),
                leaving=pyramid.stages[stage.index - 1].end,
                entering=stage.start,
                factor=stage.factor,
                resampling=pyramid.resampling,
            )
        first = 1 + stage.index * steps_per_stage
        solver = Ddim(eta, lambda index, x, first=first: basis(first + index, x.shape[2]))  # type: ignore[misc]
        x = solve(
            solver,
            lambda x, at, stage=stage: network(stage, x, at),  # type: ignore[misc]
            x,
            pyramid.levels(stage, steps_per_stage),
        )
    out = x[:, 0, :, 0, 0].numpy()
    factor = (out[1:] - out[0]).T
    return Moments(out[0], factor @ factor.T)


@pytest.mark.parametrize("schedule", [FLOW, VP], ids=named)
def test_fresh_noise_inside_a_stage_leads_to_a_wrong_distribution_that_more_steps_make_worse(
    schedule: Schedule,
) -> None:
    """This is why eta > 0 is refused for more than one stage. With one stage more steps cure it."""
    biased = [
        told(
            f"{named(schedule)}, K=3, eta=1, {steps} steps a stage",
            stochastic(TemporalPyramid.build(3, schedule=schedule), steps_per_stage=steps, eta=1),
        )
        for steps in (50, 100)
    ]
    sound = [
        told(
            f"{named(schedule)}, K=1, eta=1, {steps} steps",
            stochastic(TemporalPyramid.build(1, schedule=schedule), steps_per_stage=steps, eta=1),
        )
        for steps in (150, 300)
    ]
    assert 0.01 < biased[0] < biased[1]
    assert sound[1] < sound[0] / 2


def test_the_same_loop_without_fresh_noise_is_right() -> None:
    """The guard of the guard: only eta makes the difference above."""
    pyramid = TemporalPyramid.build(3)
    assert stochastic(pyramid, steps_per_stage=100, eta=0).distance(truth()) < 3e-4


def test_stochastic_sampling_of_several_stages_is_refused_and_of_one_is_not() -> None:
    noise = torch.randn(2, 1, 8, 1, 1, dtype=torch.float64)
    with pytest.raises(UsageError, match=r"deterministic solver.*one stage"):
        sample(optimal(TemporalPyramid.build(3)), noise, TemporalPyramid.build(3), steps=6, solver="ddim", eta=0.5)
    one = TemporalPyramid.build(1)
    plain, noisy = (sample(optimal(one), noise, one, steps=6, solver="ddim", eta=eta) for eta in (0.0, 0.5))
    assert not torch.allclose(plain, noisy)
