"""The panel says what was the same and what was not, and what cannot be known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.records import HygieneRecord
from harness.store import Run
from reports.comparability import Condition, conditions
from reports.load import RunData, load


@pytest.fixture
def data(synthetic_run: Callable[..., Run]) -> RunData:
    return load(synthetic_run(videos=4))


def found(data: RunData, what: str) -> Condition:
    (one,) = [one for one in conditions(data) if one.what == what]
    return one


def test_equal_work_is_said_once_for_all(data: RunData) -> None:
    assert found(data, "Parameters of the network").state == "same"
    assert found(data, "Training steps") == Condition(
        what="Training steps", state="same", values=(("full-rate, tpdiff", "240"),)
    )
    assert found(data, "Sample numbers, which fix noise and prompt").state == "same"


def test_what_differs_comes_first_with_both_values(data: RunData) -> None:
    shorter = tuple(r for r in data.training if r.generator == "full-rate" or r.step <= 100)
    changed = replace(data, training=shorter)
    assert conditions(changed)[0].state == "differs"
    assert found(changed, "Training steps").values == (("full-rate", "240"), ("tpdiff", "100"))


def test_what_nobody_recorded_is_unknown_and_not_the_same(data: RunData) -> None:
    without = tuple(r for r in data.measurements if not (r.metric == "parameters" and r.generator == "tpdiff"))
    one = found(replace(data, measurements=without), "Parameters of the network")
    assert (one.state, one.values[-1]) == ("unknown", ("tpdiff", "not recorded"))


def test_other_protocols_and_counts_differ_by_name(data: RunData) -> None:
    def other(metric: str, **changes: object) -> RunData:
        return replace(
            data,
            measurements=tuple(
                r.model_copy(update=changes) if (r.metric, r.generator) == (metric, "tpdiff") else r
                for r in data.measurements
            ),
        )

    card = {"extractor": "another", "frames": 16}
    one = found(other("temporal_flicker", protocol=card), "temporal_flicker: extractor")
    assert (one.state, one.values) == ("differs", (("full-rate", "synthetic"), ("tpdiff", "another")))
    assert found(other("temporal_flicker", n=63), "temporal_flicker: videos").state == "differs"


def test_other_prompts_under_the_same_number_are_no_pairs(data: RunData) -> None:
    first = data.samples[0]
    changed = (first.model_copy(update={"prompt": "something else"}), *data.samples[1:])
    assert found(replace(data, samples=changed), "Prompts").state == "differs"


def test_a_change_of_the_machine_is_told_with_its_differences(data: RunData) -> None:
    earlier = [{"differences": ["cpu.model: A or B; spoils timings"]}]
    one = found(replace(data, environment=data.environment | {"earlier": earlier}), "Machine and versions")
    assert one.state == "differs"
    assert "cpu.model: A or B" in one.why
    assert found(replace(data, environment={}), "Machine and versions").state == "unknown"
    assert found(data, "Machine and versions").state == "same"


@pytest.mark.parametrize(("warnings", "state"), [((), "unknown"), (("",), "same"), (("", "load"), "note")])
def test_whether_the_machine_was_quiet(data: RunData, warnings: tuple[str, ...], state: str) -> None:
    looks = tuple(
        HygieneRecord(seed=0, launch=number, before={}, after={}, warnings=[word] if word else [])
        for number, word in enumerate(warnings)
    )
    assert found(replace(data, hygiene=looks), "A quiet machine").state == state
