"""``tpbench doctor``: what this machine offers, what is missing, whether the installed packages are ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Literal

DISTRIBUTION = "tpbench"
PACKAGES = ("harness", "baselines", "tpdiff", "reports")
"""Generic names: another distribution could claim one of them and shadow ours."""

DISK_NEEDED_BYTES = 2_000_000_000
MEMORY_NEEDED_BYTES = 3 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the examination."""

    subject: str
    state: Literal["ok", "missing", "problem", "info"]
    """``missing`` limits what can be done; ``problem`` needs repair; ``info`` is neither."""
    detail: str


def examine() -> list[Finding]:
    """All findings, software first. Imports torch if it is installed, to ask it about devices."""
    from harness.environment import collect

    here = collect(gpu=True)
    cpu = here["cpu"]
    return [
        Finding(subject="python", state="ok", detail=here["python"]),
        *torch_findings(here["packages"]["torch"]),
        package_names(packages_distributions()),
        Finding(
            subject="cpu",
            state="info",
            detail=f"{cpu['model'] or 'unknown'}, {cpu['usable_cores']} of {cpu['logical_cores']} cores",
        ),
        threads(here["variables"], cpu["usable_cores"]),
        amount("memory", here["memory_bytes"], MEMORY_NEEDED_BYTES, "the quick study"),
        amount("disk", shutil.disk_usage(Path.cwd()).free, DISK_NEEDED_BYTES, "a few runs in this folder"),
        gpu_finding([gpu["name"] for gpu in here["gpus"]]),
        *weights_findings(),
    ]


def torch_findings(version: str | None) -> list[Finding]:
    """Whether studies can be run, or only planned and read."""
    if version is None:
        advice = "not installed: runs can be planned and read, not made; `pip install 'tpbench[run]'`"
        return [Finding(subject="torch", state="missing", detail=advice)]
    import torch

    return [Finding(subject="torch", state="ok", detail=f"{version}, {torch.get_num_threads()} threads by default")]


def package_names(owners: Mapping[str, Sequence[str]]) -> Finding:
    """Whether ``import harness`` and the like reach tpbench and nobody else.

    Args:
        owners: import name to the distributions that install it, as ``packages_distributions()`` gives it.

    >>> package_names({name: ["tpbench"] for name in PACKAGES}).state
    'ok'
    >>> package_names({name: ["tpbench", "other"] for name in PACKAGES}).state
    'problem'
    """
    foreign = {name: sorted(set(owners.get(name, ()))) for name in PACKAGES}
    foreign = {name: found for name, found in foreign.items() if found != [DISTRIBUTION]}
    if not foreign:
        return Finding(subject="package names", state="ok", detail=f"{', '.join(PACKAGES)} belong to {DISTRIBUTION}")
    said = "; ".join(f"'{name}' is installed by {', '.join(found) or 'nobody'}" for name, found in foreign.items())
    advice = "Install tpbench in a virtual environment of its own"
    return Finding(subject="package names", state="problem", detail=f"{said}. {advice}.")


def threads(variables: Mapping[str, str], cores: int) -> Finding:
    """Whether an environment variable narrows or oversubscribes the cores."""
    asked = variables.get("OMP_NUM_THREADS")
    if asked is None:
        return Finding(subject="threads", state="ok", detail="OMP_NUM_THREADS is not set; a study sets its own")
    if asked.isdigit() and int(asked) > cores:
        return Finding(
            subject="threads",
            state="problem",
            detail=f"OMP_NUM_THREADS={asked} but only {cores} cores are usable: timings will be noisy",
        )
    return Finding(subject="threads", state="info", detail=f"OMP_NUM_THREADS={asked}")


def amount(subject: str, found: int, needed: int, purpose: str) -> Finding:
    """
    >>> amount("disk", 10**9, 2 * 10**9, "a run").detail
    '1.0 GB, a run needs 2.0 GB'
    """
    enough = found >= needed
    detail = f"{found / 1e9:.1f} GB" + ("" if enough else f", {purpose} needs {needed / 1e9:.1f} GB")
    return Finding(subject=subject, state="ok" if enough else "problem", detail=detail)


