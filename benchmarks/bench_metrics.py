"""Speed of video features and of the Frechet distance. Run with ``pytest benchmarks/bench_metrics.py``."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import linalg

from harness import weights
from harness.metrics.features.transnetv2 import load_on
from harness.metrics.frechet import frechet_distance

CLIPS = 4
DIMENSIONS = 256


def moments(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    features = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)) + seed
    return features.mean(axis=0), np.cov(features.T)


def through_sqrtm(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """The route that most implementations take: the square root of a product that is not symmetric."""
    root = linalg.sqrtm(cov_a @ cov_b).real
    difference = mean_a - mean_b
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root))


@pytest.mark.benchmark(group="features of 4 clips of 16 frames")
@pytest.mark.parametrize("size", [16, 64, 256])
def test_transnetv2_features(benchmark: BenchmarkFixture, size: int) -> None:
    weights.fetch("transnetv2")
    extractor = load_on("cpu")
    clips = np.random.default_rng(0).integers(0, 256, (CLIPS, 16, size, size, 3), dtype=np.uint8)
    features = benchmark(extractor, clips)
    benchmark.extra_info["seconds_per_clip"] = benchmark.stats.stats.median / CLIPS
    assert features.shape == (CLIPS, DIMENSIONS)


@pytest.mark.benchmark(group="Frechet distance, d=256")
@pytest.mark.parametrize("count", [64, 1024], ids=["singular", "definite"])
def test_frechet_distance(benchmark: BenchmarkFixture, count: int) -> None:
    assert benchmark(frechet_distance, *moments(0, count), *moments(1, count)) > 0


@pytest.mark.benchmark(group="Frechet distance, d=256")
def test_frechet_distance_through_sqrtm(benchmark: BenchmarkFixture) -> None:
    distance = benchmark(through_sqrtm, *moments(0, 1024), *moments(1, 1024))
    assert distance == pytest.approx(frechet_distance(*moments(0, 1024), *moments(1, 1024)), rel=1e-6)
