"""Quality against cost: every pair that was measured, in its place, and the reason for every other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.store import Run
from reports import tradeoff as module
from reports.load import RunData, load
from reports.reached import reached
from reports.tradeoff import Chart, tradeoff

SERIES = {"full-rate": 0, "tpdiff": 1, "late": 2, "real": 6}


@pytest.fixture
def data(synthetic_run: Callable[..., Run]) -> RunData:
    return load(synthetic_run(videos=4, variant=True))


def chart(data: RunData, metric: str, axis: str) -> Chart:
    (one,) = [c for c in tradeoff(data, series=SERIES).charts if (c.metric, c.axis.name) == (metric, axis)]
    return one


def test_cheaper_is_left_and_a_larger_score_is_higher(data: RunData) -> None:
    control, candidate = chart(data, "digit_accuracy", "latency").points
    assert (control.label, candidate.label) == ("full-rate", "tpdiff")
    assert candidate.x < control.x
    assert candidate.y > control.y  # drawn downwards: 0.83 stands below 0.86
    assert control.across is not None
    assert control.across[0] < control.x < control.across[1]
    assert control.up is not None
    assert control.up[0] > control.y > control.up[1]


def test_marks_keep_the_proportion_of_their_costs(data: RunData) -> None:
    control, candidate = chart(data, "digit_accuracy", "flops").points
    ratio = (control.x - module.LEFT) / (candidate.x - module.LEFT)
    assert ratio == pytest.approx(7_675_576_320 / 4_477_419_520, rel=2e-3)
    assert control.across is None  # an exact count


def test_everything_lies_inside_of_the_chart(data: RunData) -> None:
    for one in tradeoff(data, series=SERIES).charts:
        for point in one.points:
            assert module.LEFT <= point.x <= module.WIDTH - module.RIGHT
            assert module.TOP <= point.y <= module.HEIGHT - module.BOTTOM
        assert len(one.across) >= 2
        assert len({tick.text for tick in one.up}) == len(one.up) >= 2


def test_the_numbers_stand_in_words_for_who_cannot_see_the_chart(data: RunData) -> None:
    one = chart(data, "digit_accuracy", "latency")
    assert "full-rate: 0.86" in one.alt
    assert "real 0.969" in one.alt
    assert one.better == "higher is better"


def test_a_cost_that_nobody_measured_has_its_reason(data: RunData) -> None:
    axes = {axis.name: axis for axis in tradeoff(data, series=SERIES).axes}
    assert axes["energy"].reason == "the run did not record it"
    assert not axes["flops"].reason
    assert list(axes)[-1] == "energy"


def test_the_whole_training_costs_its_steps_and_a_variant_costs_what_its_weights_did(data: RunData) -> None:
    axes = {axis.name: axis for axis in tradeoff(data, series=SERIES).axes}
    amount = axes["training-flops"].of("tpdiff", 0)
    assert amount is not None
    assert amount.value == 10_745_907_200.0 * 240
    assert axes["training-flops"].of("late", 0) == amount


def test_a_missing_score_has_no_mark(data: RunData) -> None:
    assert [point.label for point in chart(data, "kvd[transnetv2]", "latency").points] == ["full-rate"]
    nothing = replace(data, measurements=())
    assert tradeoff(nothing, series=SERIES).charts == ()


def test_each_training_stands_where_it_came_to(data: RunData) -> None:
    found = tradeoff(data, series=SERIES)
    axes = tuple(axis for axis in found.axes if axis.name == "training-flops")
    rows = reached(data, axes, ("digit_accuracy",))
    assert [(row.label, row.steps, str(row.scores[0])) for row in rows] == [
        ("full-rate", 240, "0.86"),
        ("tpdiff", 240, "0.83"),
    ]
    assert str(rows[1].costs[0]) == "2.58\u00a0TFLOP"
    assert reached(replace(data, measurements=()), axes, ("digit_accuracy",)) == []
