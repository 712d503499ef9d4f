"""Statistics of features that several processes gather, each of its own share; a module, since processes import it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import distributed

from harness.metrics.frechet import FeatureStatistics


def features() -> np.ndarray:
    """(101, 6), large and with little variation, as networks give."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(101, 6)) @ rng.normal(size=(6, 6)) + 100


def gather(rank: int, processes: int, batches: tuple[int, ...], folder: Path) -> None:
    """Deal the batches out to the processes in turn, join their statistics, and save what each process then has:
    ``RANK-BATCH.npz`` with the joined ``mean``, ``covariance`` and ``count``, and the process's ``own_count``."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=processes)
    everything = torch.from_numpy(features())
    for batch in batches:
        statistics = FeatureStatistics(everything.shape[1], origin=everything[0].numpy())
        for part in everything.split(batch)[rank::processes]:
            statistics.update(part)
        own_count = statistics.count.item()
        mean, covariance = statistics.compute()
        with statistics.sync_context():
            count = statistics.count.item()
        np.savez(
            folder / f"{rank}-{batch}.npz",
            mean=mean.numpy(),
            covariance=covariance.numpy(),
            count=count,
            own_count=own_count,
        )
    distributed.destroy_process_group()