def gpu_finding(names: Sequence[str]) -> Finding:
    """Which CUDA devices torch sees; none is no fault."""
    detail = ", ".join(names) if names else "none that torch sees; studies with `device: cpu` run"
    return Finding(subject="gpu", state="ok" if names else "info", detail=detail)


def weights_findings() -> list[Finding]:
    """The cache, whether it can be written, and each source in it."""
    from harness.weights import cache_folder, catalogue, verify

    cache = cache_folder()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    writable = os.access(there, os.W_OK)
    advice = "" if writable else "; it cannot be written: set TPBENCH_CACHE to a folder that can"
    findings = [Finding(subject="cache", state="ok" if writable else "problem", detail=f"{cache}{advice}")]
    states: dict[str, Literal["ok", "missing", "problem"]] = {
        "ok": "ok",
        "missing": "missing",
        "wrong": "problem",
    }
    for source in catalogue():
        status = verify(source.name)
        detail = source.what if status.state == "ok" else status.detail
        findings.append(Finding(subject=source.name, state=states[status.state], detail=detail))
    return findings


def peaks_findings(device: str, threads: int) -> tuple[list[Finding], dict[str, Any]]:
    """Measure what a device does at most, beside what its vendor's sheet says; about ten seconds, nothing else running.

    What a quiet machine did is kept for later runs; what others slowed down is told and not kept.

    Returns:
        The findings, and the same for ``--json``: ``device``, what was ``measured``
        (:class:`harness.measure.peaks.MeasuredPeaks`) and ``sheet``, None for a device that is in no table.
    """
    from harness.measure.hardware import DTYPES, hardware
    from harness.measure.hygiene import look, warnings
    from harness.measure.peaks import keep_peaks, measure_peaks

    before = look(device)
    measured = measure_peaks(device, threads)
    spoiled = warnings(before, look(device), threads=threads)
    card = hardware(measured.name)
    where = f"{measured.name}, {threads} threads" if device == "cpu" else measured.name
    findings = [Finding(subject="device", state="info", detail=f"{where}, torch {measured.torch}")]
    for dtype in DTYPES:
        rate, sheet = measured.flop_per_s.get(dtype), card.peak_flops.get(dtype) if card else None
        if rate is not None:
            detail = f"{_rate(rate, 'FLOP/s')} in a product of side {measured.sizes[dtype]}{_of_sheet(rate, sheet)}"
            findings.append(Finding(subject=dtype, state="ok", detail=detail))
        elif dtype in measured.reasons:
            findings.append(Finding(subject=dtype, state="missing", detail=measured.reasons[dtype]))
    copied = measured.bandwidth_bytes_s
    if copied is None:
        findings.append(Finding(subject="copy", state="missing", detail=measured.reasons["copy"]))
    else:
        shown = _of_sheet(copied, card.bandwidth_bytes_s if card else None)
        findings.append(Finding(subject="copy", state="ok", detail=f"{_rate(copied, 'B/s')} read and written{shown}"))
    if spoiled:
        advice = "these peaks are too low and were not kept; measure again when the machine is quiet"
        findings.append(Finding(subject="machine", state="problem", detail=f"{' '.join(spoiled)} So {advice}."))
    else:
        try:
            keep_peaks(measured)
        except OSError as error:
            detail = f"they could not be kept: {error.strerror}; set TPBENCH_CACHE to a folder that can be written"
            findings.append(Finding(subject="cache", state="problem", detail=detail))
    data = {
        "device": device,
        "measured": measured.model_dump(mode="json"),
        "sheet": asdict(card) if card else None,
        "warnings": spoiled,
    }
    return findings, data


def _rate(per_second: float, unit: str) -> str:
    """
    >>> _rate(2.231e11, "FLOP/s"), _rate(9.894e14, "FLOP/s")
    ('223 GFLOP/s', '989 TFLOP/s')
    """
    prefix, scale = ("T", 1e12) if per_second >= 1e12 else ("G", 1e9)
    return f"{per_second / scale:.3g} {prefix}{unit}"


def _of_sheet(rate: float, sheet: float | None) -> str:
    return "" if sheet is None else f", {rate / sheet:.0%} of its sheet"
