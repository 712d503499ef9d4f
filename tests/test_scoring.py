"""Scoring a run: from its sample records to measurements, with a fake metric that shows what it was given."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.data.digits import MovingDigits
from harness.errors import MediaError, UnitError, UsageError
from harness.records import Measurement, SampleRecord, SampleScores
from harness.scoring import score
from harness.store import Run
from harness.study import Study
from reports.csv import write
from reports.load import load
from reports.tables import quality_rows, unscored_metrics

METRICS = '''
import numpy as np
from harness.errors import NotComparableError
from harness.metrics.base import Score

class Brightness:
    """Mean grey level; says in its protocol what it was given."""
    name, unit, higher_is_better, needs_reference, needs_prompts = "brightness", "1", None, True, True

    def score(self, generated, reference, tools):
        values = np.array([generated.read(index).mean() for index in range(len(generated))])
        seen = {
            "names": list(generated.names), "ids": list(generated.sample_ids), "prompts": list(generated.prompts),
            "reference": [reference.label, len(reference)], "dataset": type(tools.dataset).__name__,
            "reference_sum": int(sum(reference.read(index).sum() for index in range(len(reference)))),
            "cache": str(tools.cache), "size": list(generated.size), "frames": generated.frames, "fps": generated.fps,
        }
        return Score(value=float(values.mean()), n=len(values), protocol=seen, per_sample=values)

class Undefined(Brightness):
    name = "undefined"

    def score(self, generated, reference, tools):
        return Score(value=float("nan"), n=1, protocol={})

class Declined(Brightness):
    name, needs_reference = "declined", False

    def score(self, generated, reference, tools):
        assert reference is None
        return Score(value=None, n=len(generated), protocol={}, reason="too dark to say")

class Refusing(Brightness):
    name = "refusing"

    def score(self, generated, reference, tools):
        raise NotComparableError("apples\\nand pears")
'''


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    (tmp_path / "metrics.py").write_text(METRICS)
    return f"{tmp_path / 'metrics.py'}:"


@pytest.fixture
def study() -> Study:
    return Study.model_validate(
        {
            "name": "toy",
            "data": {"name": "moving-digits", "options": {"frames": 4}},
            "backbone": {"name": "tiny-unet"},
            "generators": [{"name": "full-rate"}, {"name": "tpdiff"}],
            "control": "full-rate",
            "training": {"steps": 1, "batch": 1, "learning_rate": 0.1},
            "sampling": {"videos": 3, "batch": 2, "steps": 1},
            "metrics": ["brightness"],
        }
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    for sample in (2, 0, 1):
        add(run, sample, level=sample * 10)
    return run


def add(
    run: Run, sample: int, *, level: int, generator: str = "tpdiff", seed: int = 0, frames: int = 4
) -> SampleRecord:
    """Store a grey video and its record, as a generator's batch does."""
    file = f"videos/{generator}/{seed}/{sample}-{level}.npy"
    path = run.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full((frames, 16, 16, 3), level, dtype=np.uint8))
    record = SampleRecord(
        generator=generator,
        seed=seed,
        sample_id=sample,
        prompt=f"prompt {sample}",
        file=file,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        nfe=1,
        full_rate_nfe=1.0,
    )
    run.append(record)
    return record


def test_a_generator_is_scored_sample_by_sample_in_the_order_of_ids(run: Run, study: Study, plugin: str) -> None:
    measured, each = score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)
    assert isinstance(measured, Measurement)
    assert isinstance(each, SampleScores)
    assert (measured.value, measured.n, measured.scope, measured.seed) == (10.0, 3, "clips", 0)
    assert each.sample_ids == [0, 1, 2]
    assert each.values == [0.0, 10.0, 20.0]
    seen = measured.protocol
    assert seen["prompts"] == ["prompt 0", "prompt 1", "prompt 2"]
    assert (seen["size"], seen["frames"], seen["dataset"]) == ([16, 16], 4, "MovingDigits")
    assert seen["cache"] == str(run.features)


def test_the_reference_is_the_first_clips_of_its_split_at_equal_count(run: Run, study: Study, plugin: str) -> None:
    measured, _ = score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)
    assert isinstance(measured, Measurement)
    expected = MovingDigits(frames=4).clips("reference", np.arange(3)).rgb()
    assert measured.protocol["reference"] == ["reference", 3]
    assert measured.protocol["reference_sum"] == int(expected.sum())


def test_real_are_the_held_out_clips_of_the_same_ids(run: Run, study: Study, plugin: str) -> None:
    measured, each = score(run, study, metric=f"{plugin}Brightness", generator="real", seed=0)
    assert isinstance(measured, Measurement)
    assert isinstance(each, SampleScores)
    clips = MovingDigits(frames=4).clips("test", np.arange(3))
    assert measured.value == pytest.approx(clips.rgb().mean())
    assert measured.seed is None
    assert each.generator == "real"
    assert each.sample_ids == [0, 1, 2]
    assert measured.protocol["prompts"] == list(clips.captions)


def test_the_last_record_of_a_sample_wins(run: Run, study: Study, plugin: str) -> None:
    add(run, 1, level=100)
    _, each = score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)
    assert isinstance(each, SampleScores)
    assert each.values == [0.0, 100.0, 20.0]


def test_other_generators_seeds_and_surplus_samples_are_not_mixed_in(run: Run, study: Study, plugin: str) -> None:
    add(run, 0, level=200, generator="full-rate")
    add(run, 0, level=200, seed=1)
    add(run, 3, level=200)
    measured, _ = score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)
    assert isinstance(measured, Measurement)
    assert measured.value == 10.0


