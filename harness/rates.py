"""What follows from time: throughput, share of the machine's peak, energy. Reads records, measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.measure.hardware import Peak, mfu, peak
from harness.measure.peaks import device_name, stored_peaks
from harness.measure.stats import median_interval
from harness.records import EnergyRecord, Measurement, last_tries
from harness.study import Study

Peaks = Callable[[str], Peak | str]

ITEMS = {"end_to_end": ("videos_per_s", "videos"), "training_step": ("clips_per_s", "clips")}
"""Scope of a time to the throughput that follows from it."""


MOST = 1.05
"""A share of the peak beyond this says that the peak is wrong: a card may run a little faster than its sheet says."""


def items(study: Study, scope: str) -> int:
    """Videos of a timed request, clips of a training step."""
    return study.latency.videos if scope == "end_to_end" else study.training.batch


def throughputs(study: Study, latencies: Iterable[Measurement]) -> list[Measurement]:
    """Videos a second of a request, clips a second of a training step: the inverse of each latency."""
    rows = []
    for row in latencies:
        if row.metric != "latency_s" or row.scope not in ITEMS:
            continue
        metric, what = ITEMS[row.scope]
        number = items(study, row.scope)
        rows.append(
            _row(
                row,
                metric=metric,
                unit="1/s",
                value=_over(number, row.value),
                lo=_over(number, row.hi),
                hi=_over(number, row.lo),
                method=f"{number} {what} over latency_s",
                higher_is_better=True,
                reason=row.reason,
            )
        )
    return rows


def utilisations(
    study: Study, latencies: Iterable[Measurement], counts: Iterable[Measurement], *, peaks: Peaks
) -> list[Measurement]:
    """``mfu``: counted FLOPs a second over the peak of the device for the number format; mostly below 1.

    Args:
        study: says how many videos a request has, and what a step computes in.
        latencies: rows of ``latency_s``.
        counts: rows of ``flops``.
        peaks: the device's peak for a number format, or in words why it is not known.
    """
    flops = {(row.generator, row.scope): row for row in counts if row.metric == "flops"}
    rows = []
    for row in latencies:
        if row.metric != "latency_s" or row.scope not in ITEMS:
            continue
        sampling = row.scope == "end_to_end"
        count = flops.get((row.generator, "video" if sampling else row.scope))
        peak = peaks("float32" if sampling else study.training.precision)
        number = study.latency.videos if sampling else 1
        value = lo = hi = reason = None
        if row.value is None:
            reason = row.reason
        elif count is None or count.value is None:
            reason = count.reason if count else "its FLOPs were not counted"
        elif isinstance(peak, str):
            reason = peak
        else:
            work = number * count.value
            value, lo, hi = (
                None if seconds is None else mfu(work, seconds, peak.flop_per_s)
                for seconds in (row.value, row.hi, row.lo)
            )
            if value is not None and value > MOST:
                reason = (
                    f"it would be {value:.2f} of the peak, which is therefore too low ({peak.source}); "
                    "`tpbench doctor --peaks` on a quiet machine measures it anew"
                )
                value = lo = hi = None
        rows.append(
            _row(
                row,
                metric="mfu",
                unit="1",
                value=value,
                lo=lo,
                hi=hi,
                method="" if isinstance(peak, str) or value is None else f"FLOPs over latency_s over {peak.source}",
                higher_is_better=True,
                reason=reason,
                protocol={} if isinstance(peak, str) else {"peak_flop_per_s": peak.flop_per_s, "dtype": peak.dtype},
            )
        )
    return rows


def peaks_of(study: Study) -> Peaks:
    """Of the study's device: by its vendor's sheet, else as ``tpbench doctor --peaks`` measured it."""

    def find(dtype: str) -> Peak | str:
        name = device_name(study.device)
        if (known := peak(name, dtype)) is not None:
            return known
        stored = stored_peaks(study.device, study.threads)
        if stored.peaks is not None and (measured := stored.peaks.peak(dtype)) is not None:
            return measured
        why = stored.reason or f"{dtype} was not among what was measured"
        return f"no peak is known for {name} in {dtype}: {why}; `tpbench doctor --peaks` measures it"

    return find


def energies(study: Study, records: Iterable[EnergyRecord]) -> list[Measurement]:
    """``energy_j[gpu]`` and ``energy_j[cpu]``: medians over stretches of calls.

    Of a training step; of a video; and of a solver step of a video, on whose steps its text and decoding are shared
    out: a counter that moves every tenth of a second cannot tell them apart.
    """
    by_row: dict[tuple[str, str, str], list[EnergyRecord]] = {}
    for record in last_tries(records):
        by_row.setdefault((record.generator, record.scope, record.meter), []).append(record)
    rows = []
    for (generator, scope, meter), stretches in sorted(by_row.items()):
        measured = [one for one in stretches if one.joules is not None]
        seeds = sorted({one.seed for one in stretches})
        for what, number in _energy_scopes(study, scope).items():
            each = [one.joules / one.calls / number for one in measured if one.joules is not None]
            interval = median_interval(each, clusters=[one.launch for one in measured])
            rows.append(
                Measurement(
                    generator=generator,
                    seed=seeds[0] if len(seeds) == 1 else None,
                    metric=f"energy_j[{meter}]",
                    scope=what,
                    unit="J",
                    value=interval.value,
                    lo=interval.lo,
                    hi=interval.hi,
                    n=len(measured),
                    method=f"{measured[0].method}; {interval.method} of stretches of calls" if measured else "",
                    higher_is_better=False,
                    reason=None if measured else stretches[-1].reason,
                )
            )
    return rows


def _energy_scopes(study: Study, scope: str) -> dict[str, int]:
    """What the energy of a call is told of, and how many of it a call has."""
    if scope != "end_to_end":
        return {scope: 1}
    videos = items(study, scope)
    return {"video": videos, "solver_step": videos * study.sampling.steps}


def _over(number: float, seconds: float | None) -> float | None:
    return None if seconds is None else number / seconds


def _row(latency: Measurement, **fields: Any) -> Measurement:
    """A row beside the latency that it follows from."""
    same: dict[str, Any] = {
        "generator": latency.generator,
        "seed": latency.seed,
        "scope": latency.scope,
        "n": latency.n,
    }
    return Measurement(**same, **fields)
