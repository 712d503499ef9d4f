"""Numbers are the same by one process or four, one video at a time or all at once: real processes over gloo."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from torch.multiprocessing import start_processes

from harness.metrics.base import Tools
from harness.registry import names
from streaming_by_processes import VIDEOS, captions, frames_of, made, score, videos
from video_sets import video_set

PROCESSES = (1, 4)
BATCHES = (1, 32)
TOO_FEW = ("fvd_infinity", "niqe")
"""Metrics that these few small videos have no value for: some hundreds are needed, or frames of 192x192."""
JUDGED = ("digit_accuracy", "direction_accuracy")
"""Fed in test_streaming: the judge takes long to train."""


def asked() -> tuple[str, ...]:
    """Every metric that runs here. Families of features are on shipped networks once each, then on mean colours."""
    found = []
    for name in names("metrics"):
        family, _, network = name.partition("[")
        if made(name).status not in ("exact", "stand-in") or family in (*TOO_FEW, *JUDGED):
            continue
        if network in ("transnetv2]", "efficientnet-lite0]") and family not in ("fvd", "fid"):
            found.append(f"{family}[colours]")
        elif network not in ("digit-judge]", "mobilenetv2]"):
            found.append(name)
    return tuple(found)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By number of processes, where each of them has left what it had in the end."""
    # What takes seconds to import is imported once, not in each of four processes.
    multiprocessing.set_forkserver_preload(["harness.metrics.streaming", "transformers"])
    found = {}
    for processes in PROCESSES:
        folder = found[processes] = tmp_path_factory.mktemp(f"processes-{processes}")
        job = processes, BATCHES, asked(), folder
        if processes == 1:
            score(0, *job)
        else:
            start_processes(score, job, nprocs=processes, start_method="forkserver")
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float | None]]:
    """Name to [value, lo, hi, n] as the metric itself gives it."""
    folder = tmp_path_factory.mktemp("plain")
    tools, found = Tools(cache=folder, judges=folder), {}
    for name in asked():
        sides = [video_set(videos(side, frames_of(name)), side, prompts=captions()) for side in ("made", "real")]
        answer = made(name).score(sides[0], sides[1], tools)
        assert answer.value is not None, (name, answer.reason)
        found[name] = [answer.value, answer.lo, answer.hi, answer.n]
    return found


@pytest.mark.parametrize("name", asked())
def test_a_metric_is_the_same_by_any_number_of_processes_and_batches(
    name: str, folders: dict[int, Path], plain: dict[str, list[float | None]]
) -> None:
    assert plain[name][3] == VIDEOS
    for processes, folder in folders.items():
        for rank in range(processes):
            for batch in BATCHES:
                merged = json.loads((folder / f"{rank}-{batch}.json").read_text())[name]
                for ours, expected in zip(merged, plain[name], strict=True):
                    near = expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9)
                    assert ours == near, (processes, rank, batch)


def test_every_metric_that_runs_here_was_asked_but_for_those_named() -> None:
    offline = {name.partition("[")[0] for name in names("metrics") if made(name).status in ("exact", "stand-in")}
    assert offline - {name.partition("[")[0] for name in asked()} == {*TOO_FEW, *JUDGED}


def test_no_process_of_four_saw_all_videos_and_shares_were_unequal(folders: dict[int, Path]) -> None:
    """What was merged were parts, and some processes had none."""
    shares = {
        batch: [json.loads((folders[4] / f"{rank}-{batch}.json").read_text())["seen"] for rank in range(4)]
        for batch in BATCHES
    }
    assert shares == {1: [3, 3, 2, 2], 32: [10, 0, 0, 0]}
