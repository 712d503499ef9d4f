"""What scoring does most: the Frechet distance, its statistics, decoding a video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.metrics.frechet import frechet_distance
from harness.video import read_video

DIMENSIONS = 256


def features(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIMENSIONS))


def statistics(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def test_frechet_distance(benchmark: BenchmarkFixture) -> None:
    real, made = statistics(features(512, 0)), statistics(features(512, 1))
    assert benchmark(lambda: frechet_distance(*real, *made)) > 0


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (16, 128, 128, 3), dtype=np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=8)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 128, 128, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_decoding_a_video(benchmark: BenchmarkFixture, video: Path) -> None:
    assert benchmark(lambda: read_video(video)).frames.shape == (16, 128, 128, 3)
