"""Throughput, share of the peak, energy: what follows from time, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from harness.measure.hardware import Peak
from harness.rates import energies, throughputs, utilisations
from harness.records import EnergyRecord, Measurement
from harness.study import Study
from synthetic_run import count, make_study

STUDY: Study = make_study(training={"steps": 1, "batch": 8, "learning_rate": 1e-3}, latency={"videos": 4})


def latency(scope: str, value: float | None = 2.0, **fields: Any) -> Measurement:
    ends = {} if value is None else {"lo": 1.6, "hi": 2.5}
    base: dict[str, Any] = {
        "generator": "tpdiff",
        "seed": 0,
        "metric": "latency_s",
        "scope": scope,
        "unit": "s",
        "n": 9,
    }
    return Measurement(**{**base, "value": value, **ends, **fields})


def peak_of(dtype: str) -> Peak:
    assert dtype == "float32"
    return Peak(name="a card", dtype=dtype, flop_per_s=100.0, bandwidth_bytes_s=1.0, source="its sheet")


def test_throughput_is_what_a_call_handles_over_its_time_and_the_interval_turns_round() -> None:
    videos, clips = throughputs(STUDY, [latency("end_to_end"), latency("training_step"), latency("denoise")])
    assert (videos.metric, videos.value, videos.lo, videos.hi) == ("videos_per_s", 2.0, 4 / 2.5, 4 / 1.6)
    assert (clips.metric, clips.value, clips.n) == ("clips_per_s", 4.0, 9)


def test_a_time_that_is_missing_gives_a_throughput_that_is_missing_for_the_same_reason() -> None:
    (row,) = throughputs(STUDY, [latency("end_to_end", None, reason="out of memory")])
    assert (row.value, row.reason) == (None, "out of memory")


def test_the_share_of_the_peak_is_the_flops_of_all_videos_of_a_request_over_time_and_peak() -> None:
    counts = [count("tpdiff", 10.0, scope="video"), count("tpdiff", 50.0)]
    sampling, training = utilisations(STUDY, [latency("end_to_end"), latency("training_step")], counts, peaks=peak_of)
    assert sampling.value == pytest.approx(4 * 10 / 2 / 100)
    assert training.value == pytest.approx(50 / 2 / 100)
    assert (training.lo, training.hi) == (pytest.approx(50 / 2.5 / 100), pytest.approx(50 / 1.6 / 100))
    assert "its sheet" in training.method


@pytest.mark.parametrize(
    ("rows", "counts", "peaks", "reason"),
    [
        (latency("training_step"), [count("tpdiff", 50.0)], lambda dtype: "no peak is known", "no peak is known"),
        (latency("training_step"), [], peak_of, "its FLOPs were not counted"),
        (latency("training_step"), [count("tpdiff", None)], peak_of, "out of memory while counting"),
        (latency("training_step", None, reason="it broke"), [count("tpdiff", 50.0)], peak_of, "it broke"),
    ],
)
def test_without_a_time_a_count_or_a_peak_there_is_no_share_and_the_reason_is_told(
    rows: Measurement, counts: list[Measurement], peaks: Any, reason: str
) -> None:
    (row,) = utilisations(STUDY, [rows], counts, peaks=peaks)
    assert (row.value, row.reason) == (None, reason)


def test_a_share_beyond_the_peak_is_no_share_but_a_wrong_peak() -> None:
    (row,) = utilisations(STUDY, [latency("training_step")], [count("tpdiff", 900.0)], peaks=peak_of)
    assert row.value is None
    assert "4.50 of the peak, which is therefore too low (its sheet)" in (row.reason or "")


def stretch(joules: float | None, *, scope: str = "end_to_end", launch: int = 0, attempt: int = 1) -> EnergyRecord:
    return EnergyRecord(
        generator="tpdiff",
        seed=0,
        scope=scope,
        launch=launch,
        attempt=attempt,
        meter="gpu",
        stretch=0,
        calls=5,
        seconds=2.0,
        joules=joules,
        method="a counter",
        reason=None if joules is not None else "the GPU is lost",
    )


def test_energy_is_told_per_video_and_per_training_step() -> None:
    found = energies(STUDY, [stretch(200.0), stretch(240.0, launch=1), stretch(50.0, scope="training_step")])
    video, solver_step, step = found
    assert (video.metric, video.scope, video.unit) == ("energy_j[gpu]", "video", "J")
    assert video.value == pytest.approx((200 + 240) / 2 / 5 / 4), "five calls of four videos"
    assert (solver_step.scope, solver_step.value) == ("solver_step", pytest.approx(11 / STUDY.sampling.steps))
    assert (step.scope, step.value) == ("training_step", 10.0)


def test_only_the_last_try_of_a_launch_counts_and_a_lost_gpu_is_a_reason() -> None:
    for row in energies(STUDY, [stretch(200.0), stretch(None, attempt=2)]):
        assert (row.value, row.reason) == (None, "the GPU is lost")
    row, _ = energies(STUDY, [stretch(None), stretch(200.0, attempt=2)])
    assert row.value == 10.0


def test_a_try_that_a_kill_left_uncounted_is_told_by_its_repeated_stretch() -> None:
    """The driver died before it could count the try, so the next one bears the same number."""
    row, _ = energies(STUDY, [stretch(100.0), stretch(200.0)])
    assert (row.value, row.n) == (10.0, 1)
