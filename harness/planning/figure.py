"""The figure of a scan: speed-up of sampling and training, between the bounds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from harness.planning.scan import Axis, Row

LABELS = {"frames": "frames of the video", "size": "pixels of a frame", "stages": "stages"}


def draw(rows: Sequence[Row], axis: Axis, *, title: str, kind: Literal["png", "svg"]) -> bytes:
    """The figure as a file; rows without a plan are left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    known = [row for row in rows if row.sampling_speedup is not None]
    places = [row.height * row.width if axis == "size" else getattr(row, axis) for row in known]

    def column(name: str) -> list[float]:
        return [float(getattr(row, name)) for row in known]

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(
        places,
        column("bound_linear"),
        column("bound_quadratic"),
        color="0.9",
        label="between linear and quadratic cost",
    )
    axes.plot(places, column("sampling_speedup"), "o-", ms=3, label="sampling, denoiser")
    axes.plot(places, column("training_speedup"), "s--", ms=3, label="training step")
    axes.set(xlabel=LABELS[axis], ylabel="full rate / pyramid, FLOP", title=title)
    axes.set_ylim(bottom=1.0)
    if axis == "stages":
        axes.set_xticks(places)
    axes.legend(frameon=False)
    out = io.BytesIO()
    # Without a date and with fixed ids, the same rows give the same file.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "tpbench"}):
        figure.savefig(out, format=kind, dpi=150, metadata=metadata)
    return out.getvalue()
