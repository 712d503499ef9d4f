"""The figures of the page: drawn by matplotlib, as SVG that follows the reader's light or dark theme.

Figures hold no text from the run: names stand in the HTML legend beside them, where they are escaped.
Series are told apart by colour (Okabe-Ito, safe for colour-blind readers), by line style and by marker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.records import Measurement, TimingRecord, TrainingRecord
from reports.format import scale_for
from reports.svg import INK, MUTED, SERIES, themed
from reports.tables import stage_of

SIZE = (4.9, 2.9)
"""Inches at 100 dots: two figures fit side by side on a laptop, one on a telephone."""
STYLES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1, 1.5)), "-", (0, (5, 1.6)), (0, (1.2, 1.2)))
MARKERS = ("o", "D", "s", "^", "v", "P", "X")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure ready to embed."""

    svg: str
    caption: str
    alt: str
    """What a reader who cannot see it should know; names are not escaped yet."""


def loss_by_step(training: Sequence[TrainingRecord], *, series: Mapping[str, int]) -> Drawing:
    """Mean loss of each block of training steps against the step at its end."""
    figure, axes = _canvas(xlabel="training step", ylabel="loss")
    for (label, _), records in _curves(training).items():
        _line(axes, [r.step for r in records], [r.loss for r in records], series[label])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return _training_drawing(figure, training, "loss-by-step", "training step")


def loss_by_seconds(training: Sequence[TrainingRecord], *, series: Mapping[str, int]) -> Drawing:
    """The same losses against the wall clock that the steps took."""
    figure, axes = _canvas(xlabel="seconds spent in training steps", ylabel="loss")
    for (label, _), records in _curves(training).items():
        clock = [sum(r.seconds for r in records[: count + 1]) for count in range(len(records))]
        _line(axes, clock, [r.loss for r in records], series[label])
    axes.set_xlim(left=0)
    beside = max((r.beside for r in training), default=0)
    contended = f", beside up to {beside} other trainings, so it does not compare" if beside else ""
    return _training_drawing(
        figure, training, "loss-by-seconds", f"wall clock of the steps, without checkpoints{contended}"
    )


def staircase(flops: Sequence[Measurement], *, series: Mapping[str, int]) -> Drawing | None:
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
    figure, axes = _canvas(xlabel=xlabel, ylabel=f"{scale.symbol} per step and video")
    for label in dict.fromkeys(r.generator for r in counted):
        own = sorted((r for r in counted if r.generator == label), key=lambda r: stage_of(r) or 0)
        own = [r for r in own if r.seed == own[0].seed]
        widths = [r.protocol["steps"] if to_scale else 1 / len(own) for r in own]
        edges = [sum(widths[:count]) for count in range(len(widths) + 1)]
        heights = [(r.value or 0.0) / scale.factor for r in own]
        index = series[label]
        axes.fill_between(edges, [*heights, heights[-1]], step="post", color=SERIES[index], alpha=0.13, linewidth=0)
        axes.step(edges, [*heights, heights[-1]], where="post", color=SERIES[index], lw=2, ls=STYLES[index])
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    if to_scale:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    width = "" if to_scale else " Stages are drawn equally wide: the records do not tell their steps."
    return Drawing(
        svg=themed(figure, name="staircase"),
        caption="Compute of one denoising step, stage by stage. The shaded area is the cost of sampling: "
        f"what a staircase leaves free under the flat line is what the pyramid saves.{width}",
        alt="Staircase of FLOPs per denoising step by stage for "
        + ", ".join(dict.fromkeys(r.generator for r in counted)),
    )


def timed_calls(timings: Sequence[TimingRecord], *, scope: str, series: Mapping[str, int]) -> Drawing | None:
    """Every timed call of a scope as a dot, a row for each generator; warm-up calls are hollow.

    None if no call of that scope was timed.
    """
    calls = [r for r in timings if r.scope == scope]
    if not calls:
        return None
    labels = [label for label in series if any(r.generator == label for r in calls)]
    launches = sorted({r.launch for r in calls})
    scale = scale_for("s", [r.seconds for r in calls])
    figure, axes = _canvas(xlabel=f"{scale.symbol} per call", ylabel="", height=0.9 + 0.55 * len(labels))
    for row, label in enumerate(labels):
        index = series[label]
        for warmup in (True, False):
            own = [r for r in calls if r.generator == label and r.warmup == warmup]
            heights = [row + 0.44 * (launches.index(r.launch) / max(1, len(launches) - 1) - 0.5) for r in own]
            axes.scatter(
                [r.seconds / scale.factor for r in own],
                heights,
                s=24,
                marker=MARKERS[index],
                facecolors="none" if warmup else SERIES[index],
                edgecolors=SERIES[index],
                alpha=0.6 if warmup else 0.8,
                linewidths=1,
            )
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    kept, warm = sum(not r.warmup for r in calls), sum(r.warmup for r in calls)
    what = {"end_to_end": "Requests, prompt to frames", "training_step": "Training steps"}.get(scope, "Calls")
    return Drawing(
        svg=themed(figure, name=f"timed-calls-{scope}"),
        caption=f"{what}: all {kept} timed calls from {len(launches)} process "
        f"{'launch' if len(launches) == 1 else 'launches'} "
        f"(one line of marks each); {warm} warm-up calls, hollow, are never summarised.",
        alt=f"Raw timings of {len(labels)} generators in the order of the legend: " + ", ".join(labels),
    )


def _training_drawing(figure: Figure, training: Sequence[TrainingRecord], name: str, against: str) -> Drawing:
    curves = _curves(training)
    block = max(r.steps for r in training)
    return Drawing(
        svg=themed(figure, name=name),
        caption=f"Mean loss over blocks of {block} {'step' if block == 1 else 'steps'} against the {against}; "
        f"{len(curves)} training {'run' if len(curves) == 1 else 'runs'}.",
        alt="Training loss of "
        + "; ".join(
            f"{label}, seed {seed}: {records[0].loss:.3g} after step {records[0].step}, "
            f"{records[-1].loss:.3g} after step {records[-1].step}"
            for (label, seed), records in curves.items()
        ),
    )


def _curves(training: Sequence[TrainingRecord]) -> dict[tuple[str, int], list[TrainingRecord]]:
    curves: dict[tuple[str, int], list[TrainingRecord]] = {}
    for record in sorted(training, key=lambda r: r.step):
        curves.setdefault((record.generator, record.seed), []).append(record)
    return curves


def _canvas(*, xlabel: str, ylabel: str, height: float = SIZE[1]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIZE[0], height), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.grid(axis="both", color=MUTED, alpha=0.22, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=5, labelsize=9, colors=MUTED)
    axes.set_xlabel(xlabel, fontsize=9.5, color=INK, labelpad=5)
    axes.set_ylabel(ylabel, fontsize=9.5, color=INK, labelpad=5)
    return figure, axes


def _line(axes: Axes, x: Sequence[float], y: Sequence[float], index: int) -> None:
    every = max(1, len(x) // 12)
    axes.plot(x, y, color=SERIES[index], lw=1.8, ls=STYLES[index], marker=MARKERS[index], ms=3.6, markevery=every)
