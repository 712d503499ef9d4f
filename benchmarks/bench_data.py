"""How fast moving digits are drawn on one thread: ``pytest benchmarks/bench_data.py``; no part of the suite.

``clips_per_second`` in the extra info is what to compare; training eats two to three dozen clips a step.
"""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

from harness.data.digits import MovingDigits

CLIPS = 2000


@pytest.mark.parametrize("canvas", [16, 32])
def test_draw_clips(benchmark: BenchmarkFixture, canvas: int) -> None:
    data = MovingDigits(canvas=canvas, frames=16)
    numbers = np.arange(CLIPS)
    with threadpool_limits(1):
        clips = benchmark(data.clips, "train", numbers)
    assert len(clips.frames) == CLIPS
    benchmark.extra_info["clips_per_second"] = round(CLIPS / benchmark.stats.stats.median)
