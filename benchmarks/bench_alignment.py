"""What alignment saves, and the bias that it pays with: noise that depends on the clip and on its class.

A permutation leaves the noise Gaussian over the whole batch, but not given the clip's class, which is what a
conditional sampler is asked for; it starts from plain Gaussian noise. Prints, for each stage of the standard study's
pyramid and each scope of the assignment, the share of the L2 distance saved, and the mean noise along the clip and
along what sets its digit apart, in standard deviations. No training. Run with ``pytest benchmarks/bench_alignment.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.assembly import build_dataset
from harness.generator import Batch
from harness.study import Study, load_study, locate
from harness.training import make_batch
from tpdiff import TemporalPyramid
from tpdiff.alignment import assign, distances

BATCHES = 300
Rows = torch.Tensor


def identity(rows: Rows, distance: torch.Tensor, classes: torch.Tensor) -> Rows:
    return rows


def within_stage(rows: Rows, distance: torch.Tensor, classes: torch.Tensor) -> Rows:
    return rows[assign(distance[rows][:, rows]).order]


def whole_batch(rows: Rows, distance: torch.Tensor, classes: torch.Tensor) -> Rows:
    """As ``pooled`` would if all clips were in this stage: the strongest it can be."""
    return assign(distance).order[rows]


def within_class(rows: Rows, distance: torch.Tensor, classes: torch.Tensor) -> Rows:
    """Only clips of one class change noises, so no class can have a bias."""
    order = torch.arange(len(distance))
    for label in classes.unique():
        same = (classes == label).nonzero().squeeze(1)
        order[same] = same[assign(distance[same][:, same]).order]
    return order[rows]


SCOPES: dict[str, Callable[[Rows, torch.Tensor, torch.Tensor], Rows]] = {
    "off": identity,
    "batch": within_stage,
    "pooled": whole_batch,
    "within class": within_class,
}


def study() -> Study:
    return load_study(locate("standard", "studies"))


def digits(batch: Batch) -> torch.Tensor:
    """A class for each clip: the third word of "the digit 5 moving ..."."""
    return batch.tokens[:, 2]


@pytest.mark.parametrize("scope", SCOPES)
def test_what_alignment_saves_and_costs(benchmark: BenchmarkFixture, scope: str) -> None:
    config = study()
    config = config.model_copy(update={"training": config.training.model_copy(update={"caption_dropout": 0.0})})
    dataset, pyramid = build_dataset(config), TemporalPyramid.build(3)
    torch.set_num_threads(config.threads)
    print()
    for stage in pyramid.stages:
        before = after = 0.0
        seen, given, named = [], [], []
        for step in range(BATCHES):
            batch = make_batch(config, dataset, seed=0, step=step)
            clips = pyramid.resampling.reduce(batch.clips, stage.stride)
            noise = pyramid.resampling.band(batch.noise, stage.stride)
            table, classes = distances(clips, noise), digits(batch)
            rows = torch.arange(stage.index, len(clips), len(pyramid))
            order = SCOPES[scope](rows, table, classes)
            before += table[rows, rows].sum().item()
            after += table[rows, order].sum().item()
            seen.append(clips[rows].flatten(1))
            given.append(noise[order].flatten(1))
            named.append(classes[rows])
        own, towards, chance = biases(torch.cat(seen), torch.cat(given), torch.cat(named))
        line = (
            f"saved {1 - after / before:.2%}, along the clip {own:+.3f}, along its digit {towards:+.3f} ({chance:.3f})"
        )
        benchmark.extra_info[f"stage {stage.index}"] = line
        print(f"{scope}, stage {stage.index} ({clips[0].numel()} values): {line}")
    benchmark.pedantic(SCOPES[scope], args=(rows, table, classes), rounds=5)


def biases(clips: torch.Tensor, noise: torch.Tensor, classes: torch.Tensor) -> tuple[float, float, float]:
    """Mean noise (N, D) along the clips (N, D), and along what sets a clip's class apart; the latter's chance.

    All in standard deviations of one noise along a fixed direction; unbiased noise gives 0, give or take the chance.
    """
    common = clips.mean(dim=0)
    means = {label: clips[classes == label].mean(dim=0) - common for label in classes.unique().tolist()}
    apart = torch.stack([means[label] for label in classes.tolist()])
    own, towards = ((noise * way).sum(1) / way.norm(dim=1) for way in (clips, apart))
    return own.mean().item(), towards.mean().item(), len(clips) ** -0.5
