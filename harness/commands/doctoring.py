"""``tpbench doctor``: this machine, this installation, its instruments and its peaks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness import console
from harness.commands.preflight import require_device, require_torch

if TYPE_CHECKING:
    from harness.doctor import Finding

BROKEN = 3


def diagnose(*, as_json: bool) -> int:
    """The findings of :mod:`harness.doctor`; 3 if one is a problem."""
    from harness.doctor import examine

    findings = examine()
    if as_json:
        console.print_json([asdict(item) for item in findings])
    else:
        _show("Doctor", findings)
    return _code(findings)


def measure_peaks(device: str, threads: int, *, as_json: bool) -> int:
    """FLOP/s and bandwidth of a device, kept for the runs to come; 3 if they could not be kept."""
    require_torch()
    require_device(device)
    from harness.doctor import peaks_findings

    findings, data = peaks_findings(device, threads)
    if as_json:
        console.print_json(data)
    else:
        _show("Peaks, measured", findings)
    return _code(findings)


def check_instruments(device: str, *, as_json: bool) -> int:
    """Each instrument on work of known size; 3 if one is wrong."""
    require_torch()
    require_device(device)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler talks on stderr where it finds no GPU
    from harness.measure.selftest import selftest

    checks = selftest(device)
    if as_json:
        console.print_json([{**asdict(check), "error": check.error, "passes": check.passes} for check in checks])
    else:
        rows = []
        for check in (check for check in checks if check.passes is not None):
            error = "" if check.error is None else f"{check.error:+.2%}" if check.error else "0"
            numbers = [_amount(value, check.unit) for value in (check.expected, check.measured)]
            rows.append([check.instrument, check.workload, *numbers, error, "ok" if check.passes else "WRONG"])
        columns = ["instrument", "workload", "expected", "measured", "error", "state"]
        console.print_table("Self-test of the instruments", columns, rows)
        for check in checks:
            if check.passes is None:
                print(f"not measured: {check.instrument}: {check.reason}")
    return BROKEN if any(check.passes is False for check in checks) else 0


def _amount(value: float | None, unit: str) -> str:
    """
    >>> _amount(0.25, "s"), _amount(209715200, "byte"), _amount(None, "J")
    ('0.25 s', '209715200 byte', '')
    """
    if value is None:
        return ""
    return f"{value:.4g} {unit}" if unit in ("s", "J") else f"{value:.0f} {unit}"


def _show(title: str, findings: Sequence[Finding]) -> None:
    rows = [[item.subject, item.state, item.detail] for item in findings]
    console.print_table(title, ["what", "state", "detail"], rows)


def _code(findings: Sequence[Finding]) -> int:
    return BROKEN if any(item.state == "problem" for item in findings) else 0
