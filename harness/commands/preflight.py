"""What must hold before a run writes anything: plugins, torch, the device, and nobody else in the folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from harness.errors import UnitError, UsageError
from harness.input_files import validation_message
from harness.study import Study


def with_plugins(study: Study, plugins: Sequence[str], path: Path) -> Study:
    """The study with a generator entry per ``file.py:Class``, which are then part of its digest.

    Raises:
        UsageError: a plugin is not written so, its file does not exist, or its label is taken.
    """
    for plugin in plugins:
        if not re.fullmatch(r".+\.py:[A-Za-z_]\w*", plugin):
            raise UsageError(
                f"--plugin {plugin}: expected file.py:Class, a Python file and a generator class in it. "
                "Packaged generators are named in the study under `generators`."
            )
    if plugins:
        data = study.model_dump(mode="json")
        data["generators"] += [{"name": plugin} for plugin in plugins]
        try:
            study = Study.model_validate(data)
        except ValidationError as error:
            raise UsageError(validation_message(error, Study, path)) from error
    for file in plugin_files(study):
        if not file.is_file():
            raise UsageError(
                f"no such file: {file}, named by this study. "
                f"Paths of plugins are relative to the folder you are in, {Path.cwd()}."
            )
    return study


def plugin_files(study: Study) -> list[Path]:
    """The files of those plugins, of whatever kind, that are given as ``file.py:name``."""
    names = [study.data.name, study.backbone.name, *(entry.name for entry in study.generators), *study.metrics]
    places = [name.rpartition(":")[0] for name in names]
    return [Path(place) for place in places if place.endswith(".py")]


def run_name(study: Study) -> str:
    """Name of the run folder: the study's digest, to which the text of its file plugins counts.

    An edited plugin gets a folder of its own; its records are never mixed with those of another version.
    """
    files = plugin_files(study)
    if not files:
        return study.digest()
    content = study.digest().encode() + b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(content).hexdigest()[:8]


def require_torch() -> None:
    """
    Raises:
        UsageError: torch is not installed, so nothing can be trained or sampled.
    """
    if importlib.util.find_spec("torch") is None:
        raise UsageError(
            "cannot run a study: torch is not installed. The minimal install only plans and reads runs. "
            "Install the rest with `pip install 'tpbench[run]'`."
        )


def require_device(device: str) -> None:
    """
    Raises:
        UsageError: the study asks for a CUDA device that this machine or this torch does not have.
    """
    if device == "cpu":
        return
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    wanted = int(device.partition(":")[2] or 0)
    if wanted >= found:
        raise UsageError(
            f"cannot run on '{device}': torch {torch.__version__} sees {found} CUDA devices here. "
            "Set `device: cpu` in the study, or run it where `tpbench doctor` shows such a device."
        )


def require_options(study: Study) -> None:
    """Let every generator and its backbone check their options, in a process of their own.

    A plugin that crashes there is not refused: its units will fail with the reason, and the others go on.

    Raises:
        UsageError: an option is unknown or does not fit, or weights are taken that were trained for something else;
            names the place.
    """
    from harness.launch.local import WorkerProcess

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "study.yaml").write_text(study.to_yaml(), encoding="utf-8")
        trained_for: dict[str, dict[str, Any]] = {}
        with WorkerProcess(Path(folder), threads=study.threads, name="check", timeout_s=study.unit_timeout_s) as worker:
            for number, entry in enumerate(study.generators):
                with contextlib.suppress(UnitError):
                    reply = worker.call({"do": "check", "generator": entry.label, "seed": study.seeds[0]})
                    if reply["problem"] is not None:
                        raise UsageError(f"generators[{number}] ('{entry.label}'): {reply['problem']}")
                    trained_for[entry.label] = reply["trained_for"]
    for number, entry in enumerate(study.generators):
        own, source = trained_for.get(entry.label, {}), trained_for.get(entry.trained_as, {})
        unlike = [name for name in own | source if own.get(name) != source.get(name)] if own and source else []
        if unlike:
            differences = ", ".join(f"{name} {own.get(name)} instead of {source.get(name)}" for name in unlike)
            raise UsageError(
                f"generators[{number}] ('{entry.label}') cannot sample with the weights of '{entry.weights_of}', which "
                f"are trained for something else: {differences}. Drop weights_of, so that it is trained itself, or let "
                "it differ in options of sampling alone."
            )


@contextlib.contextmanager
def single(folder: Path) -> Iterator[None]:
    """Only one ``run`` at a time works in a folder. The lock dies with its process, however that ends.

    Raises:
        UsageError: another one is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"another `tpbench run` is working in {folder}. Wait until it is done, or stop it: "
            "the same command then goes on where it stopped."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """SIGTERM (a scheduler, a shutdown) ends a run as Ctrl-C does: status written, workers stopped."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
