"""Clocks and marks: known durations, a GPU's events by a fake, and clocks that cannot be believed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from harness.errors import UnitError
from harness.measure.clock import CudaStopwatch, HostStopwatch, elapsed, timed
from harness.measure.probe import CountingProbe, SpanProbe, TimingProbe


def clock_of(*readings: float) -> Callable[[], float]:
    """A clock that shows these, one after the other."""
    left = iter(readings)
    return lambda: next(left)


class FakeEvent:
    """A CUDA event of a device whose queue runs behind the host."""

    now_ms = 0.0

    def record(self) -> None:
        self.at = FakeEvent.now_ms

    def elapsed_time(self, end: FakeEvent) -> float:
        return end.at - self.at


def test_a_call_is_timed_from_its_start_to_its_end() -> None:
    assert timed(lambda: None, device="cpu", clock=clock_of(10.0, 12.5)) == 2.5


@pytest.mark.parametrize("end", [9.0, 10.0, math.nan, math.inf])
def test_a_clock_that_runs_backwards_stands_still_or_shows_no_number_is_refused(end: float) -> None:
    with pytest.raises(UnitError, match="thrown away"):
        timed(lambda: None, device="cpu", clock=clock_of(10.0, end))


def test_a_clock_that_can_be_believed_is_not_refused() -> None:
    assert elapsed(10.0, 10.0 + 1e-9) > 0


def test_the_time_of_a_gpu_is_that_of_its_own_queue_in_seconds() -> None:
    watch = CudaStopwatch(FakeEvent)
    FakeEvent.now_ms = 5.0
    start = watch.mark()
    FakeEvent.now_ms = 255.0
    assert watch.seconds(start, watch.mark()) == 0.25


def test_spans_and_steps_are_kept_one_by_one_under_the_name_of_their_stage() -> None:
    probe = TimingProbe(HostStopwatch(clock_of(0, 1, 1, 2, 2, 4, 4, 4.5, 5, 5.5)))
    with probe.span("text"):
        pass
    for stage in (0, 0, 1):
        with probe.step(0, stage=stage, frames=4):
            pass
    with probe.span("decode"):
        pass
    assert probe.seconds() == {
        "text": [1],
        "denoise_step[stage=0]": [1, 2],
        "denoise_step[stage=1]": [0.5],
        "decode": [0.5],
    }


def test_marks_of_a_gpu_are_read_after_the_work_and_not_while_it_is_queued() -> None:
    """Reading an event waits for the device; inside the work that would be a synchronisation per step."""
    reads: list[FakeEvent] = []

    class Watched(FakeEvent):
        def elapsed_time(self, end: FakeEvent) -> float:
            reads.append(end)
            return super().elapsed_time(end)

    probe = TimingProbe(CudaStopwatch(Watched))
    with probe.span("denoise", stage=0):
        pass
    assert reads == []
    assert probe.seconds() == {"denoise[stage=0]": [0.0]}
    assert len(reads) == 1


def test_time_that_was_measured_elsewhere_stands_beside_the_marks() -> None:
    probe = TimingProbe(HostStopwatch(clock_of(0, 1)))
    with probe.span("text"):
        pass
    probe.report("decode", 0.25)
    probe.report("step", 0.5, stage=1)
    assert probe.seconds() == {"text": [1], "decode": [0.25], "denoise_step[stage=1]": [0.5]}


def test_a_span_that_fails_leaves_no_time() -> None:
    probe = TimingProbe(HostStopwatch(clock_of(0, 1)))
    with pytest.raises(RuntimeError), probe.span("text"):
        raise RuntimeError
    assert probe.seconds() == {}


def test_the_counting_probe_attributes_flops_to_spans_and_steps() -> None:
    total = iter([0, 5, 5, 25])
    probe = CountingProbe(read_flops=lambda: next(total))
    with probe.span("text"):
        pass
    with probe.step(0, stage=1, frames=4):
        pass
    assert [(one.scope, one.flops) for one in probe.counted] == [("text", 5), ("denoise_step[stage=1]", 20)]
    assert probe.counted[1].attributes["frames"] == 4


def test_the_span_probe_adds_up_spans_and_averages_notes() -> None:
    probe = SpanProbe(clock=clock_of(0.0, 1.0, 10.0, 12.5))
    with probe.span("forward"):
        pass
    with probe.span("forward", stage=1):
        pass
    probe.note("saved", 0.1)
    probe.note("saved", 0.3)
    assert probe.spans_s == {"forward": 3.5}
    assert probe.notes() == {"saved": pytest.approx(0.2)}
