"""Figures for papers: PDF, SVG and PNG of what the page shows, with legends inside and captions in a file beside them.

Colours, line styles and markers are those of the page: safe for colour-blind readers and told apart in grey. Text in a
PDF and an SVG stays text. Names from the run are drawn as they are, never as formulas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.printable import printable
from harness.store import Run
from reports import figures
from reports.figures import Plot
from reports.format import scale_for
from reports.load import REAL, RunData, load
from reports.palette import INK, MARKERS, MUTED, SERIES, STYLES, series_of
from reports.tradeoff import BETTER, Axis, tradeoff
from reports.waterfall import Waterfall, waterfalls

FORMATS = ("pdf", "svg", "png")
DOTS = 300
"""Per inch, in a PNG."""
COLUMNS = 3
"""Panels side by side."""
ROOM = 0.08
"""Share of an axis beyond the largest cost."""
LONGEST_NAME = 40
"""Characters of a name that are drawn."""
SAVED, LOST = "#009e73", "#d55e00"


def write(run: Run) -> Path:
    """Write ``figures/NAME.pdf``, ``.svg`` and ``.png`` and ``figures/captions.md`` into the run folder.

    Raises:
        TpbenchError: the records are of a newer schema than this tpbench, or are none.
    """
    folder = run.root / "figures"
    folder.mkdir(exist_ok=True)
    captions = []
    for plot in plots(load(run)):
        with matplotlib.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "text.parse_math": False}):
            plot.figure.draw_without_rendering()
            plot.figure.set_layout_engine("none")  # the places are found once, for all three
            for suffix in FORMATS:
                when = {"Date": None} if suffix == "svg" else {"CreationDate": None} if suffix == "pdf" else None
                plot.figure.savefig(folder / f"{plot.name}.{suffix}", dpi=DOTS, metadata=when)
        captions.append(f"## {plot.name}\n\n{plot.caption}\n\nAlternative text: {printable(plot.alt)}\n")
    (folder / "captions.md").write_text("\n".join(captions), encoding="utf-8")
    return folder


def plots(data: RunData) -> list[Plot]:
    """Every figure that the run has the numbers for, with legends inside."""
    series = series_of(data.generators)
    drawn = [*_against_cost(data, series), *map(_fall, waterfalls(data))]
    stairs = figures.staircase(data.measurements, series=series)
    shared = [*figures.losses(data.training, series=series), *figures.timed(data.timings, series=series)]
    shared += [stairs] if stairs else []
    for plot in shared:
        _legend(plot.figure, plot.labels, series)
    return drawn + shared


def _against_cost(data: RunData, series: Mapping[str, int]) -> Iterable[Plot]:
    """One figure a score, a panel for each cost that was measured."""
    found = tradeoff(data, series=series)
    measured = [axis for axis in found.axes if not axis.reason]
    for metric in found.metrics:
        yield _panels(data, metric, measured, series)


def _panels(data: RunData, metric: str, measured: Sequence[Axis], series: Mapping[str, int]) -> Plot:
    scores = [r for r in data.measurements if r.metric == metric and r.value is not None]
    own = [r for r in scores if r.generator != REAL]
    rows = -(-len(measured) // COLUMNS)
    figure = figures.blank(width=2.6 * min(len(measured), COLUMNS), height=0.4 + 2.1 * rows)
    for place, axis in enumerate(measured, start=1):
        axes = figure.add_subplot(rows, min(len(measured), COLUMNS), place)
        scale = scale_for(axis.unit, [amount.value for amount in axis.amounts.values()])
        unit = f", {scale.symbol}" if scale.symbol else ""
        first = place % COLUMNS == 1
        figures.plain(axes, xlabel=f"{axis.label.partition(',')[0]}{unit}", ylabel=_short(metric) if first else "")
        for record in own:
            cost, value = axis.of(record.generator, record.seed), record.value
            if cost is None or value is None:
                continue
            index = series[record.generator]
            axes.errorbar(
                cost.value / scale.factor,
                value,
                xerr=_arms(cost.value, cost.lo, cost.hi, scale.factor),
                yerr=_arms(value, record.lo, record.hi, 1.0),
                color=SERIES[index],
                marker=MARKERS[index],
                ms=6,
                capsize=2,
            )
        for record in scores:
            if record.generator == REAL and record.value is not None:
                axes.axhline(record.value, color=SERIES[-1], ls=(0, (5, 3)), lw=1.2)
        ends = [one.hi or one.value for one in axis.amounts.values()]
        axes.set_xlim(0, max(ends, default=1.0) / scale.factor * (1 + ROOM))
    labels = tuple(dict.fromkeys(r.generator for r in own))
    _legend(figure, labels, series)
    counts = ", ".join(dict.fromkeys(str(r.n) for r in own if r.n is not None))
    direction = BETTER[next((r.higher_is_better for r in scores), None)]
    n = f"n = {counts} videos" if counts else "the number of videos is not recorded"
    return Plot(
        name=f"{_file_name(metric)}-against-cost",
        figure=figure,
        caption=f"{printable(metric)} ({direction}) against cost, in the units that stand at the axes; bars are 95 % "
        f"intervals where one is known, the dashed line is held-out real clips; {n}.",
        alt=f"{metric} against {', '.join(axis.label for axis in measured)} of {', '.join(labels)}",
        labels=labels,
    )


def _fall(fall: Waterfall) -> Plot:
    rows = [fall.control, *(step.label for step in fall.steps), fall.candidate]
    figure, axes = figures.canvas(xlabel="share of the longer request, %", ylabel="", height=0.9 + 0.3 * len(rows))
    spans = [(0.0, fall.at_control), *((step.start, step.end) for step in fall.steps), (0.0, fall.at_candidate)]
    colours = [SERIES[0], *(LOST if step.slower else SAVED for step in fall.steps), SERIES[1]]
    told = [str(fall.whole_control), *(f"{step.saved} saved" for step in fall.steps), str(fall.whole_candidate)]
    for row, ((start, end), colour, text) in enumerate(zip(spans, colours, told, strict=True)):
        axes.barh(row, end - start, left=start, color=colour, height=0.66)
        axes.annotate(text, (end, row), (3, 0), textcoords="offset points", va="center", fontsize=7, color=MUTED)
    axes.set_yticks(range(len(rows)), [_short(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 130)
    axes.set_xticks(range(0, 101, 20))
    axes.grid(axis="y", visible=False)
    seed = f", training seed {fall.seed}" if fall.seed is not None else ""
    return Plot(
        name=_file_name(f"waterfall-{fall.candidate}" + (f"-{fall.seed}" if fall.seed else "")),
        figure=figure,
        caption=f"Where the time of a request goes, from {printable(fall.control)} ({fall.whole_control}) to "
        f"{printable(fall.candidate)} ({fall.whole_candidate}), {fall.speedup}: what each part saves or adds{seed}. "
        "Medians of parts over the same timed calls; a stage stands against the control's time for as many steps.",
        alt="; ".join(f"{step.label}: {step.saved} saved" for step in fall.steps),
        labels=(fall.control, fall.candidate),
    )


def _legend(figure: Figure, labels: Iterable[str], series: Mapping[str, int]) -> None:
    lines = [
        Line2D([], [], color=SERIES[series[label]], ls=STYLES[series[label]], marker=MARKERS[series[label]], ms=4)
        for label in labels
    ]
    names = [_short(label) for label in labels]
    figure.legend(lines, names, loc="outside upper left", ncols=3, fontsize=8, frameon=False, labelcolor=INK)


def _arms(value: float, lo: float | None, hi: float | None, factor: float) -> list[list[float]] | None:
    """Lengths of the interval below and above; an estimate outside of its own interval has an arm of none."""
    if lo is None or hi is None or lo == hi:
        return None
    return [[max(0.0, value - lo) / factor], [max(0.0, hi - value) / factor]]


def _short(text: str) -> str:
    """A name that leaves room for the figure."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"


def _file_name(text: str) -> str:
    """
    >>> _file_name("fvd[transnetv2]-against-flops"), _file_name("../x")
    ('fvd-transnetv2-against-flops', 'x')
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "figure"
