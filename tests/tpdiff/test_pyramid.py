"""Stages, resampling, paths and transitions: the mathematics of the pyramid."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion.form import PredictionKind
from harness.diffusion.prediction import interpolate, training_target
from harness.diffusion.schedule import FlowMatching, Schedule, VariancePreserving, level
from harness.diffusion.solvers import SOLVERS, make_solver, solve
from tpdiff import Resampling, Stage, TemporalPyramid
from tpdiff.path import stage_ends, stage_estimate, target_share
from tpdiff.stages import OnGrid
from tpdiff.transition import missing_noise, reuses_low_band, transition

RESAMPLINGS = st.builds(
    lambda down, up, causal: Resampling(down=down, up=up if down == "mean" else "nearest", causal=causal),
    st.sampled_from(["mean", "keep-first", "keep-last"]),
    st.sampled_from(["nearest", "linear"]),
    st.booleans(),
)
SCHEDULES = st.sampled_from(
    [
        FlowMatching(),
        FlowMatching(3.0),
        VariancePreserving(betas="linear"),
        VariancePreserving(),
        VariancePreserving(betas="cosine"),
        VariancePreserving(betas="animatediff", discrete=True),
        VariancePreserving(discrete=True),
    ]
)


@st.composite
def pyramids(draw: st.DrawFn) -> TemporalPyramid:
    """Random pyramids: any number of stages, factors, boundaries, diffusion form and resampling."""
    factors = draw(st.lists(st.sampled_from([1, 2, 2, 2, 3, 4]), max_size=4).filter(lambda row: math.prod(row) <= 16))
    strides = [math.prod(factors[index:]) for index in range(len(factors) + 1)]
    cuts = draw(
        st.lists(
            st.floats(0.05, 0.85).map(lambda cut: round(cut, 3)),
            min_size=len(factors),
            max_size=len(factors),
            unique_by=lambda cut: round(cut, 1),
        )
    )
    return TemporalPyramid.build(
        strides=strides,
        schedule=draw(SCHEDULES),
        resampling=draw(RESAMPLINGS),
        boundaries=sorted(cuts, reverse=True),
        on_grid=draw(st.sampled_from(["ends", "starts"])),
        target=draw(st.sampled_from(["sharp", "virtual", "blended"])),
    )


def clip(frames: int, *, seed: int = 0, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, frames, 2, 2, generator=generator, dtype=torch.float64)


def frames_of(pyramid: TemporalPyramid) -> int:
    return 2 * pyramid.stages[0].stride + pyramid.resampling.causal


@given(pyramids())
def test_stages_cover_all_noise_levels_and_end_at_the_full_rate(pyramid: TemporalPyramid) -> None:
    stages = pyramid.stages
    assert (stages[0].start.time, stages[-1].end.time, stages[-1].stride) == (1.0, 0.0, 1)
    assert stages[-1].end.nu == 0
    for leaving, entering in pairwise(stages):
        assert leaving.stride == entering.factor * entering.stride
        assert entering.end.time < entering.start.time
        assert leaving.end.time <= entering.start.time, "neighbours overlap in noise level"
        ratio = entering.start.nu / leaving.end.nu
        if pyramid.schedule.grid is None:
            assert ratio == pytest.approx(math.sqrt(entering.factor), rel=1e-6)
        else:
            assert ratio >= math.sqrt(entering.factor) * (1 - 1e-9), "whole timesteps are never rounded down"


@pytest.mark.parametrize(
    ("schedule", "starts"),
    [
        (FlowMatching(), (0.7388, 0.4142)),
        (VariancePreserving(), (0.7526, 0.4390)),
        (VariancePreserving(betas="animatediff"), (0.7435, 0.4257)),
    ],
)
def test_starts_are_those_of_the_derivation(schedule: Schedule, starts: tuple[float, float]) -> None:
    """For the forms of DDIM: timesteps 751.6 and 438.0, 742.5 and 424.7, of ends at timesteps 666 and 333."""
    ends = (2 / 3, 1 / 3) if isinstance(schedule, FlowMatching) else (0.667, 0.334)
    pyramid = TemporalPyramid.build(3, schedule=schedule, boundaries=ends)
    assert [round(stage.start.time, 4) for stage in pyramid.stages[1:]] == pytest.approx(starts, abs=1e-4)


def test_whole_timesteps_are_rounded_up() -> None:
    stages = TemporalPyramid.build(3, schedule=VariancePreserving(discrete=True)).stages
    timesteps = [(round(1000 * stage.start.time) - 1, round(1000 * stage.end.time) - 1) for stage in stages]
    assert timesteps == [(999, 666), (752, 333), (438, -1)]


@pytest.mark.parametrize("on_grid", ["ends", "starts"])
def test_one_end_of_each_stage_lies_on_the_grid(on_grid: OnGrid) -> None:
    stages = TemporalPyramid.build(4, on_grid=on_grid).stages
    on = [stage.end.time for stage in stages[:-1]] if on_grid == "ends" else [stage.start.time for stage in stages[1:]]
    assert on == pytest.approx([0.75, 0.5, 0.25])


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "3"])
def test_nonsense_stage_counts_are_refused(count: object) -> None:
    with pytest.raises(ValueError, match="1, 2, 3"):
        TemporalPyramid.build(count)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strides": (1, 2)}, "last stride is 1"),
        ({"strides": (2, 4, 1)}, "2 is no multiple of 4.*whole factor"),
        ({"strides": (4, 3, 1)}, "4 is no multiple of 3"),
        ({"strides": (4, 2)}, "last stride is 1"),
        ({"strides": (0, 1)}, "whole numbers from 1"),
        ({"strides": ()}, "whole numbers from 1"),
        ({"stages": 3, "strides": (2, 1)}, "3 stages but 2 strides"),
        ({"boundaries": (0.5,)}, "3 stages have 2 boundaries"),
        ({"boundaries": (0.3, 0.6)}, "overlap or are empty"),
        ({"boundaries": (0.6, 0.6)}, "overlap or are empty"),
        ({"boundaries": (1.0, 0.5)}, "below 1"),
        ({"boundaries": (0.5, 0.0)}, "above 0"),
        ({"shares": (1, 2)}, "3 positive numbers"),
        ({"shares": (1, 0, 1)}, "3 positive numbers"),
        ({"on_grid": "both"}, "known: ends, starts"),
        ({"timesteps": "wrong"}, "known: true, disjoint"),
        ({"positions": "odd"}, "known: consistent, plain"),
        ({"target": "noise"}, "known: virtual, sharp, blended"),
        ({"rule": "paper"}, "known: exact, printed, none"),
        ({"schedule": VariancePreserving(), "boundaries": (0.99, 0.5)}, "never reaches; move the boundary"),
    ],
)
def test_pyramids_that_make_no_sense_are_refused_with_what_would_do(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TemporalPyramid.build(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"down": "max"}, "known: mean, keep-first, keep-last"),
        ({"up": "cubic"}, "known: nearest, linear"),
        ({"up": "linear", "down": "keep-first"}, "use down: mean, or up: nearest"),
    ],
)
def test_resamplings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Resampling(**options)


@pytest.mark.parametrize(
    ("causal", "frames", "message"),
    [
        (False, 14, "Use 12 or 16 frames"),
        (False, 2, "Use 4 frames"),
        (True, 16, r"1 \+ 15 frames do not divide. Use 13 or 17 frames"),
        (True, 1, "Use 5 frames"),
    ],
)
def test_frames_that_do_not_divide_are_refused_with_the_nearest_that_do(
    causal: bool, frames: int, message: str
) -> None:
    pyramid = TemporalPyramid.build(3, resampling=Resampling(causal=causal))
    with pytest.raises(ValueError, match=message):
        pyramid.check_frames(frames)
    pyramid.check_frames(16 + causal)


@given(st.integers(1, 5), st.integers(0, 40))
def test_steps_are_shared_out_without_loss(count: int, extra: int) -> None:
    shares = TemporalPyramid.build(count).split_steps(count + extra)
    assert sum(shares) == count + extra
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize(
    ("shares", "steps", "split"),
    [((20, 5, 5), 30, (20, 5, 5)), ((1, 2, 3), 7, (1, 2, 4)), ((1, 1, 1), 8, (3, 3, 2)), ((5, 5, 20), 12, (2, 2, 8))],
)
def test_steps_follow_the_shares(shares: tuple[int, ...], steps: int, split: tuple[int, ...]) -> None:
    assert TemporalPyramid.build(3, shares=shares).split_steps(steps) == split


def test_fewer_steps_than_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step a stage"):
        TemporalPyramid.build(3).split_steps(2)
    with pytest.raises(ValueError, match="they would take 3, 0, 0"):
        TemporalPyramid.build(3, shares=(98, 1, 1)).split_steps(3)


@given(RESAMPLINGS, st.sampled_from([2, 3, 4]))
def test_down_chains_and_nearest_up_is_undone_by_it(resampling: Resampling, factor: int) -> None:
    x = clip(12 + resampling.causal)
    twice = resampling.reduce(resampling.reduce(x, factor), 2) if factor != 4 else None
    if twice is not None and 12 % (2 * factor) == 0:
        assert torch.allclose(twice, resampling.reduce(x, 2 * factor))
    if resampling.up == "nearest":
        assert torch.allclose(resampling.reduce(resampling.expand(x, factor), factor), x)


@given(RESAMPLINGS)
def test_the_first_frame_of_a_causal_clip_is_never_averaged_or_repeated(resampling: Resampling) -> None:
    x = clip(9)
    causal = Resampling(down=resampling.down, up=resampling.up, causal=True)
    reduced, expanded = causal.reduce(x, 4), causal.expand(x, 2)
    assert (reduced.shape[2], expanded.shape[2]) == (3, 17)
    assert torch.equal(reduced[:, :, 0], x[:, :, 0])
    assert torch.equal(expanded[:, :, 0], x[:, :, 0])
    changed = x.clone()
    changed[:, :, 0] += 1
    assert torch.equal(causal.reduce(changed, 4)[:, :, 1:], reduced[:, :, 1:])
    assert torch.equal(causal.expand(changed, 2)[:, :, 1:], expanded[:, :, 1:])


@given(RESAMPLINGS, st.sampled_from([1, 2, 3, 4]))
def test_noise_bands_are_orthonormal_and_spread_is_their_transpose(resampling: Resampling, factor: int) -> None:
    frames = 12 + resampling.causal
    identity = torch.eye(frames, dtype=torch.float64).view(frames, 1, frames, 1, 1)
    band = resampling.band(identity, factor).view(frames, -1)
    size = band.shape[1]
    assert torch.allclose(band.T @ band, torch.eye(size, dtype=torch.float64))
    spread = resampling.spread(torch.eye(size, dtype=torch.float64).view(size, 1, size, 1, 1), factor)
    assert torch.allclose(spread.view(size, frames), band.T)


@pytest.mark.parametrize(
    ("resampling", "frames", "stride", "positions"),
    [
        (Resampling(down="mean"), 4, 4, [1.5, 5.5, 9.5, 13.5]),
        (Resampling(down="keep-first"), 4, 4, [0, 4, 8, 12]),
        (Resampling(down="keep-last"), 4, 4, [3, 7, 11, 15]),
        (Resampling(), 3, 1, [0, 1, 2]),
        (Resampling(down="mean", causal=True), 3, 4, [0, 2.5, 6.5]),
        (Resampling(down="keep-first", causal=True), 3, 4, [0, 1, 5]),
        (Resampling(down="keep-last", causal=True), 3, 4, [0, 4, 8]),
        (Resampling(causal=True), 3, 1, [0, 1, 2]),
        (Resampling(), 4, 4, [0, 4, 8, 12]),
        (Resampling(causal=True), 3, 4, [0, 4, 8]),
    ],
)
def test_frame_positions_are_block_centres_or_kept_frames(
    resampling: Resampling, frames: int, stride: int, positions: list[float]
) -> None:
    assert resampling.positions(frames, stride).tolist() == positions


def test_reducing_a_ramp_gives_the_frame_positions() -> None:
    """Positions and Down say the same: a clip whose frames show their own number."""
    for down in ("mean", "keep-first", "keep-last"):
        for causal in (False, True):
            resampling = Resampling(down=down, causal=causal)  # type: ignore[arg-type]
            ramp = torch.arange(16.0 + causal).view(1, 1, -1, 1, 1)
            reduced = resampling.reduce(ramp, 4)
            assert reduced.flatten().tolist() == resampling.positions(reduced.shape[2], 4).tolist()


def test_plain_positions_tell_no_stage_apart() -> None:
    pyramid = TemporalPyramid.build(3, positions="plain")
    assert [pyramid.frame_positions(stage, 4).tolist() for stage in pyramid.stages] == [[0, 1, 2, 3]] * 3
    consistent = TemporalPyramid.build(3)
    assert consistent.frame_positions(consistent.stages[0], 2).tolist() == [0, 4]


@given(st.integers(1, 4), SCHEDULES)
def test_disjoint_timesteps_part_the_stages_and_true_ones_do_not(count: int, schedule: Schedule) -> None:
    disjoint = TemporalPyramid.build(count, schedule=schedule, timesteps="disjoint")
    spans = []
    for stage in disjoint.stages:
        told = [at.timestep for at in disjoint.levels(stage, 3)]
        assert told == sorted(told, reverse=True)
        spans.append((told[0], told[-1]))
    assert all(left[1] >= right[0] - 1e-9 for left, right in pairwise(spans))
    true = TemporalPyramid.build(count, schedule=schedule)
    if count > 1:
        ends = [(true.levels(stage, 1)[0].timestep, true.levels(stage, 1)[-1].timestep) for stage in true.stages]
        assert any(left[1] < right[0] for left, right in pairwise(ends))


@given(pyramids())
def test_a_stage_runs_from_the_clip_as_it_arrives_to_the_sharp_clip(pyramid: TemporalPyramid) -> None:
    for stage in pyramid.stages:
        full, resampling = frames_of(pyramid), pyramid.resampling
        sharp = resampling.reduce(clip(full), stage.stride)
        noise = torch.randn_like(sharp)
        arrives = resampling.expand(resampling.reduce(sharp, stage.factor), stage.factor)
        ends = stage_ends(sharp, noise, stage, resampling)
        for at, expected in ((stage.start, arrives if stage.index else sharp), (stage.end, sharp)):
            alpha, sigma = (torch.full((2,), share, dtype=torch.float64) for share in (at.alpha, at.sigma))
            x_t = interpolate(ends.clean, ends.noise, alpha, sigma)
            assert torch.allclose(x_t, at.alpha * expected + at.sigma * noise, atol=1e-9)


def test_the_velocity_of_a_stage_is_the_slope_between_its_ends() -> None:
    stage = TemporalPyramid.build(3).stages[1]
    sharp, noise, resampling = clip(8), clip(8, seed=1), Resampling()
    ends = stage_ends(sharp, noise, stage, resampling)
    start = stage.start.alpha * resampling.expand(resampling.reduce(sharp, 2), 2) + stage.start.sigma * noise
    end = stage.end.alpha * sharp + stage.end.sigma * noise
    assert torch.allclose(ends.noise - ends.clean, (start - end) / (stage.start.time - stage.end.time))


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()])
def test_stage_zero_is_plain_diffusion_and_the_last_stage_aims_at_the_clip_bit_for_bit(schedule: Schedule) -> None:
    pyramid = TemporalPyramid.build(3, schedule=schedule)
    sharp, noise = clip(8), clip(8, seed=1)
    first = stage_ends(sharp, noise, pyramid.stages[0], pyramid.resampling)
    assert torch.equal(first.clean, sharp)
    assert torch.equal(first.noise, noise)
    assert torch.equal(stage_ends(sharp, noise, pyramid.stages[-1], pyramid.resampling).clean, sharp)


@given(pyramids(), st.sampled_from(["velocity", "v_prediction", "clean"]), st.floats(0, 1))
def test_what_the_network_is_asked_for_gives_the_virtual_ends_back(
    pyramid: TemporalPyramid, kind: PredictionKind, place: float
) -> None:
    """Whether it is asked for the sharp ends or for the virtual ones."""
    resampling = pyramid.resampling
    for stage in pyramid.stages:
        sharp = resampling.reduce(clip(frames_of(pyramid)), stage.stride)
        noise = torch.randn_like(sharp)
        ends = stage_ends(sharp, noise, stage, resampling)
        at = level(pyramid.schedule, stage.start.time + place * (max(stage.end.time, 0.01) - stage.start.time))
        alpha, sigma = (torch.full((2,), share, dtype=torch.float64) for share in (at.alpha, at.sigma))
        x = interpolate(ends.clean, ends.noise, alpha, sigma)
        share = float(target_share(pyramid.target, stage, at.nu)) if stage.factor > 1 else 1.0
        aim = stage_ends(sharp, noise, stage, resampling, share=torch.full((2,), share))
        said = training_target(kind, aim.clean, aim.noise, alpha, sigma)
        got = stage_estimate(kind, said, x, at, stage, pyramid)
        assert torch.allclose(got.clean, ends.clean, atol=1e-6)
        assert torch.allclose(got.noise, ends.noise, atol=1e-6)


def test_the_noise_alone_does_not_tell_the_detail_of_a_stage() -> None:
    pyramid = TemporalPyramid.build(2, schedule=VariancePreserving(), target="sharp")
    x = clip(4)
    with pytest.raises(ValueError, match="target: virtual"):
        stage_estimate("epsilon", x, x, pyramid.stages[1].start, pyramid.stages[1], pyramid)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()])
def test_a_network_that_knows_the_ends_takes_every_solver_to_the_stage_end(solver: str, schedule: Schedule) -> None:
    pyramid = TemporalPyramid.build(3, schedule=schedule)
    for stage in pyramid.stages:
        sharp = clip(8 // stage.stride)
        noise = torch.randn_like(sharp)
        ends = stage_ends(sharp, noise, stage, pyramid.resampling)

        def knows(x: torch.Tensor, at: Any, ends: Any = ends) -> Any:
            return ends

        start = stage.start.alpha * ends.clean + stage.start.sigma * ends.noise
        end = solve(make_solver(solver), knows, start, pyramid.levels(stage, 7))  # type: ignore[arg-type]
        assert torch.allclose(end, stage.end.alpha * sharp + stage.end.sigma * noise, atol=1e-6)


def moved(
    pyramid: TemporalPyramid, leaving: Stage, entering: Stage, *, signal: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    return transition(
        signal,
        noise,
        leaving=leaving.end,
        entering=entering.start,
        factor=entering.factor,
        resampling=pyramid.resampling,
    )


@given(pyramids())
def test_noise_is_white_after_every_transition_and_the_signal_unscaled(pyramid: TemporalPyramid) -> None:
    resampling = pyramid.resampling
    for leaving, entering in pairwise(pyramid.stages):
        frames = resampling.frames(frames_of(pyramid), leaving.stride)
        more = resampling.frames(frames_of(pyramid), entering.stride)
        rows = frames + more
        # Rows: the noise already in x_end, then the fresh noise of the transition.
        held = leaving.end.sigma * torch.eye(rows, frames, dtype=torch.float64).view(rows, 1, frames, 1, 1)
        fresh = torch.eye(rows, dtype=torch.float64)[:, frames:].reshape(rows, 1, more, 1, 1)
        factor = moved(pyramid, leaving, entering, signal=held, noise=fresh).view(rows, more)
        white = entering.start.sigma**2 * torch.eye(more, dtype=torch.float64)
        assert (factor.T @ factor - white).abs().max() < 1e-12
        signal = clip(frames)
        arrived = moved(
            pyramid, leaving, entering, signal=leaving.end.alpha * signal, noise=torch.zeros(2, 1, more, 2, 2).double()
        )
        assert torch.allclose(arrived, entering.start.alpha * resampling.expand(signal, entering.factor))


def test_frames_shown_twice_get_opposite_noise() -> None:
    """The inverse Haar step: x[2i], x[2i+1] = r x_end[i] +- sigma_start / sqrt(2) z[i]."""
    pyramid = TemporalPyramid.build(3)
    leaving, entering = pyramid.stages[1:]
    x_end, noise = clip(4), clip(8, seed=1)
    out = moved(pyramid, leaving, entering, signal=x_end, noise=noise)
    high = (noise[:, :, 0::2] - noise[:, :, 1::2]) / math.sqrt(2)
    kept = entering.start.alpha / leaving.end.alpha * x_end
    fresh = entering.start.sigma / math.sqrt(2) * high
    assert torch.allclose(out, torch.stack([kept + fresh, kept - fresh], dim=3).flatten(2, 3))


def test_too_little_noise_to_hide_the_repetition_is_refused() -> None:
    schedule = FlowMatching()
    with pytest.raises(ValueError, match="must be at least"):
        missing_noise(4, 2, Resampling(), level(schedule, 0.5), level(schedule, 0.55))


@pytest.mark.parametrize(
    ("pyramid", "needed"),
    [
        (TemporalPyramid.build(3), False),
        (TemporalPyramid.build(strides=(4, 1)), False),
        (TemporalPyramid.build(3, resampling=Resampling(down="mean", up="linear")), True),
        (TemporalPyramid.build(3, resampling=Resampling(causal=True)), True),
        (TemporalPyramid.build(3, schedule=VariancePreserving(discrete=True)), True),
    ],
)
def test_noise_beyond_the_samples_own_is_needed_where_the_low_band_comes_through(
    pyramid: TemporalPyramid, needed: bool
) -> None:
    leaving, entering = pyramid.stages[:2]
    root = missing_noise(
        4 + pyramid.resampling.causal, entering.factor, pyramid.resampling, leaving.end, entering.start
    )
    assert reuses_low_band(root, entering.factor, pyramid.resampling) is needed
