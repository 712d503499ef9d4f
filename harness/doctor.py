"""``tpbench doctor``: what this machine offers, what is missing, whether the installed packages are ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Literal

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
