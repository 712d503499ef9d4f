"""The figures: drawn by matplotlib once, for the page and for papers.

A :class:`Plot` holds no text from the run: names stand in the legend beside it, in HTML on the page and in matplotlib's
own in a paper. Series are told apart by colour (Okabe-Ito, safe for colour-blind readers), by line style and by marker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.records import Measurement, TimingRecord, TrainingRecord
from reports.format import number, scale_for, show
from reports.palette import INK, MARKERS, MUTED, SERIES, STYLES
from reports.tables import stage_of

T = TypeVar("T")

SIZE = (4.9, 2.9)
"""Inches at 100 dots: two figures fit side by side on a laptop, one on a telephone."""
MOST_MARKS = 400
"""Marks of one series; what has more is thinned out or averaged, and the caption says so."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure and what is said of it."""

    name: str
    """Of the file, and in front of the identifiers inside."""
    figure: Figure
    caption: str
    """With units and counts; no text from the run."""
    alt: str
    """What a reader who cannot see it should know; names are not escaped yet."""
    labels: tuple[str, ...]
    """Whose series are in it, in the order of the legend."""
    tips: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Name of a group of marks to what each of them says when it is pointed at."""


def losses(training: Sequence[TrainingRecord], *, series: Mapping[str, int]) -> list[Plot]:
    """The loss against steps and against seconds; empty if nothing was trained."""
    return [loss_by_step(training, series=series), loss_by_seconds(training, series=series)] if training else []


def timed(timings: Sequence[TimingRecord], *, series: Mapping[str, int]) -> list[Plot]:
    """The raw timings of every scope that was timed."""
    plots = [timed_calls(timings, scope=scope, series=series) for scope in dict.fromkeys(r.scope for r in timings)]
    return [plot for plot in plots if plot]


def loss_by_step(training: Sequence[TrainingRecord], *, series: Mapping[str, int]) -> Plot:
    """Mean loss of each block of training steps against the step at its end."""
    return _loss(training, series, "loss-by-step", xlabel="training step", against="training step")


def loss_by_seconds(training: Sequence[TrainingRecord], *, series: Mapping[str, int]) -> Plot:
    """The same losses against the wall clock that the steps took."""
    beside = max((r.beside for r in training), default=0)
    contended = f", beside up to {beside} other trainings, so it does not compare" if beside else ""
    against = f"wall clock of the steps, without checkpoints{contended}"
    return _loss(training, series, "loss-by-seconds", xlabel="seconds spent in training steps", against=against)


def staircase(flops: Sequence[Measurement], *, series: Mapping[str, int]) -> Plot | None:
    """FLOPs of one denoising step by stage; the area under a line is the cost of a video.

    A stage is as wide as its ``steps`` (protocol card) if every record tells them, else all are equally wide.
    None if no stage was counted.
    """
    counted = [r for r in flops if r.metric == "flops" and stage_of(r) is not None and r.value is not None]
    if not counted:
        return None
    to_scale = all(isinstance(r.protocol.get("steps"), int) and r.protocol["steps"] > 0 for r in counted)
    xlabel = "denoising step, noisiest first" if to_scale else "share of the trajectory, noisiest first"
    scale = scale_for("FLOP", [r.value for r in counted if r.value is not None])
    figure, axes = canvas(xlabel=xlabel, ylabel=f"{scale.symbol} per step and video")
    labels = tuple(dict.fromkeys(r.generator for r in counted))
    tips: dict[str, list[str]] = {}
    for label in labels:
        own = sorted((r for r in counted if r.generator == label), key=lambda r: stage_of(r) or 0)
        own = [r for r in own if r.seed == own[0].seed]
        widths = [r.protocol["steps"] if to_scale else 1 / len(own) for r in own]
        edges = [0, *accumulate(widths)]
        heights = [(r.value or 0.0) / scale.factor for r in own]
        index = series[label]
        axes.fill_between(edges, [*heights, heights[-1]], step="post", color=SERIES[index], alpha=0.13, linewidth=0)
        axes.step(edges, [*heights, heights[-1]], where="post", color=SERIES[index], lw=2, ls=STYLES[index])
        middles = [start + width / 2 for start, width in zip(edges, widths, strict=False)]
        told = [f"{label}, stage {stage_of(r)}: {show(r.value or 0.0, 'FLOP')} per step" for r in own]
        _tips(axes, tips, index, middles, heights, told)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    if to_scale:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    width = "" if to_scale else " Stages are drawn equally wide: the records do not tell their steps."
    return Plot(
        name="staircase",
        figure=figure,
        caption="Compute of one denoising step, stage by stage. The shaded area is the cost of sampling: "
        f"what a staircase leaves free under the flat line is what the pyramid saves.{width}",
        alt="Staircase of FLOPs per denoising step by stage for " + ", ".join(labels),
        labels=labels,
        tips=tips,
    )


def timed_calls(timings: Sequence[TimingRecord], *, scope: str, series: Mapping[str, int]) -> Plot | None:
    """Every timed call of a scope as a dot, a row for each generator; warm-up calls are hollow.

    None if no call of that scope was timed.
    """
    calls = [r for r in timings if r.scope == scope]
    if not calls:
        return None
    labels = tuple(label for label in series if any(r.generator == label for r in calls))
    launches = sorted({(r.seed, r.launch) for r in calls})
    scale = scale_for("s", [r.seconds for r in calls])
    figure, axes = canvas(xlabel=f"{scale.symbol} per call", ylabel="", height=0.9 + 0.55 * len(labels))
    tips: dict[str, list[str]] = {}
    for row, label in enumerate(labels):
        index = series[label]
        own = _thinned([r for r in calls if r.generator == label])
        for warmup in (True, False):
            some = [r for r in own if r.warmup == warmup]
            lanes = [launches.index((r.seed, r.launch)) / max(1, len(launches) - 1) - 0.5 for r in some]
            seconds, heights = [r.seconds / scale.factor for r in some], [row + 0.44 * lane for lane in lanes]
            axes.plot(
                seconds,
                heights,
                ls="none",
                marker=MARKERS[index],
                ms=5,
                mfc="none" if warmup else SERIES[index],
                mec=SERIES[index],
                alpha=0.6 if warmup else 0.8,
                mew=1,
            )
            told = [
                f"{label}, {'warm-up of ' if warmup else ''}launch {r.launch}: {show(r.seconds, 's')}" for r in some
            ]
            _tips(axes, tips, f"{index}-{'warm' if warmup else 'kept'}", seconds, heights, told)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    kept, warm = sum(not r.warmup for r in calls), sum(r.warmup for r in calls)
    what = {"end_to_end": "Requests, prompt to frames", "training_step": "Training steps"}.get(scope, "Calls")
    drawn = ", of which every generator shows a regular part," if len(calls) > MOST_MARKS * len(labels) else ""
    return Plot(
        name=f"timed-calls-{scope}",
        figure=figure,
        caption=f"{what}: all {kept} timed calls{drawn} from {len(launches)} process "
        f"{'launch' if len(launches) == 1 else 'launches'} "
        f"(one line of marks each); {warm} warm-up calls, hollow, are never summarised.",
        alt=f"Raw timings of {len(labels)} generators in the order of the legend: " + ", ".join(labels),
        labels=labels,
        tips=tips,
    )


def _loss(
    training: Sequence[TrainingRecord], series: Mapping[str, int], name: str, *, xlabel: str, against: str
) -> Plot:
    figure, axes = canvas(xlabel=xlabel, ylabel="loss")
    curves = _curves(training)
    tips: dict[str, list[str]] = {}
    for (label, seed), records in curves.items():
        clock = list(accumulate(r.seconds for r in records))
        drawn = _thinned(list(zip(records, clock, strict=True)))
        places = [float(r.step) if name == "loss-by-step" else seconds for r, seconds in drawn]
        losses = [r.loss for r, _ in drawn]
        index = series[label]
        every = max(1, len(places) // 12)
        axes.plot(
            places,
            losses,
            color=SERIES[index],
            lw=1.8,
            ls=STYLES[index],
            marker=MARKERS[index],
            ms=3.6,
            markevery=every,
        )
        told = [
            f"{label}, seed {seed}, step {r.step}, {number(seconds, decimals=1)} s: loss {number(r.loss)}"
            for r, seconds in drawn
        ]
        _tips(axes, tips, f"{index}-{seed}", places, losses, told)
    if name == "loss-by-step":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    else:
        axes.set_xlim(left=0)
    block = max(r.steps for r in training)
    return Plot(
        name=name,
        figure=figure,
        caption=f"Mean loss over blocks of {block} {'step' if block == 1 else 'steps'} against the {against}; "
        f"{len(curves)} training {'run' if len(curves) == 1 else 'runs'}.",
        alt="Training loss of "
        + "; ".join(
            f"{label}, seed {seed}: {records[0].loss:.3g} after step {records[0].step}, "
            f"{records[-1].loss:.3g} after step {records[-1].step}"
            for (label, seed), records in curves.items()
        ),
        labels=tuple(dict.fromkeys(label for label, _ in curves)),
        tips=tips,
    )


def _curves(training: Sequence[TrainingRecord]) -> dict[tuple[str, int], list[TrainingRecord]]:
    curves: dict[tuple[str, int], list[TrainingRecord]] = {}
    for record in sorted(training, key=lambda r: r.step):
        curves.setdefault((record.generator, record.seed), []).append(record)
    return curves


def _thinned(items: Sequence[T]) -> list[T]:
    """At most :data:`MOST_MARKS` of them, evenly spaced, first and last included."""
    count = len(items)
    if count <= MOST_MARKS:
        return list(items)
    return [items[round(place * (count - 1) / (MOST_MARKS - 1))] for place in range(MOST_MARKS)]


def blank(*, width: float = SIZE[0], height: float = SIZE[1]) -> Figure:
    """A figure without axes; inches."""
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def plain(axes: Axes, *, xlabel: str, ylabel: str) -> None:
    """The manner of all figures: a light grid, no frame, small quiet numbers."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.grid(axis="both", color=MUTED, alpha=0.22, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=5, labelsize=9, colors=MUTED)
    axes.set_xlabel(xlabel, fontsize=9.5, color=INK, labelpad=5)
    axes.set_ylabel(ylabel, fontsize=9.5, color=INK, labelpad=5)


def canvas(*, xlabel: str, ylabel: str, height: float = SIZE[1]) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure = blank(height=height)
    axes = figure.add_subplot()
    plain(axes, xlabel=xlabel, ylabel=ylabel)
    return figure, axes


def _tips(
    axes: Axes,
    tips: dict[str, list[str]],
    name: str | int,
    x: Sequence[float],
    y: Sequence[float],
    told: Sequence[str],
) -> None:
    """Marks that are not seen, larger than those that are, for a pointer to find."""
    group = f"tips-{name}"
    axes.plot(x, y, ls="none", marker="o", ms=10, mew=0, alpha=0, gid=group)
    tips[group] = list(told)
