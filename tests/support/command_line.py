"""The command line without its expensive parts: what it is called with, and a driver that does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from harness.input_files import read_yaml
from harness.records import Evidence, UnitRecord, Verdict
from harness.store import Run
from harness.study import Study, shipped

Tpbench = Callable[..., "Outcome"]
WHEN = "2026-01-01T00:00:00+00:00"

VERDICT = Verdict(
    claim="infer-1.5x",
    statement="Sampling is at least 1.5 times faster at equal steps",
    source="the paper's abstract",
    threshold=1.5,
    tolerance=0.05,
    control="full-rate",
    candidate="tpdiff",
    verdict="faster-but-worse",
    why="The interval lies above 1.425, but digit accuracy is worse by more than its margin.",
    cost=[Evidence(name="latency_s, ratio", value=1.617, lo=1.5, hi=1.7, n=9, unit="x", outcome="met")],
    quality=[
        Evidence(name="digit_accuracy", value=-0.1, lo=-0.2, hi=-0.06, n=64, outcome="worse"),
        Evidence(name="fvd[transnetv2]", value=None, why="the weights are missing"),
    ],
)


class Outcome(NamedTuple):
    """Exit code and both streams of one invocation."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class FakeDriver:
    """Does every unit at once, or what it is told to do instead."""

    def __init__(self) -> None:
        self.calls = 0
        self.jobs = 0
        self.instead: Callable[[Study, Run], int] | None = None
        self.status_while_running: Any = None

    def execute(self, study: Study, run: Run, *, progress: object, jobs: int) -> int:
        from harness.plan import plan

        self.calls += 1
        self.jobs = jobs
        self.status_while_running = run.read_json("status.json")
        print("a library that talks on stdout")
        if self.instead is not None:
            return self.instead(study, run)
        run.append([done(unit.id, unit.kind) for unit in plan(study)])
        return 0


def done(unit: str, kind: str) -> UnitRecord:
    return UnitRecord(unit=unit, kind=kind, status="done", started_at=WHEN, duration_s=1.0)


def failed(unit: str, reason: str) -> UnitRecord:
    return UnitRecord(unit=unit, kind="train", status="failed", reason=reason, started_at=WHEN, duration_s=1.0)


def fake_judge(run: Run, study: Study) -> list[Verdict]:
    run.write_json("claims.json", [VERDICT.model_dump(mode="json")])
    return [VERDICT]


def study_file(folder: Path, **changes: Any) -> str:
    content = {**read_yaml(shipped("studies")["quick"]), **changes}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def only_run(folder: Path) -> Run:
    (root,) = folder.glob("runs/*/*")
    return Run(root)
