"""What stages ask of a network, and the bounds of what they can save."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion.cost import CostPolynomial, StageWork, VideoWork
from tpdiff.planner import plan


def work(frames: int = 16, *, causal: bool = False, stages: int = 3, **changes: object) -> VideoWork:
    settings: dict[str, object] = {"steps": 30, "shares": None, "calls": 1, **changes}
    return plan(frames=frames, causal=causal, stages=stages, **settings)  # type: ignore[arg-type]


def test_three_equal_stages_have_the_bounds_of_the_paper() -> None:
    for exact in (True, False):
        assert work().sampling_bound("linear", exact=exact) == Fraction(12, 7)
        assert work().sampling_bound("quadratic", exact=exact) == Fraction(16, 7)
        assert work().training_bound("linear", exact=exact) == Fraction(12, 7)
        assert work().training_bound("quadratic", exact=exact) == Fraction(16, 7)


def test_a_first_frame_that_stands_alone_costs_some_of_it() -> None:
    found = work(21, causal=True)
    assert [stage.frames for stage in found.stages] == [6, 11, 21]
    assert found.sampling_bound("linear", exact=True) == Fraction(63, 38)
    assert found.sampling_bound("linear", exact=False) == Fraction(12, 7)
    linear = CostPolynomial(constant=0, linear=1, quadratic=0)
    assert found.sampling_speedup(linear.at) == pytest.approx(63 / 38)
    assert found.ideal_speedup(linear.at) == pytest.approx(12 / 7)


def test_full_rate_is_the_one_stage_case() -> None:
    found = work(13, stages=1, calls=2)
    assert (found.nfe, found.control_calls, found.full_rate_nfe) == (60, 60, 60.0)
    assert found.sampling_speedup(lambda frames: frames**3) == found.training_speedup(lambda frames: frames**3) == 1.0
    assert found.sampling_bound("quadratic", exact=True) == 1


def test_shares_move_the_steps_and_leave_training_alone() -> None:
    found = work(shares=(20, 5, 5))
    assert [stage.calls for stage in found.stages] == [20, 5, 5]
    assert found.sampling_bound("linear", exact=False) == Fraction(30, 5 + Fraction(5, 2) + 5)
    assert found.training_bound("linear", exact=False) == Fraction(12, 7)


stage_lists = st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.integers(1, 20), st.integers(1, 9)), max_size=4)
part = st.floats(0, 1e6)


def arbitrary(parts: list[tuple[int, int, int]], *, blocks: int, causal: bool) -> VideoWork:
    """Any strides (products of the factors), any calls, any shares; the last stage at the full rate."""
    parts = [*parts, (1, 5, 1)]
    strides = [*reversed(list(accumulate((factor for factor, _, _ in parts), lambda a, b: a * b)))]
    rest = blocks * strides[0]
    total = sum(share for _, _, share in parts)
    stages = tuple(
        StageWork(
            frames=rest // stride + causal,
            frame_ratio=Fraction(1, stride),
            steps=calls,
            calls=calls,
            share=Fraction(share, total),
        )
        for stride, (_, calls, share) in zip(strides, parts, strict=True)
    )
    return VideoWork(stages=stages, full_frames=rest + causal, control_calls=sum(stage.calls for stage in stages))


@given(stage_lists, st.integers(1, 8), st.booleans(), part, part)
def test_a_speedup_lies_between_linear_and_quadratic(
    parts: list[tuple[int, int, int]], blocks: int, causal: bool, linear: float, quadratic: float
) -> None:
    found = arbitrary(parts, blocks=blocks, causal=causal)
    cost = CostPolynomial(constant=0, linear=linear + 1, quadratic=quadratic)
    for speedup, bound in (
        (found.sampling_speedup(cost.at), found.sampling_bound),
        (found.training_speedup(cost.at), found.training_bound),
    ):
        low, high = float(bound("linear", exact=True)), float(bound("quadratic", exact=True))
        assert 1 - 1e-9 <= low * (1 - 1e-9) <= speedup <= high * (1 + 1e-9)
        assert low <= float(bound("linear", exact=False)) * (1 + 1e-9)


@given(stage_lists, st.integers(1, 8), part)
def test_what_does_not_depend_on_frames_only_takes_away(
    parts: list[tuple[int, int, int]], blocks: int, constant: float
) -> None:
    found = arbitrary(parts, blocks=blocks, causal=False)
    with_it = CostPolynomial(constant=constant, linear=1, quadratic=1)
    without = CostPolynomial(constant=0, linear=1, quadratic=1)
    assert 1 - 1e-9 <= found.sampling_speedup(with_it.at) <= found.sampling_speedup(without.at) * (1 + 1e-9)


def test_a_cost_beyond_quadratic_leaves_the_bounds() -> None:
    """The sibling that shows that the bounds can be left."""
    assert work().sampling_speedup(lambda frames: frames**3) > float(work().sampling_bound("quadratic", exact=True))
    assert work().sampling_speedup(lambda frames: frames**0.5) < float(work().sampling_bound("linear", exact=True))
