"""``tpbench gate``: read, judge, time again what looks slower, tell everybody who asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness import console
from harness.commands.preflight import termination_as_interrupt
from harness.commands.run import now
from harness.errors import UsageError
from harness.gating.baseline import BaselineFile, load_baseline
from harness.gating.judge import judge
from harness.gating.markdown import markdown, value
from harness.gating.observed import observe
from harness.gating.plain import plain
from harness.gating.result import GateResult, State
from harness.gating.thresholds import Thresholds, load_thresholds
from harness.store import Run, write_atomically

SHOWN: tuple[State, ...] = ("failed", "not-comparable", "undecided", "notice")
"""Passed and absent numbers are counted; ``--json`` has them all."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the result goes besides the terminal."""

    junit: Path | None
    sarif: Path | None
    markdown: Path | None
    history: Path | None
    github: bool
    as_json: bool


def gate(
    root: Path,
    *,
    baseline: Path,
    thresholds: Path | None,
    remeasure: bool,
    base_python: Path | None,
    strict: bool,
    outputs: Outputs,
) -> int:
    """Judge a run; the exit code of the command.

    Raises:
        UsageError: a file that was named cannot be used.
        TpbenchError: records, baseline or history are damaged.
    """
    if base_python is not None and not os.access(base_python, os.X_OK):
        raise UsageError(f"--base-python {base_python} is no program. Give the python of an environment, bin/python.")
    if base_python is not None and not remeasure:
        raise UsageError("--base-python times both versions, which --no-remeasure forbids. Leave one of them out.")
    limits, known, run = load_thresholds(thresholds), load_baseline(baseline), Run.open(root)
    result = judge(known, observe(run), limits)
    result = _second_look(result, run, known, limits, remeasure=remeasure, base_python=base_python)
    _write(result, baseline, outputs)
    if outputs.as_json:
        console.print_json({**result.document(), "exit_code": result.exit_code(strict=strict)})
    else:
        _show(result)
    return result.exit_code(strict=strict)


def _second_look(
    result: GateResult,
    run: Run,
    baseline: BaselineFile,
    limits: Thresholds,
    *,
    remeasure: bool,
    base_python: Path | None,
) -> GateResult:
    from harness.gating.second_look import in_question, look_again, not_timed_again

    paired = base_python is not None
    items = in_question(result, paired=paired)
    if not items:
        return result
    if not remeasure:
        return not_timed_again(result, items, "--no-remeasure")
    from harness.gating.remeasure import NotRemeasuredError, time_again

    what = "timing both versions side by side" if paired else "timing again"
    console.notice(f"{what}: {', '.join(plain(item.name) for item in items)}")
    try:
        with termination_as_interrupt():  # workers end, and the scratch folder goes, whoever stops it
            blocks = time_again(run, items, base_python=base_python, limits=limits.timings)
    except NotRemeasuredError as error:
        return not_timed_again(result, items, str(error))
    return look_again(result, items, baseline, blocks, limits, paired=paired)


def _write(result: GateResult, baseline: Path, outputs: Outputs) -> None:
    if outputs.history is not None:  # first: it is the one that may be refused
        from harness.gating.history import append_history, line_of

        append_history(outputs.history, line_of(result, now=now()))
    if outputs.junit is not None:
        from harness.gating.junit import junit

        write_atomically(outputs.junit, junit(result))
    if outputs.sarif is not None:
        from harness.gating.sarif import sarif

        write_atomically(outputs.sarif, sarif(result, baseline=baseline))
    if outputs.markdown is not None:
        write_atomically(outputs.markdown, markdown(result))
    if outputs.github:
        from harness.gating.github import append_summary, workflow_commands

        # The runner reads both streams; --json keeps stdout for its document.
        for line in workflow_commands(result):
            console.notice(line)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            append_summary(Path(summary), markdown(result))


def _show(result: GateResult) -> None:
    rows = [
        [state, plain(item.name), value(item.baseline, item.unit), value(item.value, item.unit), plain(item.why)]
        for state in SHOWN
        for item in result.of(state)
    ]
    if rows:
        columns = ("state", "number", "baseline", "run", "why")
        console.print_table(f"{plain(result.run)} against {plain(result.baseline)}", columns, rows)
    counts = ", ".join(f"{number} {state}" for state, number in result.counts.items() if number)
    lines = [plain(result.refusal, most=4000)] if result.refusal else []
    console.print_lines([*lines, f"gate: {result.verdict}" + (f" ({counts})" if counts else "")])
