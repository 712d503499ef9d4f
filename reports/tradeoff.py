"""Quality against cost: one chart for each pair of a score and a cost, as geometry that the page draws.

Every generator and training seed is a mark with an interval in both directions, as far as one is known; the real clips
are a level. Nothing is computed here but the cost of a whole training from the cost of its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from harness.records import Measurement
from reports.format import Scale, number, scale_for, show
from reports.load import REAL, RunData

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 16, 44
"""Size of a chart and its margins, in units of its own."""
ROOM = 0.08
"""Share of the range kept free at both ends."""

BETTER = {True: "higher is better", False: "lower is better", None: "nearer to the real clips is better"}
"""By ``higher_is_better`` of a score."""
MEMORY = ("cuda-allocated", "nvml-process", "resident", "torch-allocations")
"""Instruments of peak memory, the first that measured speaks."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What one training or one sampling of a generator costs."""

    value: float
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One way to count the cost."""

    name: str
    label: str
    """In words, with what it is of."""
    unit: str
    amounts: Mapping[tuple[str, int | None], Amount]
    """By generator and training seed; the seed is None where all share the figure."""
    reason: str
    """Why nothing is in it; empty otherwise."""

    def of(self, generator: str, seed: int | None) -> Amount | None:
        """The figure of a training seed, or the one that all of them share."""
        return self.amounts.get((generator, seed)) or self.amounts.get((generator, None))


@dataclass(frozen=True, kw_only=True)
class Point:
    """One generator and training seed; positions in units of the chart."""

    label: str
    series: int
    x: float
    y: float
    across: tuple[float, float] | None
    """Ends of the interval of the cost; None if there is none."""
    up: tuple[float, float] | None
    """Ends of the interval of the score, the lower value first."""
    told: str
    """Both numbers in words."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One score against one cost."""

    metric: str
    axis: Axis
    unit: str
    """Of the horizontal numbers."""
    better: str
    """What is better, in words."""
    points: tuple[Point, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    real: Tick | None
    """Level of the real clips."""
    counts: str
    """Videos behind the marks."""

    @property
    def alt(self) -> str:
        """The chart for a reader who cannot see it."""
        told = "; ".join(point.told for point in self.points)
        return f"{self.metric} against {self.axis.label}: {told}" + (f"; {self.real.text}" if self.real else "")


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """All charts, by score and cost."""

    metrics: tuple[str, ...]
    axes: tuple[Axis, ...]
    """Those that were measured first; the others have a reason."""
    charts: tuple[Chart, ...]


def tradeoff(data: RunData, *, series: Mapping[str, int]) -> Tradeoff:
    """Charts of every score that was measured against every cost that was."""
    found = sorted(_axes(data), key=lambda axis: bool(axis.reason))
    charts, metrics = [], []
    for metric in data.quality_metrics:
        scores = [r for r in data.measurements if r.metric == metric and r.value is not None]
        own = [_chart(metric, scores, axis, series) for axis in found if not axis.reason]
        charts += [chart for chart in own if chart.points]
        if any(chart.points for chart in own):
            metrics.append(metric)
    return Tradeoff(metrics=tuple(metrics), axes=tuple(found), charts=tuple(charts))


def _axes(data: RunData) -> Iterable[Axis]:
    sampled = "one request, prompt to frames"
    yield _measured(data, "flops", "Compute of one video", "FLOP", [("flops", "video")])
    yield _measured(data, "latency", f"Time of {sampled}", "s", [("latency_s", "end_to_end")])
    by_instrument = [(f"peak_memory_bytes[{name}]", "end_to_end") for name in MEMORY]
    yield _measured(data, "memory", f"Peak memory of {sampled}", "byte", by_instrument)
    meters = [("energy_j[gpu]", "video"), ("energy_j[cpu]", "video")]
    yield _measured(data, "energy", "Energy of one video", "J", meters)
    yield _of_training(data, "training-flops", "Compute of the whole training", "FLOP", _compute(data))
    seconds: dict[tuple[str, int | None], Amount] = {}
    for generator, seed in dict.fromkeys((r.generator, r.seed) for r in data.training):
        own = [r.seconds for r in data.training if (r.generator, r.seed) == (generator, seed)]
        seconds[generator, seed] = Amount(value=sum(own))
    yield _of_training(data, "training-time", "Time of the whole training", "s", seconds)


def _measured(data: RunData, name: str, label: str, unit: str, places: Sequence[tuple[str, str]]) -> Axis:
    """The first metric and scope of ``places`` that any generator has a value for."""
    reasons: list[str] = []
    for metric, scope in places:
        records = [r for r in data.measurements if (r.metric, r.scope) == (metric, scope)]
        amounts = {
            (r.generator, r.seed): Amount(value=r.value, lo=r.lo, hi=r.hi) for r in records if r.value is not None
        }
        if amounts:
            return Axis(name=name, label=label, unit=unit, amounts=amounts, reason="")
        reasons += [r.reason for r in records if r.reason]
    why = "; ".join(dict.fromkeys(reasons)) or "the run did not record it"
    return Axis(name=name, label=label, unit=unit, amounts={}, reason=why)


def _compute(data: RunData) -> dict[tuple[str, int | None], Amount]:
    """FLOPs of a step times the steps that were taken."""
    a_step = {
        (r.generator, r.seed): r
        for r in data.measurements
        if (r.metric, r.scope) == ("flops", "training_step") and r.value is not None
    }
    found: dict[tuple[str, int | None], Amount] = {}
    for generator, seed in dict.fromkeys((r.generator, r.seed) for r in data.training):
        step = a_step.get((generator, seed)) or a_step.get((generator, None))
        if step is not None and step.value is not None:
            steps = max(r.step for r in data.training if (r.generator, r.seed) == (generator, seed))
            lo, hi = (None if end is None else end * steps for end in (step.lo, step.hi))
            found[generator, seed] = Amount(value=step.value * steps, lo=lo, hi=hi)
    return found


def _of_training(data: RunData, name: str, label: str, unit: str, own: dict[tuple[str, int | None], Amount]) -> Axis:
    """The cost of the training behind the weights: a generator that takes another's weights takes its cost, too."""
    amounts = dict(own)
    for entry in data.entries:
        source = entry.get("weights_of")
        amounts |= {(entry["label"], seed): amount for (label, seed), amount in own.items() if label == source}
    return Axis(
        name=name, label=label, unit=unit, amounts=amounts, reason="" if amounts else "no training was recorded"
    )


def _chart(metric: str, scores: Sequence[Measurement], axis: Axis, series: Mapping[str, int]) -> Chart:
    pairs = [(r, cost) for r in scores if r.generator != REAL and (cost := axis.of(r.generator, r.seed)) is not None]
    real = next((r for r in scores if r.generator == REAL), None)
    scale = scale_for(axis.unit, [cost.value for _, cost in pairs])
    costs = [end / scale.factor for _, cost in pairs for end in (cost.value, cost.lo, cost.hi) if end is not None]
    levels = [end for r in (*(r for r, _ in pairs), *([real] if real else [])) for end in (r.value, r.lo, r.hi)]
    across = _Line.over([0.0, *costs], start=LEFT, end=WIDTH - RIGHT)
    up = _Line.over([end for end in levels if end is not None], start=HEIGHT - BOTTOM, end=TOP)
    several = len({r.seed for r, _ in pairs}) > 1
    counts = dict.fromkeys(str(r.n) for r, _ in pairs if r.n is not None)
    direction = next((r.higher_is_better for r in scores), None)
    return Chart(
        metric=metric,
        axis=axis,
        unit=scale.symbol,
        better=BETTER[direction],
        points=tuple(_point(r, cost, axis.unit, scale, across, up, series, several=several) for r, cost in pairs),
        across=across.ticks(),
        up=up.ticks(),
        real=None
        if real is None or real.value is None
        else Tick(at=up.place(real.value), text=f"{REAL} {number(real.value)}"),
        counts=", ".join(counts),
    )


def _point(
    record: Measurement,
    cost: Amount,
    unit: str,
    scale: Scale,
    across: _Line,
    up: _Line,
    series: Mapping[str, int],
    *,
    several: bool,
) -> Point:
    assert record.value is not None
    score = show(record.value, record.unit, lo=record.lo, hi=record.hi)
    spent = show(cost.value, unit, lo=cost.lo, hi=cost.hi, scale=scale)
    told = [f"{shown} ({shown.interval})" if shown.interval else str(shown) for shown in (score, spent)]
    seed = f", seed {record.seed}" if several else ""
    return Point(
        label=record.generator,
        series=series[record.generator],
        x=across.place(cost.value / scale.factor),
        y=up.place(record.value),
        across=across.span(cost.lo, cost.hi, factor=scale.factor),
        up=up.span(record.lo, record.hi),
        told=f"{record.generator}{seed}: {told[0]} at {told[1]}",
    )


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A linear axis between two places of the chart."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], *, start: float, end: float) -> _Line:
        low, high = min(values, default=0.0), max(values, default=1.0)
        room = ROOM * (high - low) or abs(low) * ROOM or 1.0
        return cls(low=0.0 if low == 0 else low - room, high=high + room, start=start, end=end)

    def place(self, value: float) -> float:
        return round(self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low), 1)

    def span(self, lo: float | None, hi: float | None, *, factor: float = 1.0) -> tuple[float, float] | None:
        if lo is None or hi is None or lo == hi:
            return None
        return self.place(lo / factor), self.place(hi / factor)

    def ticks(self) -> tuple[Tick, ...]:
        values = [float(value) for value in MaxNLocator(nbins=5).tick_values(self.low, self.high)]
        inside = [value for value in values if self.low <= value <= self.high]
        decimals = len(f"{values[1] - values[0]:.9f}".rstrip("0").partition(".")[2])
        return tuple(Tick(at=self.place(value), text=number(value, decimals=decimals)) for value in inside)
