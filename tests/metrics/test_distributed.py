"""Statistics of features are the same by one process or four, one video at a time or 32: real processes over gloo."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from torch.multiprocessing import start_processes

from harness.metrics.frechet import frechet_between, frechet_distance
from statistics_by_processes import features, gather

PROCESSES = (1, 4)
BATCHES = (1, 32)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int, int], dict[str, np.ndarray]]:
    """(processes, rank, batch) to what that process had in the end."""
    found = {}
    multiprocessing.set_forkserver_preload(["harness.metrics.frechet"])  # torchmetrics takes seconds to import: once
    for processes in PROCESSES:
        folder: Path = tmp_path_factory.mktemp(f"processes-{processes}")
        start_processes(gather, (processes, BATCHES, folder), nprocs=processes, start_method="forkserver")
        for rank in range(processes):
            for batch in BATCHES:
                with np.load(folder / f"{rank}-{batch}.npz") as file:
                    found[processes, rank, batch] = dict(file)
    return found


def test_every_process_has_the_moments_of_all_videos(
    gathered: dict[tuple[int, int, int], dict[str, np.ndarray]],
) -> None:
    assert len(gathered) == sum(PROCESSES) * len(BATCHES)
    for state in gathered.values():
        assert state["count"] == len(features())
        np.testing.assert_allclose(state["mean"], features().mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(state["covariance"], np.cov(features().T), rtol=1e-9, atol=1e-12)


def test_the_distance_is_the_same_to_a_millionth(
    gathered: dict[tuple[int, int, int], dict[str, np.ndarray]],
) -> None:
    other = np.random.default_rng(1).normal(101, 2, size=(90, 6))
    whole = frechet_between([features()], [other])
    reference = other.mean(axis=0), np.cov(other.T)
    for state in gathered.values():
        assert frechet_distance(state["mean"], state["covariance"], *reference) == pytest.approx(whole, rel=1e-6)


def test_no_process_of_four_saw_all_videos_and_shares_were_unequal(
    gathered: dict[tuple[int, int, int], dict[str, np.ndarray]],
) -> None:
    """What was joined were parts: a process's own would have given another number."""
    shares = {batch: [int(gathered[4, rank, batch]["own_count"]) for rank in range(4)] for batch in BATCHES}
    assert shares == {1: [26, 25, 25, 25], 32: [32, 32, 32, 5]}
    part = features()[64:96]
    assert frechet_between([part], [features()]) > 1e-2
