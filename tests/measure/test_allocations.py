"""Torch's CPU allocator counted to the byte: known sizes, the inside of operators, stretches, and faults."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.measure.allocations import AllocationCount, Stretch, find_tensor, stretches
from harness.measure.memory import MemoryProbe, UnreadableError

MIB = 2**20


def test_a_tensor_of_known_size_is_found_to_the_byte_though_nobody_touched_it() -> None:
    answer = find_tensor(200 * MIB)
    assert (answer.found_bytes, answer.agrees) == (200 * MIB, True)


def test_what_lives_when_the_work_begins_is_the_baseline_and_counts() -> None:
    with AllocationCount() as count:
        kept = [torch.empty(3 * MIB, dtype=torch.uint8)]
        count.begin()
        torch.empty(2 * MIB, dtype=torch.uint8)
        kept.clear()
        torch.empty(4 * MIB, dtype=torch.uint8)
        count.cut()
    peaks = count.peaks()
    assert (peaks.baseline_bytes, peaks.whole) == (3 * MIB, 5 * MIB), "3 + 2, then 0 + 4"


def test_what_lived_before_the_count_is_neither_counted_nor_taken_off() -> None:
    before = [torch.empty(50 * MIB, dtype=torch.uint8)]
    with AllocationCount() as count:
        count.begin()
        before.clear()
        torch.empty(2 * MIB, dtype=torch.uint8)
        count.cut()
    assert (count.peaks().baseline_bytes, count.peaks().whole) == (0, 2 * MIB)


def test_a_file_that_was_mapped_before_is_not_taken_off_when_it_goes(tmp_path: Path) -> None:
    """Torch reports the end of a mapping, though not that of other memory that it handed out before."""
    file = tmp_path / "weights"
    file.write_bytes(bytes(8 * MIB))
    before = [torch.UntypedStorage.from_file(str(file), shared=False, nbytes=8 * MIB)]
    with AllocationCount() as count:
        count.begin()
        before.clear()
        mapped = torch.UntypedStorage.from_file(str(file), shared=False, nbytes=8 * MIB)
        torch.empty(2 * MIB, dtype=torch.uint8)
        count.cut()
    assert (count.peaks().baseline_bytes, count.peaks().whole) == (0, 10 * MIB), "one that is mapped later counts"
    assert mapped.nbytes() == 8 * MIB


def test_what_an_operator_takes_and_gives_back_inside_of_itself_is_seen() -> None:
    """A convolution of doubles unfolds its input: 9 times its size, which no tensor of the caller's ever shows."""
    x, weight = torch.randn(1, 16, 64, 64, dtype=torch.float64), torch.randn(16, 16, 3, 3, dtype=torch.float64)
    size = x.numel() * x.element_size()
    with AllocationCount() as count:
        count.begin()
        F.conv2d(x, weight, padding=1)
        count.cut()
    assert count.peaks().whole is not None
    assert 9 * size <= (count.peaks().whole or 0) < 12 * size


def test_a_training_step_of_a_linear_layer_has_the_peak_that_one_can_add_up() -> None:
    """Weights, input, output, its gradient (of ones), the gradient of the weights, and scalars."""
    rows, width, unit = 64, 256, 4
    with AllocationCount() as count:
        layer, x = nn.Linear(width, width, bias=False), torch.empty(rows, width)
        count.begin()
        layer(x).backward(torch.ones(rows, width))
        count.cut()
    peaks = count.peaks()
    weights, activations = width * width * unit, rows * width * unit
    assert peaks.baseline_bytes == weights + activations
    assert peaks.whole == pytest.approx(2 * weights + 3 * activations, abs=1024)
    assert layer.weight.grad is not None


def test_the_steps_of_a_stage_are_told_apart() -> None:
    with AllocationCount() as count:
        probe = MemoryProbe(count.cut)
        count.begin()
        torch.empty(9 * MIB, dtype=torch.uint8)
        for stage, size in ((0, 2), (1, 5), (0, 3)):
            with probe.step(0, stage=stage):
                torch.empty(size * MIB, dtype=torch.uint8)
        count.cut()
    peaks = count.peaks()
    assert (peaks.whole, dict(peaks.by_stage)) == (9 * MIB, {0: 3 * MIB, 1: 5 * MIB})


def test_work_that_torch_does_not_do_holds_no_bytes_of_torch() -> None:
    with AllocationCount() as count:
        count.begin()
        bytearray(MIB)
        count.cut()
    assert count.peaks().whole == 0


def test_two_counts_after_each_other_do_not_mix() -> None:
    kept = []
    for size in (4 * MIB, 1 * MIB):
        with AllocationCount() as count:
            count.begin()
            kept.append(torch.empty(size, dtype=torch.uint8))
            count.cut()
        assert count.peaks().whole == size


def test_the_count_ends_with_the_work_that_fails_and_another_can_begin() -> None:
    with pytest.raises(RuntimeError, match="invalid for input"), AllocationCount():
        torch.empty(2).view(3)
    assert find_tensor(MIB).agrees


class Profile:
    """A profiler as another torch might make it: without the attribute that is read."""

    profiler = None

    def __init__(self, **_: object) -> None:
        """Takes what torch's takes."""

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was started."""


def test_a_torch_that_keeps_its_events_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.measure.allocations.profile", Profile)
    with pytest.raises(UnreadableError) as raised, AllocationCount():
        pass
    assert f"the profiler of torch {torch.__version__} keeps" in str(raised.value)
    assert "kineto_results" in str(raised.value)


def test_stretches_of_nothing_are_empty() -> None:
    assert stretches([], [1, 2]) == [Stretch(before=0, most=0)]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(-9, 9)), max_size=40),
    st.lists(st.integers(0, 50), min_size=2, max_size=6),
)
def test_the_largest_stretch_is_the_peak_between_the_first_and_the_last_mark(
    changes: list[tuple[int, int]], marks: list[int]
) -> None:
    """Against a running sum of all changes."""
    changes, marks = sorted(changes, key=lambda change: change[0]), sorted(marks)
    found = stretches(changes, marks)
    before = sum(size for time, size in changes if time < marks[0])
    inside = accumulate((size for time, size in changes if marks[0] <= time < marks[-1]), initial=before)
    assert len(found) == len(marks) - 1
    assert found[0].before == before
    assert max(stretch.most for stretch in found) == max(inside)
