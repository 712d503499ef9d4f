"""report.html: one file that opens from disk without a network and holds everything a reader needs.

The page loads nothing: styles, drawings, videos and raw data are inside; its content policy forbids the rest.
Every text that comes from a run is escaped and kept in a box of its own direction.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from harness.records import Verdict
from harness.store import Run, write_atomically
from reports import csv, figures, samples, tables, tradeoff
from reports.ablations import ablations
from reports.comparability import conditions
from reports.environment import environment_groups
from reports.format import Shown, duration, moment, number
from reports.load import REAL, RunData, load
from reports.page import environment, page
from reports.palette import series_of
from reports.reached import reached
from reports.strip import score_strip
from reports.svg import themed
from reports.verdicts import verdict_cards
from reports.waterfall import StageRow, stage_table, waterfalls

GLYPHS = {
    "supported": "✓",
    "refuted": "✕",
    "inconclusive": "?",
    "faster-but-worse": "▼",
    "not-comparable": "≠",
    "met": "✓",
    "not met": "✕",
    "undecided": "?",
    "worse": "▼",
    "not worse": "✓",
    "shown": "·",
}


def write(run: Run) -> Path:
    """Write report.html into the run folder.

    Raises:
        TpbenchError: the records are of a newer schema than this tpbench.
        MediaError: PyAV has none of the encoders for the sample videos.
    """
    path = run.root / "report.html"
    write_atomically(path, render(load(run)))
    return path


def render(data: RunData) -> str:
    """The page as text."""
    pages = environment()
    pages.filters |= {
        "glyph": lambda word: GLYPHS.get(word, "·"),
        "slug": lambda word: re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-"),
        "number": number,
        "themed": lambda plot: Markup(themed(plot)),
        "neighbours": neighbours,
    }
    return page(
        pages,
        "report.html.j2",
        styles=("style.css",),
        scripts=("script.js",),
        media=True,
        **_context(data),
    )


def _context(data: RunData) -> dict[str, Any]:
    series = series_of(data.generators)
    quality, costs, other = tables.quality_rows(data), tables.cost_rows(data), tables.other_rows(data)
    stages, parts = stage_table(data), tables.part_rows(data)
    charts = tradeoff.tradeoff(data, series=series)
    whole_training = tuple(axis for axis in charts.axes if axis.name in ("training-flops", "training-time"))
    gallery = samples.gallery(data)
    return {
        "data": data,
        "description": data.study.get("description"),
        "command": data.status.get("command"),
        "seeds": len({record.seed for record in data.measurements if record.seed is not None}) > 1,
        "facts": _facts(data),
        "series": series,
        "control": data.control,
        "real": REAL,
        "verdicts": verdict_cards(data),
        "judges": data.study.get("claims", "") is not None,
        "tally": _tally(data.verdicts),
        "costs": [row for row in costs if row.measured],
        "cost_cards": tables.cards(tables.every_cost_row(data)),
        "cost_columns": tables.columns(costs, data),
        "conditions": conditions(data),
        "tradeoff": charts,
        "box": tradeoff,
        "stages": _shown_stages(stages),
        "waterfalls": waterfalls(data),
        "parts": [row for row in parts if row.measured],
        "part_columns": tables.columns(parts, data),
        "spans": tables.span_rows(data),
        "staircase": figures.staircase(data.measurements, series=series),
        "timed": figures.timed(data.timings, series=series),
        "training": figures.losses(data.training, series=series),
        "reached": reached(data, whole_training, charts.metrics),
        "reached_metrics": charts.metrics,
        "ablations": ablations(data),
        "quality": [(row, _strip(row, tables.columns(quality, data), series)) for row in quality],
        "quality_columns": tables.columns(quality, data),
        "unscored": tables.unscored_metrics(data),
        "cards": tables.cards(quality),
        "other": other,
        "other_columns": tables.columns(other, data),
        "missing": tables.missing(tables.every_row(data)),
        "gallery": gallery,
        "environment": environment_groups(data),
        "problems": [*data.problems, *gallery.problems],
        "downloads": _downloads(data),
    }


def _facts(data: RunData) -> list[tuple[str, str]]:
    status, study = data.status, data.study
    started = moment(str(status.get("started_at", "")))
    facts = [("State", str(status.get("state") or "no status was written"))]
    if started:
        facts.append(("Started", started.strftime("%d %B %Y, %H:%M %Z").strip()))
    if isinstance(status.get("units_s"), int | float):
        facts.append(("Work", duration(status["units_s"])))
    units = status.get("units")
    if isinstance(units, dict):
        facts.append(("Units", ", ".join(f"{count} {state}" for state, count in units.items() if count) or "none"))
    if isinstance(study.get("seeds"), list):
        seeds = study["seeds"]
        facts.append(("Training seeds", ", ".join(str(seed) for seed in seeds)))
    if "device" in study:
        threads = f", {study['threads']} threads" if study.get("device") == "cpu" and "threads" in study else ""
        facts.append(("Device", f"{study['device']}{threads}"))
    return facts


def _tally(verdicts: tuple[Verdict, ...]) -> list[tuple[str, int]]:
    words = [verdict.verdict for verdict in verdicts]
    return [(word, words.count(word)) for word in GLYPHS if word in words]


def neighbours(rows: Iterable[Any], attribute: str) -> list[tuple[Any, list[Any]]]:
    """Runs of neighbours that share an attribute, with its value."""
    return [(value, list(several)) for value, several in groupby(rows, key=attrgetter(attribute))]


def _shown_stages(rows: Sequence[StageRow]) -> list[tuple[StageRow, list[Shown | None]]]:
    """Stages with their printed values; a column has one unit and its own decimals."""
    columns = list(zip(*(row.cells for row in rows), strict=True))
    how = [tables.precision(record for record in column if record) for column in columns]
    return [
        (
            row,
            [
                tables.shown(record, scale=scale, decimals=decimals)
                for record, (scale, decimals) in zip(row.cells, how, strict=True)
            ],
        )
        for row in rows
    ]


def _strip(row: tables.Row, columns: list[str], series: dict[str, int]) -> Any:
    return score_strip([(series[label], row.cells[label].record) for label in columns if label in row.cells])


def _downloads(data: RunData) -> list[tuple[str, str, str]]:
    """File name, what it is, data link."""
    files = [("results.csv", "every measurement, one row each", "text/csv", csv.text(data))]
    if data.study_text:
        files.append(("study.yaml", "the resolved study, ready to run again", "text/plain", data.study_text))
    return [
        (name, what, f"data:{mime};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}")
        for name, what, mime, text in files
    ]
