"""Verdicts over printed numbers: what FLOPs allow, what fixed costs explain, and what neither does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.planning.claims import Fixed, Judgement, fixed_share, judge_sampling, judge_training
from harness.planning.paper import SHIPPED, Clip, Number, load_paper
from harness.planning.roofline import Band

CLIP = Clip(frames=16, size="256x256")
BOUND = 12 / 7
EXPLAINED = 1 - (1 - 1 / 1.49) / (1 - 7 / 12)
"""Share of the full rate's time that leaves 1.49x of 12/7: .211; 1.27 s of 6.01 s."""


def number(claimed: float = 1.49, **changes: Any) -> Number:
    fields: dict[str, Any] = {
        "id": "latency",
        "where": "table",
        "model": "m",
        "what": "sampling",
        "claimed": claimed,
        "half_digit": 0.005,
        "clips": [CLIP],
    }
    return Number(**{**fields, **changes})


def fixed(companions: tuple[float, float], launches: tuple[float, float] = (0.0, 0.0)) -> Fixed:
    """Of a video of one second at both ends."""
    return Fixed(
        companions_s=Band(low=companions[0], high=companions[1]),
        launch_s=Band(low=launches[0], high=launches[1]),
        video_s=Band(low=1.0, high=1.0),
    )


def judged(of: Number, parts: Fixed, *, bound: float = BOUND) -> Judgement:
    return judge_sampling(of, CLIP, bound=bound, roofline=Band(low=1.3, high=1.5), fixed=parts)


def test_fixed_costs_of_the_right_size_are_consistent() -> None:
    found = judged(number(full_rate_s=6.01, pyramid_s=4.04), fixed((0.1, 0.3)))
    assert found.word == "consistent with fixed costs"
    assert found.fixed_share == pytest.approx(EXPLAINED)
    assert "1.27 s, 21.1 %" in found.why
    assert "10.0 to 30.0 %: enough" in found.why


@pytest.mark.parametrize("companions", [(0.01, 0.02), (0.3, 0.6)])
def test_fixed_costs_of_another_size_are_not(companions: tuple[float, float]) -> None:
    found = judged(number(), fixed(companions))
    assert found.word == "reachable"
    assert "not of that size" in found.why


def test_launches_count_where_text_and_decoder_do_not_suffice() -> None:
    found = judged(number(), fixed((0.01, 0.02), (0.1, 0.4)))
    assert found.word == "consistent with fixed costs"
    assert "not of that size. With launches" in found.why


def test_seconds_outside_of_the_rooflines_band_are_told() -> None:
    assert "lie outside of the roofline's band" in judged(number(full_rate_s=6.01), fixed((0.1, 0.3))).why
    assert "lie outside" not in judged(number(full_rate_s=1.0), fixed((0.1, 0.3))).why
    assert "lie outside" not in judged(number(), fixed((0.1, 0.3))).why


def test_more_than_the_flops_save_is_not_reachable_by_them_alone() -> None:
    found = judged(number(1.75), fixed((0.1, 0.3)))
    assert (found.word, found.fixed_share) == ("not reachable by FLOPs alone", None)


def test_a_number_is_held_to_the_digits_that_are_printed() -> None:
    """1.708 is printed as 1.71."""
    parts = fixed((0.1, 0.3))
    assert judged(number(1.71), parts, bound=1.708).word == "reachable"
    assert judged(number(1.71, half_digit=0.001), parts, bound=1.708).word == "not reachable by FLOPs alone"


def test_training_at_half_cost_needs_faster_convergence() -> None:
    found = judge_training(number(2.0, what="training"), CLIP, bound=BOUND)
    assert found.word == "not reachable by FLOPs alone"
    assert "remaining 1.17x must come from faster convergence" in found.why


def test_training_that_a_step_explains_is_reachable() -> None:
    found = judge_training(number(2.0, what="training"), CLIP, bound=2.1)
    assert found.word == "reachable"
    assert "convergence" not in found.why


@given(st.floats(1.05, 4.0), st.floats(0.0, 0.95))
def test_the_fixed_share_is_the_one_that_leaves_the_claim(bound: float, part: float) -> None:
    """Full rate 1: the denoiser takes 1 - x and shrinks by the bound, x stays."""
    claimed = 1 / ((1 - part) / bound + part)
    assert fixed_share(claimed, bound) == pytest.approx(part, abs=1e-9)


def test_no_share_follows_from_a_bound_that_saves_nothing() -> None:
    with pytest.raises(ValueError, match="saves nothing"):
        fixed_share(1.2, 1.0)


def test_the_numbers_of_the_paper_are_as_printed() -> None:
    paper = {one.id: one for one in load_paper().numbers}
    assert {name: one.claimed for name, one in paper.items()} == {
        "animatediff-latency": 1.49,
        "miniflux-latency": 1.71,
        "inference-1.5x": 1.5,
        "animatediff-training": 2.0,
        "miniflux-training": 2.13,
        "training-2x": 2.0,
    }
    for one in paper.values():
        if one.full_rate_s is not None and one.pyramid_s is not None:
            assert one.full_rate_s / one.pyramid_s == pytest.approx(one.claimed, abs=one.half_digit)


@pytest.mark.parametrize("change", [{"claimed": "fast"}, {"speedup": 2.0}, {"clips": []}])
def test_a_file_with_a_mistake_is_refused_by_name(change: dict[str, Any], tmp_path: Path) -> None:
    data = yaml.safe_load(SHIPPED.read_text())
    data["numbers"][0].update(change)
    path = tmp_path / "paper.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(UsageError, match=rf"paper.yaml: .*numbers\[0\].{next(iter(change))}"):
        load_paper(path)


def test_shares_are_those_of_one_video_at_each_end() -> None:
    parts = replace(fixed((0.1, 0.3), (0.1, 0.1)), video_s=Band(low=1.0, high=4.0))
    assert parts.share == Band(low=0.1, high=0.2)
