"""Records to tables: which number stands in which row and column, what it is called, and what is missing.

Nothing is measured or scored here. The only arithmetic is the plain quotient of two printed values in the
cost table, and sums of recorded spans; the ratios that verdicts rest on come with their intervals from
claims.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from harness.records import Measurement
from reports.environment import flatten
from reports.format import Scale, Shown, common_decimals, duration, number, scale_for, show
from reports.load import REAL, RunData

_STAGE = re.compile(r"denoise_step\[stage=(\d+)\]")


def _memory(scope: str, group: str, what: str) -> dict[tuple[str, str], tuple[str, str]]:
    """The memory of a scope, by every instrument, and what was predicted."""
    rows = {
        "peak_memory_bytes[cuda-allocated]": f"Peak memory of {what}: torch's tensors on the GPU",
        "peak_memory_bytes[cuda-reserved]": f"Peak memory of {what}: what torch took of the GPU",
        "peak_memory_bytes[nvml-process]": f"Peak memory of {what}: the process on the GPU",
        "peak_memory_bytes[resident]": f"Peak memory of {what}: the process in main memory",
        "peak_memory_bytes[torch-allocations]": f"Peak memory of {what}: torch's tensors in main memory",
        "predicted_memory_bytes": f"Peak memory of {what}: torch's tensors as predicted",
        "working_memory_bytes": f"Peak memory of {what}, above the idle process",
    }
    return {(metric, scope): (group, label) for metric, label in rows.items()}


_COSTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("flops", "training_step"): ("Training", "Compute of one step"),
    ("latency_s", "training_step"): ("Training", "Time of one step"),
    ("clips_per_s", "training_step"): ("Training", "Clips a second"),
    ("mfu", "training_step"): ("Training", "Share of the machine's peak, one step"),
    ("energy_j[gpu]", "training_step"): ("Training", "Energy of one step, GPU"),
    ("energy_j[cpu]", "training_step"): ("Training", "Energy of one step, CPU"),
    **_memory("training_step", "Training", "one step"),
    ("flops", "video"): ("Sampling", "Compute of one video"),
    ("latency_s", "end_to_end"): ("Sampling", "Time of one request, prompt to frames"),
    ("videos_per_s", "end_to_end"): ("Sampling", "Videos a second"),
    ("mfu", "end_to_end"): ("Sampling", "Share of the machine's peak, one request"),
    ("energy_j[gpu]", "video"): ("Sampling", "Energy of one video, GPU"),
    ("energy_j[cpu]", "video"): ("Sampling", "Energy of one video, CPU"),
    ("energy_j[gpu]", "solver_step"): ("Sampling", "Energy of one video over its solver steps, GPU"),
    ("energy_j[cpu]", "solver_step"): ("Sampling", "Energy of one video over its solver steps, CPU"),
    ("full_rate_nfe", "video"): ("Sampling", "Network evaluations at full-rate cost"),
    ("nfe", "video"): ("Sampling", "Network evaluations"),
    **_memory("end_to_end", "Sampling", "one request"),
    ("parameters", "denoiser"): ("Model", "Parameters"),
}
_COST_METRICS = frozenset(metric.partition("[")[0] for metric, _ in _COSTS)
_PARTS: Mapping[str, tuple[str, str]] = {
    "training_step[data]": ("A training step", "Data, beside the step"),
    "training_step[forward]": ("A training step", "Forward: batch to loss"),
    "training_step[backward]": ("A training step", "Backward"),
    "training_step[optimiser]": ("A training step", "Optimiser, clipping, averages"),
    "load": ("A request", "Loading: generator and weights"),
    "compile": ("A request", "Compiling for training"),
    "first_call": ("A request", "First request of a process"),
    "text": ("A request", "Text"),
    "denoise": ("A request", "All denoising steps"),
    "decode": ("A request", "Decoding to frames"),
}
"""Scope of a part to where it stands and what it is called."""
BY_STAGE = ("flops", "latency_s", "working_memory_bytes")
"""Metrics of a denoising step that :func:`stage_rows` shows."""
_QUANTITIES: Mapping[str, str] = {"flops": "compute", "latency_s": "time"}
_PERCENTILE = re.compile(r"latency_s\[p(\d+)\]")
_SCORES: Mapping[str, str] = {
    "fvd": "Fréchet video distance",
    "kvd": "Kernel video distance",
    "temporal_flicker": "Temporal steadiness",
    "motion_energy_ratio": "Motion energy over real",
    "judder_ratio": "Motion inside pairs of frames over between",
    "pair_coherence": "Coherence inside pairs of frames",
    "digit_accuracy": "Digit accuracy",
    "direction_accuracy": "Direction accuracy",
}
_DIRECTIONS = {True: "higher is better", False: "lower is better", None: "read beside the real clips"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement in its place; ``shown`` is None where it was not measured."""

    record: Measurement
    shown: Shown | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity over all generators."""

    group: str
    label: str
    detail: str
    """Metric and scope as the records spell them."""
    direction: str
    """What is better, in words; empty where it goes without saying."""
    seed: int | None
    cells: Mapping[str, Cell]
    """By generator; a generator without a record is not in it."""
    quotients: Mapping[str, str]
    """Control divided by each other generator, printed; empty where it makes no sense."""

    @property
    def measured(self) -> bool:
        """Whether any generator has a number; a row of reasons alone stands in the list of what is missing."""
        return any(cell.shown is not None for cell in self.cells.values())


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Values that should be there and are not, for one and the same reason."""

    what: tuple[str, ...]
    generators: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """How a score came about: one protocol that one or several generators share."""

    metric: str
    generators: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]


