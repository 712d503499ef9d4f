"""A run that meets every claim it can."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store import Run
from synthetic_run import (
    CANDIDATE,
    CONTROL,
    Fill,
    count,
    motion,
    record,
    sample,
    scored,
    share,
    timings,
)


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """A run that meets every claim it can, but for what the test changes."""

    def make(
        *,
        latency: float = 1.7,
        step: float = 2.0,
        flops: float = 2.0,
        noise: float = 0.01,
        digit: list[float] | None = None,
        control_digit: list[float] | None = None,
        control_direction: list[float] | None = None,
        direction: list[float] | None = None,
        energy: list[float] | None = None,
        nfe: int = 30,
    ) -> Run:
        run = Run(tmp_path)
        run.append(timings(latency, scope="end_to_end", noise=noise) + timings(step, scope="training_step"))
        run.append([count(CONTROL, 1e9 * flops), count(CANDIDATE, 1e9)])
        record(
            run,
            scored(CONTROL, "digit_accuracy", share(90) if control_digit is None else control_digit),
            scored(CANDIDATE, "digit_accuracy", share(90) if digit is None else digit),
            scored(CONTROL, "direction_accuracy", share(95) if control_direction is None else control_direction),
            scored(CANDIDATE, "direction_accuracy", share(95) if direction is None else direction),
            scored(CONTROL, "motion_energy_ratio", motion(0.8)),
            scored(CANDIDATE, "motion_energy_ratio", motion(0.8, seed=4) if energy is None else energy),
        )
        run.append([sample(name, i, steps) for name, steps in ((CONTROL, 30), (CANDIDATE, nfe)) for i in range(3)])
        return run

    return make