def test_too_few_videos_give_a_reason_and_no_value(run: Run, study: Study, plugin: str) -> None:
    add(run, 0, level=5, generator="full-rate")
    (measured,) = score(run, study, metric=f"{plugin}Brightness", generator="full-rate", seed=0)
    assert isinstance(measured, Measurement)
    assert measured.value is None
    assert measured.reason is not None
    assert "1 of 3 videos of 'full-rate' (seed 0) were generated" in measured.reason


def test_a_metric_may_decline_with_a_reason(run: Run, study: Study, plugin: str) -> None:
    (measured,) = score(run, study, metric=f"{plugin}Declined", generator="tpdiff", seed=0)
    assert isinstance(measured, Measurement)
    assert (measured.value, measured.reason) == (None, "too dark to say")


def test_what_a_metric_refuses_to_compare_is_a_reason(run: Run, study: Study, plugin: str) -> None:
    (measured,) = score(run, study, metric=f"{plugin}Refusing", generator="tpdiff", seed=0)
    assert isinstance(measured, Measurement)
    assert (measured.value, measured.reason) == (None, "apples and pears")


def test_nan_is_an_error_and_never_a_score(run: Run, study: Study, plugin: str) -> None:
    with pytest.raises(UnitError, match="is nan: it must be finite"):
        score(run, study, metric=f"{plugin}Undefined", generator="tpdiff", seed=0)


def test_a_changed_file_is_named(run: Run, study: Study, plugin: str) -> None:
    record = add(run, 1, level=50)
    np.save(run.root / record.file, np.zeros((4, 16, 16, 3), dtype=np.uint8))
    with pytest.raises(MediaError, match=r"1-50\.npy changed after it was generated"):
        score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)


def test_a_lost_file_is_named(run: Run, study: Study, plugin: str) -> None:
    record = add(run, 1, level=50)
    (run.root / record.file).unlink()
    with pytest.raises(MediaError, match=r"1-50\.npy: No such file"):
        score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)


def test_videos_of_unequal_length_are_named(run: Run, study: Study, plugin: str) -> None:
    add(run, 1, level=50, frames=6)
    with pytest.raises(MediaError, match=r"differ in shape: .*0-0\.npy.*1-50\.npy"):
        score(run, study, metric=f"{plugin}Brightness", generator="tpdiff", seed=0)


def test_an_unknown_metric_is_a_usage_error(run: Run, study: Study) -> None:
    with pytest.raises(UsageError, match="unknown metric 'fdv"):
        score(run, study, metric="fdv[transnetv2]", generator="tpdiff", seed=0)


def test_a_metric_from_a_file_is_scored_under_the_name_by_which_the_study_lists_it(
    run: Run, study: Study, plugin: str
) -> None:
    names = (f"{plugin}Brightness", f"{plugin}Declined")
    study = study.model_copy(update={"metrics": names})
    (run.root / "study.yaml").write_text(yaml.safe_dump(study.model_dump(mode="json")))
    for name in names:
        for label in ("tpdiff", "full-rate", "real"):
            for record in score(run, study, metric=name, generator=label, seed=0):
                assert isinstance(record, Measurement | SampleScores)
                assert record.metric == name
                run.append(record)
    data = load(run)
    assert unscored_metrics(data) == []
    assert len(quality_rows(data)) == 2
    write(run)
    rows = list(csv.DictReader(io.StringIO((run.root / "results.csv").read_text())))
    assert {row["metric"] for row in rows} == set(names)


@pytest.fixture
def sharing(study: Study) -> Study:
    """A study whose second generator takes the weights of the first."""
    asked = study.model_dump()
    asked["generators"] = [{"name": "full-rate"}, {"name": "full-rate", "label": "fast", "weights_of": "full-rate"}]
    return Study.model_validate(asked)


def test_a_paired_metric_gets_the_same_samples_of_the_generator_whose_weights_are_shared(
    tmp_path: Path, sharing: Study
) -> None:
    run = Run(tmp_path / "pairs")
    for sample in range(3):
        add(run, sample, level=100, generator="full-rate")
        add(run, sample, level=100 + sample, generator="fast")
        add(run, sample, level=0, generator="fast", seed=1)
    measured, *_ = score(run, sharing, metric="psnr", generator="fast", seed=0)
    assert isinstance(measured, Measurement)
    assert measured.value == pytest.approx(10 * np.log10(255**2 / np.mean([0, 1, 4])))
    assert measured.protocol["partner"] == "full-rate"
    assert measured.protocol["paired_by"] == "sample id"


@pytest.mark.parametrize("generator", ["full-rate", "real"])
def test_videos_without_partners_have_a_reason_and_no_value(tmp_path: Path, sharing: Study, generator: str) -> None:
    run = Run(tmp_path / "pairs")
    for sample in range(3):
        add(run, sample, level=100, generator="full-rate")
    (measured,) = score(run, sharing, metric="psnr", generator=generator, seed=0)
    assert isinstance(measured, Measurement)
    assert measured.value is None
    assert f"'{generator}' takes the weights of no other generator" in str(measured.reason)


def test_a_partner_whose_videos_are_missing_is_named(tmp_path: Path, sharing: Study) -> None:
    run = Run(tmp_path / "pairs")
    for sample in range(3):
        add(run, sample, level=100, generator="fast")
    add(run, 0, level=100, generator="full-rate")
    (measured,) = score(run, sharing, metric="psnr", generator="fast", seed=0)
    assert isinstance(measured, Measurement)
    assert "1 of 3 videos of 'full-rate' (seed 0) were generated" in str(measured.reason)