def stage_of(record: Measurement) -> int | None:
    """The stage whose denoising step the record counts; None if it counts something else."""
    match = _STAGE.fullmatch(record.scope)
    return int(match[1]) if match else None


def cost_rows(data: RunData) -> list[Row]:
    """Compute, time, memory and energy as a whole, training first; parts are in :func:`part_rows`."""
    order = list(_COSTS)
    chosen = [r for r in data.measurements if (r.metric, r.scope) in order]

    loads = {"training_step": _load(data, "training", "batch", "clips")}
    loads["end_to_end"] = _load(data, "latency", "videos", "videos")

    def name(record: Measurement) -> tuple[str, str]:
        group, label = _COSTS[record.metric, record.scope]
        return group, label + loads.get(record.scope, "")

    return _rows(sorted(chosen, key=lambda r: order.index((r.metric, r.scope))), data, name=name, quotients=True)


def part_rows(data: RunData) -> list[Row]:
    """What the whole costs are made of, and percentiles: every cost that has no place in another table."""
    chosen = [
        r
        for r in data.measurements
        if is_cost(r) and (r.metric, r.scope) not in _COSTS and not (stage_of(r) is not None and r.metric in BY_STAGE)
    ]
    order = list(_PARTS)

    def name(record: Measurement) -> tuple[str, str]:
        if percentile := _PERCENTILE.fullmatch(record.metric):
            group = "A request" if record.scope == "end_to_end" else "A training step"
            return group, f"Time that {percentile[1]} % of calls stay within"
        if record.scope in _PARTS and record.metric in _QUANTITIES:
            group, label = _PARTS[record.scope]
            return group, f"{label}: {_QUANTITIES[record.metric]}"
        return "Inside, by stage" if "[stage=" in record.scope else "Other", _spelled(record)

    def rank(record: Measurement) -> tuple[str, int, str]:
        place = order.index(record.scope) if record.scope in order else len(order)
        return name(record)[0], place, record.metric

    return _rows(sorted(chosen, key=rank), data, name=name, quotients=True)


def every_cost_row(data: RunData) -> list[Row]:
    """All that a report says of costs: wholes, stages, parts."""
    stages = [row for metric in BY_STAGE for row in stage_rows(data, metric)]
    return [*cost_rows(data), *stages, *part_rows(data)]


