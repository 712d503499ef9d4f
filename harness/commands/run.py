"""``tpbench run``: a study becomes a run folder; the same command again does what is missing."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import console
from harness.assembly import build_dataset
from harness.claims import judge, load_claims
from harness.commands.preflight import (
    require_device,
    require_options,
    require_torch,
    run_name,
    single,
    termination_as_interrupt,
    with_plugins,
)
from harness.environment import collect
from harness.fingerprint import compare
from harness.records import Measurement, UnitRecord
from harness.registry import find
from harness.sealing import break_seal, seal
from harness.store import Run, write_atomically
from harness.study import Study, load_study, locate

if TYPE_CHECKING:
    from harness.data.base import Dataset
    from harness.records import Verdict


def run(
    name: str, *, runs: Path, plugins: Sequence[str], dry_run: bool, jobs: int, as_json: bool, argv: Sequence[str]
) -> int:
    """Carry a study out, judge its claims and render its reports; the exit code of the command."""
    path = locate(name, "studies")
    study = with_plugins(load_study(path), plugins, path)
    if study.claims is not None:
        load_claims(locate(study.claims, "claims"))
    folder = runs / study.name / run_name(study)
    if dry_run:
        return show_forecast(study, folder, as_json=as_json)
    require_torch()
    require_device(study.device)
    dataset = build_dataset(study)
    if not (folder / "study.yaml").exists():
        require_options(study)
    quiet = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with quiet, single(folder), termination_as_interrupt():
        code, verdicts, pages = carry_out(study, dataset, Run(folder), argv, jobs=jobs)
    if as_json:
        console.print_json(
            {
                "study": study.name,
                "run": str(folder),
                "status": Run(folder).read_json("status.json"),
                "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
                "reports": {reporter: str(page) for reporter, page in pages.items()},
                "exit_code": code,
            }
        )
        return code
    if verdicts:
        console.print_verdicts(verdicts, Run(folder).read(Measurement))
    for reporter, page in pages.items():
        print(f"{reporter}: {page}")
    if code:
        console.notice(failure_notice(Run(folder)))
    return code


def carry_out(
    study: Study, dataset: Dataset, run: Run, argv: Sequence[str], *, jobs: int
) -> tuple[int, list[Verdict], dict[str, Path]]:
    """Run the missing units, then claims and reports, keeping status.json true at every step."""
    from harness.driver import execute
    from harness.plan import plan
    from harness.progress import Progress

    units = [unit.id for unit in plan(study)]
    write_atomically(run.root / "study.yaml", study.to_yaml())
    write_environment(run, study, dataset)
    earlier = run.read_json("status.json")
    if earlier and earlier["state"] != "done":
        console.notice(f"resuming {run.root}: {describe(count_units(run, units))}")
    status: dict[str, Any] = {
        "study": study.name,
        "command": command_line(argv),
        "started_at": earlier["started_at"] if earlier else now(),
        "finished_at": None,
    }

    def set_state(state: str, reason: str | None = None) -> None:
        status.update(
            state=state,
            reason=reason,
            units=count_units(run, units),
            units_s=sum(record.duration_s for record in run.read(UnitRecord)),
            finished_at=None if state == "running" else now(),
        )
        run.write_json("status.json", status)
        if state != "running":
            seal(run)

    break_seal(run)
    set_state("running")
    try:
        code = execute(study, run, progress=Progress(), jobs=jobs)
        set_state("done" if code == 0 else "failed", None if code == 0 else "a unit of work failed")
        verdicts = judge(run, study)
        pages = {name: find("reporters", name).load()(run) for name in study.reports}
    except KeyboardInterrupt:
        set_state("interrupted", "stopped by the user")
        console.notice(f"\ninterrupted; nothing recorded is lost. The same command resumes: {status['command']}")
        raise
    except BaseException as error:
        set_state("failed", f"{type(error).__name__}: {error}")
        raise
    return code, verdicts, pages


def show_forecast(study: Study, folder: Path, *, as_json: bool) -> int:
    """``--dry-run``: what would be done, how long it would take and what it would leave on the disk."""
    from harness.plan import forecast, plan

    units = [unit.id for unit in plan(study)]
    expected = forecast(study)
    counts = count_units(Run(folder), units)
    kinds = dict(expected.units)
    if as_json:
        console.print_json(
            {
                "study": study.name,
                "run": str(folder),
                "units": kinds,
                "done": counts["done"],
                "seconds": expected.seconds,
                "source": expected.source,
                "disk_bytes": expected.disk_bytes,
            }
        )
        return 0
    generators = ", ".join(entry.label for entry in study.generators)
    console.print_table(
        f"{study.name}: what `run` would do",
        ("what", "how much"),
        [
            ("run folder", str(folder)),
            ("generators", f"{generators} (control: {study.control})"),
            ("units of work", f"{len(units)}, of which {counts['done']} are done"),
            *((f"  {kind}", str(number)) for kind, number in kinds.items()),
            ("time", duration(expected.seconds)),
            ("disk", "unknown" if expected.disk_bytes is None else f"{expected.disk_bytes / 1e6:.0f} MB"),
            ("where that comes from", expected.source),
        ],
    )
    return 0


def duration(seconds: float | None) -> str:
    """
    >>> duration(None), duration(45.2), duration(312)
    ('unknown', '45 s', '5.2 min')
    """
    if seconds is None:
        return "unknown"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def write_environment(run: Run, study: Study, dataset: Dataset) -> None:
    """environment.json: study, data, this machine; under ``earlier`` every other one that worked in the folder before.

    Timings of two machines in one run are not one measurement; the report needs to know. Each entry of ``earlier`` has
    its ``differences`` from what followed it in words: which field, and what it spoils.
    """
    current = {
        "study": study.digest(),
        "threads": study.threads,
        "dataset": {**dataset.describe(), "fps": dataset.fps},
        **collect(gpu=study.device != "cpu"),
    }
    before = run.read_json("environment.json")
    earlier: list[dict[str, Any]] = []
    if before is not None:
        earlier = before.pop("earlier", [])
        if differences := [str(one) for one in compare(before, current) if one.spoils]:
            earlier.append({**before, "differences": differences})
            console.notice("\n".join(["warning: this run began in another environment:", *differences]))
    run.write_json("environment.json", {**current, "earlier": earlier})


def count_units(run: Run, units: Sequence[str]) -> dict[str, int]:
    """How many of the planned units are done, failed and missing. The last record of a unit counts."""
    last = {record.unit: record.status for record in run.read(UnitRecord)}
    counts = Counter(last.get(unit, "missing") for unit in units)
    return {"total": len(units), **{word: counts[word] for word in ("done", "failed", "missing")}}


def describe(counts: dict[str, int]) -> str:
    """
    >>> describe({"total": 9, "done": 4, "failed": 1, "missing": 4})
    '4 of 9 units done, 1 failed, 4 missing'
    """
    done, failed, missing = counts["done"], counts["failed"], counts["missing"]
    return f"{done} of {counts['total']} units done, {failed} failed, {missing} missing"


def failure_notice(run: Run) -> str:
    """The last word on each failed unit, and what to do."""
    last = {record.unit: record for record in run.read(UnitRecord)}
    lines = [f"failed: {unit}: {record.reason}" for unit, record in last.items() if record.status == "failed"]
    return "\n".join([*lines, f"The rest is recorded in {run.root}; the same command tries the failed units again."])


def command_line(argv: Sequence[str]) -> str:
    """The command as a shell would take it, with the home folder written as ``~``.

    >>> command_line(["/opt/venv/bin/tpbench", "run", "my study.yaml"])
    "tpbench run 'my study.yaml'"
    """
    words = [Path(argv[0]).name, *argv[1:]]
    home = f"{Path.home()}/"
    return " ".join(
        "~/" + shlex.quote(word.removeprefix(home)) if word.startswith(home) else shlex.quote(word) for word in words
    )


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
