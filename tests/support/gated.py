"""Runs that nobody made, for the gate: as what it observes, and as folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.gating.baseline import BaselineFile
from harness.gating.observed import Blocks, Observed
from harness.measure.blocks import Block
from harness.records import Measurement, TimingRecord, UnitRecord
from harness.store import Run
from synthetic_run import make_study, timed_block

ENVIRONMENT: dict[str, Any] = {
    "study": "0badcafe",
    "threads": 1,
    "cpu": {"model": "Imaginary 3000", "governor": "performance"},
    "packages": {"torch": "2.6.0", "tpbench": "0.1.0"},
    "source": {"commit": "a" * 40, "dirty": False},
    "variables": {},
}
LAUNCHES, BLOCKS = 3, 5


def blocks(
    rng: np.random.Generator, *, generator: str = "tpdiff", mean_s: float = 1.0, launches: int = LAUNCHES
) -> Blocks:
    """Block values with 1 % between launches and 1 % within."""
    places = np.repeat(np.arange(launches), BLOCKS)
    values = mean_s * np.exp(rng.normal(0, 0.01, launches)[places] + rng.normal(0, 0.01, len(places)))
    return Blocks(
        generator=generator,
        seed=0,
        scope="end_to_end",
        values=tuple(values.tolist()),
        launches=tuple(places.tolist()),
    )


def measured(metric: str, value: float | None, *, scope: str = "video", **more: Any) -> Measurement:
    reason = None if value is not None else more.pop("reason", "out of memory")
    about = {"generator": "tpdiff", "seed": 0, "unit": "1"} | more
    return Measurement(metric=metric, scope=scope, value=value, reason=reason, **about)


def observed(
    *measurements: Measurement, timed: Sequence[Blocks] = (), environment: dict[str, Any] | None = None
) -> Observed:
    """A run with these numbers; ``latency_s`` of the blocks included."""
    latencies = [
        measured("latency_s", float(np.median(one.values)), scope=one.scope, unit="s", generator=one.generator)
        for one in timed
    ]
    study = make_study(latency={"stretch_s": 0})
    return Observed(
        run="synthetic/0badcafe",
        study=study.identity(),
        digest=study.digest(),
        environment=ENVIRONMENT | (environment or {}),
        measurements=[*measurements, *latencies],
        blocks=list(timed),
    )


def baseline(*measurements: Measurement, **options: Any) -> BaselineFile:
    seen = observed(*measurements, **options)
    return BaselineFile(**dict(seen), name="quick", promoted_at="2026-01-01T00:00:00+00:00")


def side_by_side(
    rng: np.random.Generator, *, slower: float, launches: int = LAUNCHES, apart: float = 0.0
) -> list[Block]:
    """Blocks in which both versions were timed, by processes that differ by ``apart`` (standard deviation)."""
    found = []
    for launch in range(launches):
        ours, theirs = np.exp(rng.normal(0, apart, 2)) if apart else (1.0, 1.0)
        for number in range(BLOCKS):
            now, before = ours * rng.lognormal(0, 0.01, 2) * (1 + slower), theirs * rng.lognormal(0, 0.01, 2)
            seconds = {"tpdiff": tuple(now.tolist()), "tpdiff@baseline": tuple(before.tolist())}
            found.append(Block(scope="end_to_end", seed=0, launch=launch, number=number, seconds=seconds))
    return found


def write_run(
    root: Path,
    *,
    flops: float = 100,
    slower: float = 0.0,
    state: str = "done",
    launches: int = LAUNCHES,
    failed: bool = False,
    extra: Sequence[Measurement] = (),
) -> Run:
    """A run folder with a count and timings."""
    root.mkdir(parents=True)
    run, study = Run(root), make_study(latency={"stretch_s": 0})
    (root / "study.yaml").write_text(study.to_yaml())
    run.write_json("environment.json", ENVIRONMENT)
    run.write_json("status.json", {"state": state})
    rng = np.random.default_rng(5)
    status: dict[str, Any] = {"status": "failed", "reason": "killed"} if failed else {"status": "done"}
    run.append(UnitRecord(unit="train/tpdiff/0", kind="train", started_at="", duration_s=1, **status))
    run.append(
        [measured("flops", flops, unit="FLOP"), measured("latency_s", 1.0, scope="end_to_end", unit="s"), *extra]
    )
    for launch in range(launches):
        for number in range(BLOCKS):
            calls: list[TimingRecord] = timed_block(
                sides=("full-rate", "tpdiff"),
                scope="end_to_end",
                launch=launch,
                block=number,
                order="ABBA",
                seconds=lambda letter: float(rng.lognormal(0, 0.01)) * (1 + slower * (letter == "B")),
            )
            run.append(calls)
    return run
