"""``tpbench vbench``: totals from raw scores, one set of scores beside another, and the videos of its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import console
from harness.errors import UsageError
from harness.metrics.vbench.aggregate import Totals, totals_of
from harness.metrics.vbench.comparability import UNKNOWN, between
from harness.metrics.vbench.dimensions import DIMENSIONS
from harness.metrics.vbench.scores import RawScore, read_scores
from harness.metrics.vbench.suite import PUBLISHED_ENTRIES, coverage, found_videos, read_json, read_suite

MISSING = 3
NOT_COMPARABLE = 5
SHOWN = 20
"""File names printed of each list; ``--json`` has them all."""


def show_totals(file: Path, *, as_json: bool) -> int:
    """Quality, Semantic and Total of a JSON file of raw scores.

    Raises:
        UsageError: the file is no such object, or a name or a score in it is none.
        NotComparableError: a dimension is missing, or scores are of different clips.
    """
    found = totals_of(_scores(file))
    if as_json:
        console.print_json(_document(found))
        return 0
    rows = [[name, f"{100 * value:.2f} %"] for name, value in found.normalised.items()]
    sums = {"Quality": found.quality, "Semantic": found.semantic, "Total": found.total}
    rows += [[name, f"{100 * value:.2f} %"] for name, value in sums.items()]
    console.print_table(f"VBench, from {file}", ["dimension", "on the leaderboard's scale"], rows)
    for reason in found.not_as_on_the_leaderboard:
        console.notice(f"not comparable with the leaderboard: {reason}")
    if not found.not_comparable:
        console.print_lines([f"comparable with the leaderboard's rows of clips of {found.clips}"])
    elif found.clips is None:
        console.print_lines([f"comparable with no row of the leaderboard: {UNKNOWN}"])
    return 0


def compare(ours: Path, theirs: Path, *, as_json: bool) -> int:
    """Two files of raw scores side by side, by dimension; 5 if a dimension of both does not compare.

    Raises:
        UsageError: a file is no such object, or they have no dimension in common.
    """
    left, right = _scores(ours), _scores(theirs)
    reasons = between(left, right)
    if not reasons:
        raise UsageError(f"{ours} and {theirs} have no dimension in common; nothing to compare.")
    code = NOT_COMPARABLE if any(reasons.values()) else 0
    if as_json:
        console.print_json(
            {
                name: {
                    "ours": left[name].value,
                    "theirs": right[name].value,
                    "comparable": not why,
                    "why_not": list(why),
                }
                for name, why in reasons.items()
            }
        )
        return code
    rows = [
        [
            name,
            f"{100 * left[name].value:.2f}",
            f"{100 * right[name].value:.2f}",
            "" if why else f"{100 * (left[name].value - right[name].value):+.2f}",
            "; ".join(why) or "yes",
        ]
        for name, why in reasons.items()
    ]
    columns = ["dimension", "ours, raw %", "theirs, raw %", "difference", "comparable"]
    console.print_table(f"{ours} beside {theirs}", columns, rows)
    return code


def show_prompts(file: Path, *, videos: Path | None, as_json: bool) -> int:
    """The prompts of each dimension, and which of their videos are in a folder; 3 if some are missing.

    Raises:
        UsageError: the file is no list of VBench's prompts; the entry is named.
        MediaError: the folder cannot be read.
    """
    suite = read_suite(file)
    counts = suite.counts()
    seen = coverage(suite, videos) if videos is not None else None
    there = {name: found_videos(suite, name, seen.found if seen else {}) for name in counts}
    code = MISSING if seen is not None and seen.missing else 0
    if as_json:
        document: dict[str, Any] = {
            "entries": len(suite.entries),
            "prompts": len(suite.prompts()),
            "dimensions": {name: {"prompts": counts[name], "videos": there[name][1]} for name in counts},
        }
        if seen is not None:
            for name in counts:
                document["dimensions"][name]["found"] = there[name][0]
            document |= {"missing": list(seen.missing), "strange": list(seen.strange)}
        console.print_json(document)
        return code
    columns = ["dimension", "prompts", "videos", *(["found"] if seen else [])]
    rows = [[name, str(counts[name]), str(there[name][1]), *([str(there[name][0])] if seen else [])] for name in counts]
    console.print_table(f"VBench's prompts, from {file}", columns, rows)
    lines = [f"{len(suite.entries)} entries (as published: {PUBLISHED_ENTRIES}), {len(suite.prompts())} prompts"]
    if seen is not None:
        lines += _listed("missing", seen.missing) + _listed("no video of these prompts", seen.strange)
    console.print_lines(lines)
    return code


def _listed(what: str, names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    more = [f"  and {len(names) - SHOWN} more (all: --json)"] if len(names) > SHOWN else []
    return [f"{what}: {len(names)}", *(f"  {name}" for name in names[:SHOWN]), *more]


def _document(found: Totals) -> dict[str, Any]:
    clips = found.clips
    return {
        "quality": found.quality,
        "semantic": found.semantic,
        "total": found.total,
        "normalised": dict(found.normalised),
        "clips": None if clips is None else {"frames": clips.frames, "size": list(clips.size), "fps": clips.fps},
        "not_as_on_the_leaderboard": list(found.not_as_on_the_leaderboard),
        "comparable": not found.not_comparable,
        "why_not": list(found.not_comparable),
    }


def _scores(file: Path) -> Mapping[str, RawScore]:
    document = read_json(file, what="file of scores", size=f"{len(DIMENSIONS)} numbers")
    if not isinstance(document, dict):
        raise UsageError(f"{file} holds {type(document).__name__}; needed an object {{dimension: raw score, ...}}.")
    return read_scores(document)