def every_row(data: RunData) -> list[Row]:
    """All measurements of a run."""
    return [*every_cost_row(data), *quality_rows(data), *other_rows(data)]


def is_cost(record: Measurement) -> bool:
    """Whether the record is of a cost: compute, time, memory, energy or what follows from them."""
    return record.metric.partition("[")[0] in _COST_METRICS


def stage_rows(data: RunData, metric: str = "flops") -> list[Row]:
    """FLOPs (or working memory) of one denoising step, one row a stage, noisiest first."""
    chosen = [r for r in data.measurements if r.metric == metric and stage_of(r) is not None]

    def name(record: Measurement) -> tuple[str, str]:
        stage = stage_of(record)
        return "", f"Stage {stage}" + (" (noisiest)" if stage == 0 else "")

    return _rows(sorted(chosen, key=lambda r: stage_of(r) or 0), data, name=name, one_unit=True)


def quality_rows(data: RunData) -> list[Row]:
    """The study's metrics, in its order; a metric that no record knows is not in it."""
    names = data.quality_metrics
    chosen = [r for r in data.measurements if r.metric in names]
    return _rows(sorted(chosen, key=lambda r: names.index(r.metric)), data, name=_plain_name, directed=True)


def other_rows(data: RunData) -> list[Row]:
    """Every measurement that has no place elsewhere: none is dropped."""
    chosen = [r for r in data.measurements if not is_cost(r) and r.metric not in data.quality_metrics]
    return _rows(chosen, data, name=_plain_name)


def unscored_metrics(data: RunData) -> list[str]:
    """Metrics that the study asks for and no measurement answers."""
    answered = {record.metric for record in data.measurements}
    return [name for name in data.quality_metrics if name not in answered]


def missing(rows: Iterable[Row]) -> list[Missing]:
    """Values without a number in ``rows``: those that the same generators lack for the same reason together."""
    whose: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        for label, cell in row.cells.items():
            if cell.shown is None:
                whose.setdefault((row.detail, cell.record.reason or ""), {})[label] = None
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (what, reason), labels in whose.items():
        together.setdefault((reason, tuple(labels)), []).append(what)
    return [Missing(what=tuple(what), generators=labels, reason=reason) for (reason, labels), what in together.items()]


def columns(rows: Iterable[Row], data: RunData) -> list[str]:
    """Generators that appear in ``rows``: the control first, real clips last."""
    present = {label for row in rows for label in row.cells}
    return [label for label in (*data.generators, REAL) if label in present]


