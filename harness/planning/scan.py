"""Speed-up against length, size or number of stages: rows for a file and a figure.

Lengths and stages need no further pass: the polynomials give them. Every size is counted on its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from harness.diffusion.cost import CostPolynomial
from harness.errors import UsageError
from harness.planning.counting import count_regime, fit, frames_to_count
from harness.planning.plan import Plan, Request
from harness.planning.planner import latent_frames, near_frames, video_frames, work_of
from harness.store import harmless
from harness.training_regimes import apply_regime

Axis = Literal["frames", "size", "stages"]
AXES: tuple[Axis, ...] = ("frames", "size", "stages")
POINTS = 24
"""Most lengths in a scan."""
REACH = 4
"""A scan of lengths ends at so many times the plan's."""
SCALES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Of height and width, in a scan of sizes."""
MOST_STAGES = 6


@dataclass(frozen=True, kw_only=True)
class Row:
    """One point of a scan."""

    model: str
    planner: str
    frames: int
    latent_frames: int
    height: int
    width: int
    stages: int
    steps: int
    full_rate_flops: float | None = None
    """FLOP of one batch in the denoiser; None where there is no plan."""
    flops: float | None = None
    sampling_speedup: float | None = None
    training_speedup: float | None = None
    """Of one step in the regime asked for, without checkpointing."""
    bound_linear: float | None = None
    bound_quadratic: float | None = None
    reason_if_null: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


def scan(plan: Plan, axis: Axis) -> list[Row]:
    """The rows of an axis, in its order."""
    return list({"frames": _lengths, "size": _sizes, "stages": _stages}[axis](plan))


def text(rows: Sequence[Row]) -> str:
    """The rows as CSV. Numbers are the shortest text that reads back to the same; missing ones are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([harmless(value) for value in (getattr(row, name) for name in COLUMNS)])
    return out.getvalue()


def _lengths(plan: Plan) -> Iterator[Row]:
    """Lengths that the planner takes, from the shortest to :data:`REACH` times the plan's."""
    request = plan.request
    longest = REACH * plan.frames
    if request.model.max_frames is not None:
        longest = min(longest, request.model.max_frames)
    first = video_frames(request.model, 1)
    fitting = [first] if _fits(request, first) else []
    frames = first
    while True:
        above = [
            number
            for number in near_frames(request.planner, request.model, request.settings, frames=frames)
            if number > frames
        ]
        if not above or above[0] > longest:
            break
        frames = above[0]
        fitting.append(frames)
    every = -(-len(fitting) // POINTS)
    chosen = {number for index, number in enumerate(fitting) if index % every == 0} | {plan.frames}
    for number in sorted(chosen):
        yield _row(plan, request, frames=number, forward=plan.forward, step=_step(plan))


def _stages(plan: Plan) -> Iterator[Row]:
    for number in range(1, MOST_STAGES + 1):
        request = replace(plan.request, stages=number, shares=None)
        try:
            yield _row(plan, request, frames=plan.frames, forward=plan.forward, step=_step(plan))
        except UsageError as error:
            yield replace(_blank(plan, request, frames=plan.frames), reason_if_null=str(error))


def _sizes(plan: Plan) -> Iterator[Row]:
    request, model = plan.request, plan.request.model
    grid = model.spatial_stride * model.patch
    sizes = {(plan.height, plan.width)}
    for scale in SCALES:
        sizes.add((max(1, round(plan.height * scale / grid)) * grid, max(1, round(plan.width * scale / grid)) * grid))
    for height, width in sorted(sizes):
        try:
            latent = model.latent(frames=plan.frames, height=height, width=width, batch=request.batch)
        except UsageError as error:
            blank = _blank(plan, request, frames=plan.frames)
            yield replace(blank, height=height, width=width, reason_if_null=str(error))
            continue
        network = model.network(dtype=model.dtype)
        apply_regime(network, request.regime, model)
        counted = frames_to_count([], latent.frames)
        regime = count_regime(network, model, latent, counted)
        forward = fit(model, {frames: one.forward_flops for frames, one in regime.passes.items()})
        row = _row(plan, request, frames=plan.frames, forward=forward, step=regime.step)
        yield replace(row, height=height, width=width)


def _fits(request: Request, frames: int) -> bool:
    try:
        work_of(request.planner, request.model, request.settings, frames=frames)
    except UsageError:
        return False
    return True


def _step(plan: Plan) -> CostPolynomial:
    return plan.count(plan.request.regime).step


def _blank(plan: Plan, request: Request, *, frames: int) -> Row:
    return Row(
        model=request.model.name,
        planner=request.planner_name,
        frames=frames,
        latent_frames=latent_frames(request.model, frames),
        height=plan.height,
        width=plan.width,
        stages=request.stages,
        steps=request.steps,
    )


def _row(plan: Plan, request: Request, *, frames: int, forward: CostPolynomial, step: CostPolynomial) -> Row:
    work = work_of(request.planner, request.model, request.settings, frames=frames)
    return replace(
        _blank(plan, request, frames=frames),
        full_rate_flops=work.control_sampling(forward.at),
        flops=work.sampling(forward.at),
        sampling_speedup=work.sampling_speedup(forward.at),
        training_speedup=work.training_speedup(step.at),
        bound_linear=float(work.sampling_bound("linear", exact=True)),
        bound_quadratic=float(work.sampling_bound("quadratic", exact=True)),
    )
