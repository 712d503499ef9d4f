"""A history as a picture: one panel a number, steps marked."""

from __future__ import annotations

from pathlib import Path

from harness.gating.history import HistoryLine, series
from harness.gating.plain import plain
from harness.gating.steps import find_steps

MOST_PANELS = 24


def plot_history(lines: list[HistoryLine], path: Path) -> int:
    """Draw the numbers that changed at least once into ``path``, by its ending SVG, PNG or PDF; how many were drawn.

    Numbers that never changed, as counts should, are left out; no more than 24 are drawn, those with steps first.
    """
    from matplotlib.figure import Figure

    moving = {name: points for name, points in series(lines).items() if len({value for _, value, _ in points}) > 1}
    steps = {name: find_steps([value for _, value, _ in points]) for name, points in moving.items()}
    shown = sorted(moving, key=lambda name: not steps[name])[:MOST_PANELS]
    figure = Figure(figsize=(8, 0.5 + 1.8 * max(1, len(shown))), layout="constrained")
    panels = figure.subplots(max(1, len(shown)), 1, squeeze=False)[:, 0]
    if not shown:
        panels[0].text(0.5, 0.5, "no number changed", ha="center")
        panels[0].set_axis_off()
    for panel, name in zip(panels, shown, strict=False):
        places, values, units = zip(*moving[name], strict=True)
        panel.plot(places, values, "o-", markersize=3, linewidth=0.8)
        for step in steps[name]:
            panel.axvline(places[step.at] - 0.5, color="tab:red", linewidth=1)
        # A dollar sign would start mathematics.
        panel.set_title(plain(name, most=100), fontsize=8, loc="left", parse_math=False)
        panel.set_ylabel(units[0], fontsize=8)
        panel.tick_params(labelsize=7)
    if shown:
        panels[-1].set_xlabel("gate, oldest first", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return len(shown)
