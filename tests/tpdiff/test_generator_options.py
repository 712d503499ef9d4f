"""Every option of TPDiff behind the seam changes what comes out; what makes no sense is refused."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UsageError
from harness.generator import NullProbe, WeightSharing
from tests.tpdiff.small import StepLog, batch, loaded, loss_and_gradient, request
from tpdiff.generator import TPDiff

TRAINING_OPTIONS: list[dict[str, Any]] = [
    {"stages": 2},
    {"strides": [4, 1]},
    {"boundaries": [0.8, 0.4]},
    {"on_grid": "starts"},
    {"timesteps": "disjoint"},
    {"positions": "plain"},
    {"target": "virtual"},
    {"transition": "none"},
    {"down": "mean"},
    {"down": "keep-last"},
    {"down": "mean", "up": "linear"},
    {"alignment": "batch"},
    {"alignment": "pooled"},
    {"mixing": "one-stage"},
    {"stage_weights": [1, 1, 4]},
    {"detail_weight": 3.0},
]


@pytest.mark.parametrize("option", TRAINING_OPTIONS, ids=str)
def test_every_option_of_training_changes_the_loss(option: dict[str, Any]) -> None:
    base = loss_and_gradient(loaded(TPDiff, alignment="off"))[0]
    changed = loss_and_gradient(loaded(TPDiff, **{"alignment": "off"} | option))[0]
    assert changed != pytest.approx(base, rel=1e-5)


SAMPLING_OPTIONS: list[dict[str, Any]] = [
    {"stages": 2},
    {"strides": [4, 1]},
    {"boundaries": [0.8, 0.4]},
    {"on_grid": "starts"},
    {"shares": [1, 1, 4]},
    {"timesteps": "disjoint"},
    {"positions": "plain"},
    {"target": "virtual"},
    {"transition": "none"},
    {"transition": "printed"},
    {"down": "mean"},
    {"down": "keep-last"},
    {"down": "mean", "up": "linear"},
]


@pytest.mark.parametrize("option", SAMPLING_OPTIONS, ids=str)
def test_every_option_of_sampling_changes_the_video(option: dict[str, Any]) -> None:
    order = request(0)
    base, changed = (loaded(TPDiff, **chosen).generate(order, NullProbe()).frames for chosen in ({}, option))
    assert (base != changed).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": 3}, "Did you mean 'stages'"),
        ({"stages": 0}, "1, 2, 3"),
        ({"stages": 5}, "Use 16 frames, or fewer stages"),
        ({"strides": [4, 3, 1]}, "no multiple"),
        ({"boundaries": [0.2, 0.4]}, "overlap or are empty"),
        ({"shares": [1, 2]}, "3 positive numbers"),
        ({"down": "max"}, "'mean', 'keep-first' or 'keep-last', got 'max'"),
        ({"down": "keep-first", "up": "linear"}, "use down: mean"),
        ({"alignment": "on"}, "'off', 'batch' or 'pooled', got 'on'"),
        ({"shares": 5}, "option 'shares'.*got 5"),
        ({"shares": [1, float("inf"), 1]}, "3 positive numbers"),
        ({"boundaries": 0.5}, "option 'boundaries'.*got 0.5"),
        ({"boundaries": ["a", "b"]}, r"option 'boundaries\[0\]': input should be a valid number, got 'a'"),
        ({"strides": 4}, "option 'strides'.*got 4"),
        ({"stages": 2.5}, "option 'stages'.*got 2.5"),
        ({"stage_weights": 1}, "option 'stage_weights'.*got 1"),
        ({"stage_weights": [float("inf"), 1, 1]}, "every stage needs training"),
        ({"detail_weight": "2"}, "option 'detail_weight'.*got '2'"),
        ({"detail_weight": float("inf")}, "above 0"),
        ({"guidance_by_stage": 0.5}, "option 'guidance_by_stage'.*got 0.5"),
        ({"guidance_by_stage": [1, float("inf"), 1]}, "give 3 numbers from 0"),
        ({"causal": "no"}, "option 'causal': input should be a valid boolean, got 'no'"),
        ({"stage_weights": [1, 2]}, "2 stage_weights for 3 stages"),
        ({"guidance_by_stage": [1, 0]}, "give 3 numbers from 0"),
        ({"guidance_by_stage": [1, -1, 0]}, "give 3 numbers from 0"),
        ({"causal": True}, "Use 5 or 9 frames"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(TPDiff, **options)


def test_weights_are_shared_by_those_that_differ_in_sampling_alone() -> None:
    def trained_for(**options: Any) -> Any:
        generator = loaded(TPDiff, **options)
        assert isinstance(generator, WeightSharing)
        return generator.trained_for()

    alike: list[dict[str, Any]] = [
        {"shares": [1, 1, 4]},
        {"guidance_by_stage": [0, 1, 0]},
        {"transition": "printed"},
        {"strides": [4, 2, 1], "down": "keep-first"},
    ]
    assert all(trained_for(**options) == trained_for() for options in alike)
    unlike: list[dict[str, Any]] = [
        {"stages": 2},
        {"transition": "none"},
        {"target": "sharp"},
        {"down": "mean"},
        {"boundaries": [0.6, 0.3]},
        {"timesteps": "disjoint"},
        {"positions": "plain"},
        {"alignment": "off"},
        {"stage_weights": [1, 1, 2]},
        {"detail_weight": 2.0},
    ]
    assert all(trained_for(**options) != trained_for() for options in unlike)


def test_training_notes_what_alignment_saves() -> None:
    log = StepLog()
    loaded(TPDiff).training_step(batch(), log)
    assert log.spans.count("alignment_saved") == 3
    log = StepLog()
    loaded(TPDiff, alignment="off").training_step(batch(), log)
    assert "alignment" not in log.spans
