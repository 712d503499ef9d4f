"""One timed call by two clocks and in its parts; and the energy of a stretch of calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.measure.clock import Stopwatch, stopwatch, synchronize, timed
from harness.measure.energy import EnergyMeter, NoMeter
from harness.measure.probe import TimingProbe

STRETCH_S = 2.0
"""Calls are repeated for so long while energy is measured: twenty steps of a GPU's counter."""


class Call:
    """Measures one call and is thrown away. ``probe`` is for the work to open its spans on."""

    def __init__(self, device: str, *, watch: Stopwatch | None = None) -> None:
        """``watch`` takes the marks; the device's own unless given."""
        self._device = device
        self._watch = watch or stopwatch(device)
        self.probe = TimingProbe(self._watch)

    def measure(self, work: Callable[[], object]) -> dict[str, Any]:
        """Seconds by the host's clock, by the device's own (None on the CPU), and of each span.

        Raises:
            UnitError: the clock cannot be believed.
        """
        marks: list[Any] = []

        def marked() -> None:
            marks.append(self._watch.mark())
            work()
            marks.append(self._watch.mark())

        seconds = timed(marked, device=self._device)
        on_gpu = self._device.startswith("cuda")
        return {
            "seconds": seconds,
            "device_s": self._watch.seconds(*marks) if on_gpu else None,
            "spans_s": self.probe.seconds(),
        }


def energy_of(
    work: Callable[[], object],
    meters: Mapping[str, EnergyMeter],
    *,
    device: str,
    stretch_s: float = STRETCH_S,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict[str, Any]]:
    """Joules of repeated calls by meter. Where no meter measures anything, nothing is called.

    Returns:
        By meter: ``calls``, ``seconds`` of the stretch, ``joules`` or None, ``method``, and the ``reason`` of a None.
    """
    calls = 0
    for meter in meters.values():
        meter.start()
    begun = clock()
    while not all(isinstance(meter, NoMeter) for meter in meters.values()) and clock() - begun < stretch_s:
        work()
        synchronize(device)
        calls += 1
    found = {}
    for name, meter in meters.items():
        reading = meter.stop()
        found[name] = {
            "calls": calls,
            "seconds": reading.seconds,
            "joules": reading.joules,
            "method": reading.method,
            "reason": reading.reason,
        }
    return found
