"""How fast moving digits are drawn on one thread, and what reading a video whole and checked takes beside a plain loop
over PyAV: ``pytest benchmarks/bench_data.py``; no part of the suite.

``clips_per_second`` in the extra info is what to compare; training eats two to three dozen clips a step.
``times_plain_loop`` is the fastest of as many runs of both; the real clips must be fetched. Goal: at most 1.15.
"""

from __future__ import annotations

import time
from pathlib import Path

import av
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

from harness import weights
from harness.data.digits import MovingDigits
from harness.video import read_video

CLIPS = 2000


@pytest.mark.parametrize("canvas", [16, 32])
def test_draw_clips(benchmark: BenchmarkFixture, canvas: int) -> None:
    data = MovingDigits(canvas=canvas, frames=16)
    numbers = np.arange(CLIPS)
    with threadpool_limits(1):
        clips = benchmark(data.clips, "train", numbers)
    assert len(clips.frames) == CLIPS
    benchmark.extra_info["clips_per_second"] = round(CLIPS / benchmark.stats.stats.median)


def plain_loop(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])


@pytest.mark.parametrize("clip", ["clip-bikes", "clip-bigbuckbunny", "clip-carphone-pristine", "clip-city"])
def test_read_video(benchmark: BenchmarkFixture, clip: str) -> None:
    path = weights.path(clip)
    plain = []
    for _ in range(5):
        began = time.perf_counter()
        expected = plain_loop(path)
        plain.append(time.perf_counter() - began)
    video = benchmark.pedantic(read_video, args=(path,), rounds=5)
    assert np.array_equal(video.frames, expected)
    benchmark.extra_info["frames_per_second"] = round(len(expected) / benchmark.stats.stats.min)
    benchmark.extra_info["times_plain_loop"] = round(benchmark.stats.stats.min / min(plain), 3)
