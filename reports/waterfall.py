"""Where the time of a request goes, and where a speed-up comes from: part by part, from the control to a generator.

A request is made of text, denoising, transitions between stages and decoding; what belongs to none stands last. The
control's denoising is divided as the generator's stages divide the steps, so that each stage stands against the time
that the control takes for the same steps. Parts are medians over the same calls, and medians do not add up exactly:
the difference is in the last part, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.records import Measurement
from reports.format import Scale, Shown, scale_for, show
from reports.load import REAL, RunData
from reports.tables import BY_STAGE, stage_of

_STAGE = re.compile(r"denoise\[stage=(\d+)\]")
_WHOLE = "end_to_end"
OTHER = "Between the parts"
FINER = 1000
"""The unit of the parts is that of a thousandth of the whole, so that small ones are seen."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of a request on both sides, and the bar between them; positions in per cent of the drawing."""

    label: str
    control: Shown
    candidate: Shown
    saved: Shown
    """Seconds that the generator needs less; negative where it needs more."""
    slower: bool
    start: float
    end: float
    """Left and right end of the bar: what is left of the control's time after this part."""


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """From the control's request to another generator's."""

    control: str
    candidate: str
    seed: int | None
    whole_control: Shown
    whole_candidate: Shown
    speedup: Shown
    steps: tuple[Step, ...]
    at_control: float
    at_candidate: float
    """Lengths of the first and the last bar, in per cent."""


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of one generator: how much it looks at, what a step of it costs."""

    generator: str
    stage: int
    seed: int | None
    steps: str
    frames: str
    cells: tuple[Measurement | None, ...]
    """FLOPs, seconds and working memory of a step; None where there is no record."""


def waterfalls(data: RunData) -> list[Waterfall]:
    """One for each generator that was timed beside the control, and training seed."""
    found = []
    if data.control is None:
        return []
    times = _times(data)
    steps = _steps(data)
    for label, seed in times:
        against = times.get((data.control, seed))
        if label not in (data.control, REAL) and against is not None:
            fall = _fall(against, times[label, seed], steps.get((label, seed), {}), data.control, label, seed)
            found += [fall] if fall else []
    return found


def stage_table(data: RunData) -> list[StageRow]:
    """Every stage that was counted or timed, generator by generator, noisiest first."""
    cells: dict[tuple[str, int | None, int], dict[str, Measurement]] = {}
    for record in data.measurements:
        stage = stage_of(record)
        if stage is not None and record.metric in BY_STAGE:
            cells.setdefault((record.generator, record.seed, stage), {})[record.metric] = record
    order = list(data.generators)
    keys = sorted(cells, key=lambda key: (order.index(key[0]), key[1] if key[1] is not None else -1, key[2]))
    return [
        StageRow(
            generator=generator,
            stage=stage,
            seed=seed,
            steps=_told(cells[generator, seed, stage].get("flops"), "steps"),
            frames=_told(cells[generator, seed, stage].get("flops"), "frames"),
            cells=tuple(cells[generator, seed, stage].get(metric) for metric in BY_STAGE),
        )
        for generator, seed, stage in keys
    ]


def _told(record: Measurement | None, key: str) -> str:
    value = record.protocol.get(key) if record else None
    return str(value) if isinstance(value, int) else ""


def _times(data: RunData) -> dict[tuple[str, int | None], dict[str, float]]:
    """Seconds by scope, for each generator and training seed."""
    found: dict[tuple[str, int | None], dict[str, float]] = {}
    for record in data.measurements:
        if record.metric == "latency_s" and record.value is not None:
            found.setdefault((record.generator, record.seed), {})[record.scope] = record.value
    return {key: scopes for key, scopes in found.items() if _WHOLE in scopes}


def _steps(data: RunData) -> dict[tuple[str, int | None], dict[int, int]]:
    """Solver steps by stage, from the cards of the counts."""
    found: dict[tuple[str, int | None], dict[int, int]] = {}
    for row in stage_table(data):
        if row.steps:
            found.setdefault((row.generator, row.seed), {})[row.stage] = int(row.steps)
    return found


def _parts(
    scopes: Mapping[str, float], other: Mapping[str, float], steps: Mapping[int, int]
) -> Iterable[tuple[str, float, float]]:
    """Label, seconds of the control, seconds of the other."""
    yield "Text", scopes.get("text", 0.0), other.get("text", 0.0)
    stages = sorted(int(match[1]) for scope in other if (match := _STAGE.fullmatch(scope)))
    same = {stage for stage in stages if f"denoise[stage={stage}]" in scopes} == set(stages) and len(stages) > 1
    if stages and set(stages) <= set(steps):
        total = sum(steps[stage] for stage in stages)
        for stage in stages:
            share = scopes.get("denoise", 0.0) * steps[stage] / total
            control = scopes[f"denoise[stage={stage}]"] if same else share
            yield f"Denoising, stage {stage}", control, other[f"denoise[stage={stage}]"]
    else:
        yield "Denoising", scopes.get("denoise", 0.0), other.get("denoise", 0.0)
    between = [
        sum(seconds for scope, seconds in side.items() if scope.startswith("transition[")) for side in (scopes, other)
    ]
    if any(between):
        yield "Transitions between stages", between[0], between[1]
    yield "Decoding", scopes.get("decode", 0.0), other.get("decode", 0.0)


def _fall(
    control: Mapping[str, float],
    candidate: Mapping[str, float],
    steps: Mapping[int, int],
    name: str,
    label: str,
    seed: int | None,
) -> Waterfall | None:
    parts = [part for part in _parts(control, candidate, steps) if part[1] or part[2]]
    if not parts:
        return None
    whole, less = control[_WHOLE], candidate[_WHOLE]
    parts.append((OTHER, whole - sum(part[1] for part in parts), less - sum(part[2] for part in parts)))
    scale = scale_for("s", [max(whole, less) / FINER])
    longest, left, drawn = max(whole, less), whole, []
    for what, before, after in parts:
        drawn.append((what, before, after, left, left - (before - after)))
        left -= before - after
        longest = max(longest, left)
    return Waterfall(
        control=name,
        candidate=label,
        seed=seed,
        whole_control=_show(whole, scale),
        whole_candidate=_show(less, scale),
        speedup=show(whole / less, "x"),
        steps=tuple(
            Step(
                label=what,
                control=_show(before, scale),
                candidate=_show(after, scale),
                saved=_show(before - after, scale),
                slower=after > before,
                start=_percent(min(was, now), longest),
                end=_percent(max(was, now), longest),
            )
            for what, before, after, was, now in drawn
        ),
        at_control=_percent(whole, longest),
        at_candidate=_percent(less, longest),
    )


def _show(seconds: float, scale: Scale) -> Shown:
    return show(seconds, "s", scale=scale, decimals=1)


def _percent(seconds: float, longest: float) -> float:
    return round(100 * seconds / longest, 2)