def cards(rows: Iterable[Row]) -> list[Card]:
    """The protocol cards of ``rows``; generators scored under the same protocol share one."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for row in rows:
        for label, cell in row.cells.items():
            entries = flatten(cell.record.protocol)
            if cell.record.method:
                entries = (("method", cell.record.method), *entries)
            if entries:
                found.setdefault((row.detail, entries), []).append(label)
    return [
        Card(metric=metric, generators=tuple(dict.fromkeys(labels)), entries=entries)
        for (metric, entries), labels in found.items()
    ]


def span_rows(data: RunData) -> list[tuple[str, str, str, str]]:
    """Generator, span, seconds and share of the recorded training time, longest first."""
    records = [
        {"generator": r.generator, "span": span, "seconds": seconds}
        for r in data.training
        for span, seconds in r.spans_s.items()
    ]
    if not records:
        return []
    total = pd.DataFrame([{"generator": r.generator, "seconds": r.seconds} for r in data.training])
    total_s = total.groupby("generator")["seconds"].sum()
    spans = pd.DataFrame(records).groupby(["generator", "span"], sort=False)["seconds"].sum().reset_index()
    rows = []
    for label in data.generators:
        own = spans[spans["generator"] == label].sort_values("seconds", ascending=False)
        for span, seconds in zip(own["span"], own["seconds"], strict=True):
            share = f"{number(100 * float(seconds / total_s[label]), decimals=1)} %" if total_s[label] > 0 else ""
            rows.append((label, str(span), duration(float(seconds)), share))
    return rows


def _load(data: RunData, section: str, key: str, what: str) -> str:
    """How much one step or request handles, as the study says; empty where it does not."""
    part = data.study.get(section)
    count = part.get(key) if isinstance(part, Mapping) else None
    return f", {count} {what if count != 1 else what.removesuffix('s')}" if isinstance(count, int) else ""


def _spelled(record: Measurement) -> str:
    return f"{record.metric}, {record.scope}" if record.scope else record.metric


def _plain_name(record: Measurement) -> tuple[str, str]:
    name, bracket, extractor = record.metric.partition("[")
    return "", f"{_SCORES.get(name, name)}{f' {bracket}{extractor}' if bracket else ''}"


def shown(record: Measurement | None, *, scale: Scale | None = None, decimals: int | None = None) -> Shown | None:
    """A record ready to print, with its interval; None where there is no value, or no record."""
    if record is None or record.value is None:
        return None
    return show(record.value, record.unit, lo=record.lo, hi=record.hi, scale=scale, decimals=decimals)


def _rows(
    records: Iterable[Measurement],
    data: RunData,
    *,
    name: Callable[[Measurement], tuple[str, str]],
    quotients: bool = False,
    directed: bool = False,
    one_unit: bool = False,
) -> list[Row]:
    by_quantity: dict[tuple[str, str], list[Measurement]] = {}
    for record in records:
        by_quantity.setdefault((record.metric, record.scope), []).append(record)
    everywhere = precision(record for several in by_quantity.values() for record in several) if one_unit else None
    rows = []
    for seed, found in (row for several in by_quantity.values() for row in _by_seed(several)):
        first = next(iter(found.values()))
        scale, decimals = everywhere or precision(found.values())
        cells = {
            label: Cell(record=record, shown=shown(record, scale=scale, decimals=decimals))
            for label, record in found.items()
        }
        group, label = name(first)
        rows.append(
            Row(
                group=group,
                label=label,
                detail=_spelled(first),
                direction=_DIRECTIONS[first.higher_is_better] if directed else "",
                seed=seed,
                cells=cells,
                quotients=_quotients(found, data.control) if quotients else {},
            )
        )
    return rows


def precision(records: Iterable[Measurement]) -> tuple[Scale, int]:
    """Unit and decimals for numbers that are read against each other.

    >>> score = Measurement(generator="tpdiff", metric="m", unit="1", value=0.8594, lo=0.754, hi=0.924)
    >>> precision([score])[1]
    2
    """
    measured = [(r.value, r.lo, r.hi, r.unit) for r in records if r.value is not None]
    scale = scale_for(measured[0][3] if measured else "1", [value for value, _, _, _ in measured])
    decimals = common_decimals(
        (value / scale.factor, _divided(lo, scale.factor), _divided(hi, scale.factor)) for value, lo, hi, _ in measured
    )
    return scale, decimals


def _by_seed(records: Iterable[Measurement]) -> list[tuple[int | None, dict[str, Measurement]]]:
    """One row a training seed; what has no seed (real clips, pooled timings) stands in every row."""
    records = list(records)
    seeds: list[int | None] = list(dict.fromkeys(record.seed for record in records if record.seed is not None))
    return [
        (seed, {record.generator: record for record in records if record.seed in (seed, None)})
        for seed in seeds or [None]
    ]


def _divided(value: float | None, factor: float) -> float | None:
    return None if value is None else value / factor


def _quotients(found: Mapping[str, Measurement], control: str | None) -> dict[str, str]:
    reference = found.get(control) if control else None
    if reference is None or reference.value is None:
        return {}
    return {
        label: str(show(reference.value / record.value, "x"))
        for label, record in found.items()
        if label not in (control, REAL) and record.value
    }
