"""The plan: every unit once, in an order in which each finds what it needs."""

from __future__ import annotations

from pathlib import Path

from harness.plan import batch_ids, forecast, plan
from harness.study import Reference, Study, load_study, locate


def quick() -> Study:
    return load_study(locate("quick", "studies"))


def test_every_unit_has_an_identity_of_its_own() -> None:
    two_seeds = quick().model_copy(update={"seeds": (0, 1)})
    ids = [unit.id for unit in plan(two_seeds)]
    assert len(set(ids)) == len(ids)


def test_needs_come_before_those_who_need_them() -> None:
    ids = [unit.id for unit in plan(quick())]
    order = ["train/tpdiff/0", "time/0/0", "count/tpdiff/0", "sample/tpdiff/0/3", "score/fvd[transnetv2]/tpdiff/0"]
    assert [ids.index(unit) for unit in order] == sorted(ids.index(unit) for unit in order)


def test_a_generator_that_takes_the_weights_of_another_is_sampled_and_not_trained() -> None:
    data = quick().model_dump()
    late = {"name": "tpdiff", "label": "late", "weights_of": "tpdiff", "options": {"shares": [1, 1, 4]}}
    data["generators"] = [*data["generators"], late]
    with_late, without = plan(Study.model_validate(data)), plan(quick())
    own = [unit for unit in with_late if unit.generator == "late"]
    assert [unit for unit in with_late if unit.generator != "late"] == list(without)
    assert {unit.kind for unit in own} == {unit.kind for unit in without if unit.generator == "tpdiff"} - {"train"}


def test_batches_cover_every_sample_once() -> None:
    study = quick()
    uneven = study.model_copy(update={"sampling": study.sampling.model_copy(update={"videos": 50, "batch": 16})})
    batches = [unit.batch for unit in plan(uneven) if unit.kind == "sample" and unit.generator == "tpdiff"]
    covered = [sample for batch in batches if batch is not None for sample in batch_ids(uneven, batch)]
    assert covered == list(range(50))


def test_a_forecast_without_measurements_says_so() -> None:
    unmeasured = forecast(quick().model_copy(update={"reference": None}))
    assert unmeasured.seconds is None
    assert "not measured for: count, latency, memory, sample, score, time, train" in unmeasured.source


def test_a_forecast_adds_up_what_was_measured() -> None:
    seconds = {"train": 40.0, "time": 20.0, "latency": 0.0, "memory": 3.0, "count": 5.0, "sample": 2.0, "score": 1.0}
    study = quick().model_copy(update={"reference": Reference(machine="a laptop", seconds=seconds, disk_bytes=9)})
    expected = forecast(study)
    assert expected.units["time"] == study.latency.most_launches
    certain = {**expected.units, "time": study.latency.launches}
    assert expected.seconds == sum(seconds[kind] * number for kind, number in certain.items())
    assert "a laptop" in expected.source
    assert expected.disk_bytes == 9
    partial = study.model_copy(update={"reference": Reference(machine="m", seconds={"train": 1.0}, disk_bytes=9)})
    assert forecast(partial).seconds is None, "a partial sum would pass for the whole"


def test_shipped_studies_are_valid_and_carry_a_reference() -> None:
    for name in ("quick", "standard"):
        path: Path = locate(name, "studies")
        assert forecast(load_study(path)).seconds is not None
