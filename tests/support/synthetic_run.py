"""Records of a run that nobody made, for what reads records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.claims import judge
from harness.metrics.intervals import wilson_interval
from harness.records import (
    Measurement,
    SampleRecord,
    SampleScores,
    TimingRecord,
    UnitRecord,
    Verdict,
)
from harness.store import Run
from harness.study import Study

CONTROL, CANDIDATE = "full-rate", "tpdiff"


def make_study(**changes: Any) -> Study:
    data: dict[str, Any] = {
        "name": "synthetic",
        "data": {"name": "moving-digits"},
        "backbone": {"name": "tiny-unet"},
        "generators": [{"name": CONTROL}, {"name": CANDIDATE}],
        "control": CONTROL,
        "training": {"steps": 1, "batch": 1, "learning_rate": 0.001},
        "sampling": {"videos": 400, "batch": 16, "steps": 30},
        "metrics": [],
    }
    return Study.model_validate(data | changes)


def timed_block(
    *,
    sides: tuple[str, str],
    scope: str,
    launch: int,
    block: int,
    order: str,
    seconds: Callable[[str], float],
) -> list[TimingRecord]:
    """The calls of one block, A being the first of ``sides``; block -1 is the warm-up and has no order."""
    return [
        TimingRecord(
            generator=sides["AB".index(letter)],
            seed=0,
            scope=scope,
            launch=launch,
            block=block,
            position=position,
            order=order,
            warmup=block < 0,
            seconds=seconds(letter),
        )
        for position, letter in enumerate(order or "AB")
    ]


def timings(ratio: float, *, scope: str, noise: float = 0.01, launches: int = 3, blocks: int = 3) -> list[TimingRecord]:
    rng = np.random.default_rng(17)
    records = []
    for launch in range(launches):
        for block in range(-1, blocks):
            order = "" if block < 0 else ("ABBA", "BAAB")[block % 2]
            slow = 50 if block < 0 else 1  # warm-up is absurdly slow: it must not count

            def seconds(letter: str, slow: int = slow) -> float:
                return (ratio if letter == "A" else 1.0) * rng.lognormal(0, noise) * slow

            where = {"scope": scope, "launch": launch, "block": block, "order": order}
            records += timed_block(sides=(CONTROL, CANDIDATE), seconds=seconds, **where)
    return records


def count(generator: str, value: float | None, *, metric: str = "flops", scope: str = "training_step") -> Measurement:
    reason = None if value is not None else "out of memory while counting"
    return Measurement(generator=generator, metric=metric, scope=scope, unit="FLOP", value=value, reason=reason)


def scores(generator: str, metric: str, values: list[float], seed: int = 0) -> SampleScores:
    return SampleScores(
        generator=generator, seed=seed, metric=metric, sample_ids=list(range(len(values))), values=values
    )


def scored(
    generator: str, metric: str, values: list[float], seed: int = 0, **card: Any
) -> tuple[Measurement, SampleScores]:
    """A score as it is recorded: the mean with its card, and the value of every video."""
    cards = {
        "digit_accuracy": {"chance": 0.1},
        "direction_accuracy": {"chance": 0.125},
        "motion_energy_ratio": {"reference_relative_se": 0.01},
    }
    mean = sum(values) / len(values)
    lo = hi = None
    if metric != "motion_energy_ratio":
        lo, hi = wilson_interval(round(sum(values)), len(values))
    measurement = Measurement(
        generator=generator,
        seed=seed,
        metric=metric,
        scope="clips",
        unit="1",
        value=mean,
        lo=lo,
        hi=hi,
        n=len(values),
        protocol={key: value for key, value in (cards[metric] | card).items() if value is not None},
    )
    return measurement, scores(generator, metric, values, seed)


def record(run: Run, *several: tuple[Measurement, SampleScores]) -> None:
    run.append([measurement for measurement, _ in several])
    run.append([values for _, values in several])


def failed(unit: str, reason: str, *, generator: str | None, seed: int | None = 0) -> UnitRecord:
    return UnitRecord(
        unit=unit,
        kind=unit.split("/")[0],
        generator=generator,
        seed=seed,
        status="failed",
        reason=reason,
        started_at="2026-01-01T00:00:00Z",
        duration_s=1,
    )


def share(percent: float, count: int = 400) -> list[float]:
    """Scores of 0 and 1, ``percent`` of them 1."""
    return [1.0 if i < count * percent / 100 else 0.0 for i in range(count)]


def motion(mean: float, count: int = 400, seed: int = 3) -> list[float]:
    values = np.random.default_rng(seed).lognormal(0, 0.4, count)
    return [float(value) for value in mean * values / values.mean()]


def sample(generator: str, sample_id: int, nfe: int) -> SampleRecord:
    return SampleRecord(
        generator=generator,
        seed=0,
        sample_id=sample_id,
        prompt="",
        file="x.npy",
        sha256="",
        nfe=nfe,
        full_rate_nfe=nfe,
    )


Fill = Callable[..., Run]


def verdict(run: Run, claim: str, study: Study | None = None) -> Verdict:
    return {found.claim: found for found in judge(run, study or make_study())}[claim]


def outcomes(found: Verdict) -> list[str]:
    return [item.outcome for item in found.cost] + [q.outcome for q in found.quality if q.outcome != "shown"]
