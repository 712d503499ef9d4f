"""A torch.profiler pass over one call: a trace for chrome://tracing or Perfetto. Never while anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, record_function
from torch.profiler import profile as torch_profile

from harness.generator import NullProbe, Probe
from harness.measure.clock import synchronize
from harness.measure.probe import StepsAreSpans, scope_of

SHOWN = 12
"""Operators in the summary."""


class _NamingProbe(StepsAreSpans):
    """Spans and steps stand in the trace under the names that records give them."""

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        with record_function(scope_of(name, attributes)):
            yield


def profile(work: Callable[[Probe], object], path: Path, *, device: str) -> dict[str, Any]:
    """Do the work twice, the second time under the profiler, and write the trace.

    Returns:
        ``operators``: the costliest by their own time, as name, calls and seconds; profiling makes them longer than
        they are, so they tell shares, not latencies.
    """
    on_gpu = device.startswith("cuda")
    work(NullProbe())
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch_profile(activities=activities) as profiler:
        work(_NamingProbe())
        synchronize(device)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    profiler.export_chrome_trace(str(unfinished))
    unfinished.replace(path)
    averages = profiler.key_averages()
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    costliest = sorted(averages, key=lambda event: getattr(event, own), reverse=True)[:SHOWN]
    return {
        "operators": [
            {"name": event.key, "calls": event.count, "seconds": getattr(event, own) / 1e6} for event in costliest
        ]
    }
