"""report.html: one file that opens from disk without a network and holds everything a reader needs.

The page loads nothing: styles, drawings, videos and raw data are inside; its content policy forbids the rest.
Every text that comes from a run is escaped and kept in a box of its own direction.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.records import Verdict
from harness.store import Run, write_atomically
from reports import csv, figures, samples, tables
from reports.environment import environment_groups
from reports.format import duration, moment, number
from reports.load import REAL, RunData, load
from reports.strip import score_strip
from reports.svg import SERIES
from reports.text import clean, isolated
from reports.verdicts import verdict_cards

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
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["user"] = isolated
    environment.filters["clean"] = clean
    environment.filters["glyph"] = lambda word: GLYPHS.get(word, "·")
    environment.filters["slug"] = lambda word: re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
    environment.filters["number"] = number
    return environment.get_template("report.html.j2").render(_context(data, environment))


def _context(data: RunData, environment: Environment) -> dict[str, Any]:
    style = _source(environment, "style.css")
    script = _source(environment, "script.js")
    series = {label: index % (len(SERIES) - 1) for index, label in enumerate(data.generators)}
    series[REAL] = len(SERIES) - 1
    quality, costs, other = tables.quality_rows(data), tables.cost_rows(data), tables.other_rows(data)
    stages = tables.stage_rows(data)
    stage_times = tables.stage_rows(data, "latency_s")
    stage_memory = tables.stage_rows(data, "working_memory_bytes")
    parts = tables.part_rows(data)
    every_cost = [*costs, *stages, *stage_times, *stage_memory, *parts]
    gallery = samples.gallery(data)
    scopes = dict.fromkeys(record.scope for record in data.timings)
    timed = [figures.timed_calls(data.timings, scope=scope, series=series) for scope in scopes]
    return {
        "style": Markup(style),
        "script": Markup(script),
        "policy": _policy(style, script),
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
        "cost_cards": tables.cards(every_cost),
        "cost_columns": tables.columns(costs, data),
        "stages": stages,
        "stage_times": stage_times,
        "stage_memory": stage_memory,
        "parts": [row for row in parts if row.measured],
        "part_columns": tables.columns(parts, data),
        "stage_columns": tables.columns(stages, data),
        "spans": tables.span_rows(data),
        "staircase": figures.staircase(data.measurements, series=series),
        "timed": [drawing for drawing in timed if drawing],
        "training": _training(data, series),
        "quality": [(row, _strip(row, tables.columns(quality, data), series)) for row in quality],
        "quality_columns": tables.columns(quality, data),
        "unscored": tables.unscored_metrics(data),
        "cards": tables.cards(quality),
        "other": other,
        "other_columns": tables.columns(other, data),
        "missing": tables.missing([*every_cost, *quality, *other]),
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


def _training(data: RunData, series: dict[str, int]) -> list[figures.Drawing]:
    if not data.training:
        return []
    return [
        figures.loss_by_step(data.training, series=series),
        figures.loss_by_seconds(data.training, series=series),
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


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    text, _, _ = environment.loader.get_source(environment, name)
    return text


def _policy(style: str, script: str) -> str:
    """Nothing from anywhere, but our own style and script by their hashes, and pictures that are inside."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'; base-uri 'none'; form-action 'none'"
    )
