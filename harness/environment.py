"""Where a run took place: hardware, versions, working copy. What a reader needs in order to believe a timing.

Never a host name, a user name or a path below the home folder: run folders are passed around.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
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
    "transformers",
)
"""Distributions whose version can change a number."""

VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
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
    accelerators. What cannot be found out is None. Which of it decides whether two runs may be compared:
    :mod:`harness.fingerprint`.

    >>> sorted(collect())
    ['cpu', 'gpus', 'memory_bytes', 'os', 'packages', 'python', 'source', 'torch', 'variables']
    """
    import psutil

    return {
        "cpu": {
            "model": cpu_model(),
            "architecture": platform.machine(),
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "usable_cores": usable_cores(),
            "governor": governor(),
        },
        "memory_bytes": psutil.virtual_memory().total,
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: installed_version(name) for name in PACKAGES},
        "source": working_copy(Path(__file__).parent),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "gpus": gpus() if gpu else None,
        "torch": torch_settings(),
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
    return len(core_numbers())


def core_numbers() -> list[int]:
    """Numbers of these cores, as the kernel counts them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def governor(sysfs: Path = Path("/sys")) -> str | None:
    """What decides on the frequency of the usable cores, e.g. ``performance``; None where the kernel does not show it.

    Several, if the cores differ, are joined: ``performance, powersave``.
    """
    found = {frequency_file(sysfs, core, "scaling_governor") for core in core_numbers()} - {None}
    return ", ".join(sorted(str(name) for name in found)) or None


def frequency_file(sysfs: Path, core: int, name: str) -> str | None:
    """What the kernel says under ``name`` of a core's frequency; None where it says nothing, as in most guests."""
    try:
        return (sysfs / "devices" / "system" / "cpu" / f"cpu{core}" / "cpufreq" / name).read_text().strip()
    except OSError:
        return None


def working_copy(folder: Path) -> dict[str, Any] | None:
    """Commit of the git working copy that ``folder`` belongs to, whether anything differs from it, and what.

    ``changes`` is a digest of what differs: two dirty copies of one commit hold the same code where it is the same.
    None in a clean copy, and where it could not be made in time.

    None without git, outside a working copy, and for a package that merely lies inside someone's working copy
    (a virtual environment in a repository is not that repository's code).
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes), "changes": _changes(folder) if changes else None}


def _changes(folder: Path) -> str | None:
    """Digest of what Python files differ by from HEAD, those that git does not know included.

    Of code alone: a run folder inside the working copy grows while it runs.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    known = _git(Path(top), "diff", "HEAD", "--no-ext-diff", "--no-color", "--", "*.py")
    names = _git(Path(top), "ls-files", "--others", "--exclude-standard", "-z", "--", "*.py")
    if known is None or names is None:
        return None
    unknown = [name for name in names.split("\0") if name and (Path(top) / name).is_file()]
    hashes = _git(Path(top), "hash-object", "--stdin-paths", given="".join(f"{name}\n" for name in unknown))
    if hashes is None:
        return None
    return hashlib.sha256("\0".join([known, *unknown, hashes]).encode(errors="surrogateescape")).hexdigest()[:12]


def _git(folder: Path, *arguments: str, given: str = "") -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            input=given,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def gpus(*, nvml: Any = None) -> list[dict[str, Any]]:
    """CUDA devices that torch sees, with what their driver says; empty without torch or without a device.

    Args:
        nvml: what stands for the module ``pynvml``; None: the module itself, if it is installed.
    """
    if installed_version("torch") is None:
        return []
    import torch

    if not torch.cuda.is_available():
        return []
    from harness.measure.nvml import Gpu

    devices = []
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        driver = Gpu(str(properties.uuid), nvml=nvml)
        devices.append(
            {
                "name": properties.name,
                "memory_bytes": properties.total_memory,
                "compute_capability": f"{properties.major}.{properties.minor}",
                "cuda": torch.version.cuda,
                "uuid": str(properties.uuid),
                "driver": driver.driver(),
                "power_limit_w": driver.power_limit_w(),
                "mig": driver.mig(),
            }
        )
    return devices


def torch_settings() -> dict[str, Any] | None:
    """Settings of torch that change numbers, as they are in this process; None where it is not imported.

    ``matmul_tf32`` and ``cudnn_tf32``: whether float32 products and convolutions on a GPU are cut to 10 bits of
    mantissa; ``onednn_matmul``: what they are computed in on a CPU (``none``: float32, unless all of torch is set).
    """
    if "torch" not in sys.modules:
        return None
    import torch

    backends: Any = torch.backends
    return {
        "threads": torch.get_num_threads(),
        "cpu_capability": backends.cpu.get_cpu_capability(),
        "onednn": bool(backends.mkldnn.is_available() and backends.mkldnn.enabled),
        "onednn_matmul": _first(lambda: backends.mkldnn.matmul.fp32_precision),
        "float32_matmul_precision": _first(torch.get_float32_matmul_precision),
        "matmul_tf32": _first(
            lambda: backends.cuda.matmul.allow_tf32, lambda: backends.cuda.matmul.fp32_precision == "tf32"
        ),
        "cudnn_tf32": _first(lambda: backends.cudnn.allow_tf32, lambda: backends.cudnn.conv.fp32_precision == "tf32"),
        "cudnn_benchmark": backends.cudnn.benchmark,
        "cudnn_deterministic": backends.cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def _first(*reads: Callable[[], Any]) -> Any:
    """The first setting that torch tells; None if it tells none.

    From 2.9 on it has two interfaces to them and refuses to read through the older one what was set through the
    newer; before, the newer is not there.
    """
    for read in reads:
        try:
            return read()
        except (RuntimeError, AttributeError):
            continue
    return None
