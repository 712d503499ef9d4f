"""Diffusion forms: levels, their inverse, grids of times, and the names of a study."""

from __future__ import annotations

import itertools
import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion.form import Diffusion, Form
from harness.diffusion.schedule import (
    FlowMatching,
    Schedule,
    VariancePreserving,
    draw_times,
    level,
    uniform_levels,
)

ALL: list[Schedule] = [
    FlowMatching(),
    FlowMatching(3.0),
    *(VariancePreserving(betas=betas) for betas in ("linear", "scaled-linear", "cosine", "animatediff")),
]


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_time_zero_is_the_clean_clip_exactly_and_noise_only_grows(schedule: Schedule) -> None:
    clean = level(schedule, 0.0)
    assert (clean.alpha, clean.sigma, clean.nu) == (1.0, 0.0, 0.0)
    ratios = [level(schedule, time).nu for time in np.linspace(0, 1, 400)]
    assert all(low < high for low, high in itertools.pairwise(ratios))


@pytest.mark.parametrize("schedule", ALL[2:], ids=str)
def test_variance_is_preserved(schedule: Schedule) -> None:
    t = torch.linspace(0, 1, 777, dtype=torch.float64)
    assert torch.allclose(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones_like(t), atol=1e-12)


@pytest.mark.parametrize(
    ("betas", "table", "nu"),
    [
        ("linear", np.linspace(1e-4, 2e-2, 1000), 157.4),
        ("scaled-linear", np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 14.61),
        ("animatediff", np.linspace(0.00085, 0.012, 1000), 25.15),
    ],
)
def test_tables_are_the_products_of_the_published_betas(betas: Any, table: np.ndarray, nu: float) -> None:
    schedule = VariancePreserving(betas=betas)
    for timestep in (0, 1, 500, 999):
        abar = np.prod(1 - table[: timestep + 1])
        assert level(schedule, (timestep + 1) / 1000).alpha ** 2 == pytest.approx(abar, rel=1e-9)
    assert level(schedule, 1.0).nu == pytest.approx(nu, rel=1e-3)


def test_the_cosine_table_is_the_published_curve() -> None:
    curve = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
    for t in (1, 10, 500, 900, 990):
        assert level(VariancePreserving(betas="cosine"), t / 1000).alpha ** 2 == pytest.approx(
            curve[t] / curve[0], rel=1e-9
        )


@given(st.sampled_from(ALL), st.floats(0.0005, 0.9995))
def test_the_time_of_a_ratio_undoes_the_ratio_of_a_time(schedule: Schedule, time: float) -> None:
    assert schedule.time_of_nu(level(schedule, time).nu) == pytest.approx(time, abs=1e-6)


def test_ratios_beyond_the_noisiest_level_have_no_later_time() -> None:
    assert VariancePreserving().time_of_nu(1000.0) == 1.0
    assert VariancePreserving().time_of_nu(math.inf) == 1.0
    assert FlowMatching().time_of_nu(math.inf) == 1.0


def test_a_shifted_axis_spends_more_time_at_high_noise_and_tells_the_network_the_noise() -> None:
    shifted = FlowMatching(3.0)
    assert level(shifted, 0.5).sigma == pytest.approx(0.75)
    assert level(shifted, 0.5).timestep == pytest.approx(0.75)
    assert (level(shifted, 1.0).sigma, level(shifted, 0.0).sigma) == (1.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, -1.0, math.inf, math.nan])
def test_shifts_that_make_no_sense_are_refused(shift: float) -> None:
    with pytest.raises(ValueError, match="positive number"):
        FlowMatching(shift)


@given(st.floats(0.1, 1), st.floats(0, 0.09), st.integers(1, 50))
def test_times_fall_evenly_and_end_exactly(start: float, end: float, steps: int) -> None:
    times = [at.time for at in uniform_levels(FlowMatching(), start, end, steps)]
    assert (times[0], times[-1], len(times)) == (start, end, steps + 1)
    assert np.diff(times) == pytest.approx((end - start) / steps)


def test_whole_timesteps_stay_whole_and_never_repeat() -> None:
    schedule = VariancePreserving(discrete=True)
    for steps in (1, 7, 333, 1000):
        times = [1000 * at.time for at in uniform_levels(schedule, 1.0, 0.0, steps)]
        assert times == pytest.approx([round(time) for time in times])
        assert all(later < earlier for earlier, later in itertools.pairwise(times))
    with pytest.raises(ValueError, match="only 100 whole timesteps"):
        uniform_levels(schedule, 0.4, 0.3, 101)


def test_drawn_times_cover_their_interval() -> None:
    uniform = torch.linspace(0, 1, 100_001)[:-1]
    for schedule in (FlowMatching(), VariancePreserving()):
        times = draw_times(schedule, 0.7, 0.2, uniform)
        assert (times.min(), times.max()) == (pytest.approx(0.2), pytest.approx(0.7, abs=1e-4))
    whole = draw_times(VariancePreserving(discrete=True), 0.01, 0.0, uniform) * 1000
    values, counts = whole.round().unique(return_counts=True)
    assert values.tolist() == list(range(1, 11)), "the clean clip is never drawn, both ends are"
    assert counts.float().std() / counts.float().mean() < 0.01


def test_the_controls_draw_is_the_shared_uniform_itself() -> None:
    uniform = torch.rand(1000)
    assert torch.equal(draw_times(FlowMatching(), 1.0, 0.0, uniform), uniform)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="betas is 'sqrt', known: linear, scaled-linear, cosine, animatediff"):
        VariancePreserving(betas="sqrt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="form is 'vp-scaled', known: flow, vp-linear"):
        Diffusion(form="vp-scaled")  # type: ignore[arg-type]


def test_every_named_form_has_its_schedule() -> None:
    kinds = {form: Diffusion(form=form).schedule for form in get_args(Form)}
    assert isinstance(kinds["flow"], FlowMatching)
    names = {kind.betas for form, kind in kinds.items() if form != "flow" and isinstance(kind, VariancePreserving)}
    assert names == {form.removeprefix("vp-") for form in get_args(Form) if form != "flow"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"discrete": True}, "no table of timesteps"),
        ({"form": "vp-linear", "shift": 2.0}, "belongs to flow matching"),
        ({"prediction": "epsilon"}, "predict velocity, v_prediction or clean"),
    ],
)
def test_options_of_another_form_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Diffusion(**options)
