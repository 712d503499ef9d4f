"""Where a run took place: hardware, versions, working copy. What a reader needs in order to believe a timing.

Never a host name, a user name or a path below the home folder: run folders are passed around.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "tpbench",
    "torch",
    "torchvision",
    "torchmetrics",
    "safetensors",
    "numpy",
    "scipy",
    "pandas",
    "pydantic",
    "scikit-learn",
    "av",
    "open_clip_torch",
    "pytorchvideo",
    "diffusers",
)
"""Distributions whose version can change a number."""

VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "KMP_AFFINITY",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTHONHASHSEED",
)
"""Environment variables that can change a number."""


def collect(*, gpu: bool = False) -> dict[str, Any]:
    """The machine, the software and the working copy, ready for JSON.

    Imports none of the libraries it reports; ``gpu=True`` imports torch, if it is installed, to name the
    accelerators. What cannot be found out is None.

    >>> sorted(collect())
    ['cpu', 'gpus', 'memory_bytes', 'os', 'packages', 'python', 'source', 'variables']
    """
    import psutil

    return {
        "cpu": {
            "model": cpu_model(),
            "architecture": platform.machine(),
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "usable_cores": usable_cores(),
        },
        "memory_bytes": psutil.virtual_memory().total,
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: installed_version(name) for name in PACKAGES},
        "source": working_copy(Path(__file__).parent),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "gpus": gpus() if gpu else None,
    }


def installed_version(name: str) -> str | None:
    """Version of a distribution from its metadata; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu_model() -> str | None:
    """What the processor calls itself; None where the system does not say."""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", table.read_text(errors="replace"), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or None


def usable_cores() -> int:
    """Cores this process may run on: its affinity, which a container or a scheduler narrows."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def working_copy(folder: Path) -> dict[str, Any] | None:
    """Commit of the git working copy that ``folder`` belongs to, and whether anything differs from it.

    None without git, outside a working copy, and for a package that merely lies inside someone's working copy
    (a virtual environment in a repository is not that repository's code).
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def gpus() -> list[dict[str, Any]]:
    """CUDA devices that torch sees; empty without torch or without a device."""
    if installed_version("torch") is None:
        return []
    import torch

    if not torch.cuda.is_available():
        return []
    devices = []
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        devices.append(
            {
                "name": properties.name,
                "memory_bytes": properties.total_memory,
                "compute_capability": f"{properties.major}.{properties.minor}",
                "cuda": torch.version.cuda,
            }
        )
    return devices
