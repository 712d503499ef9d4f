"""The paper's numbers on the terminal and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import console
from harness.planning.claims import Judgement
from harness.planning.document import SCHEMA_VERSION
from harness.planning.paper import Paper
from harness.planning.units import band, ratio

STATEMENT = (
    "FLOPs are counted exactly; the roofline is a model of the card, not a measurement, and knows neither the paper's "
    "clips nor its software. A verdict says what arithmetic allows, not what was done."
)


def claims_document(paper: Paper, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """All judgements, ready for JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "statement": STATEMENT,
        "source": paper.source,
        "not_given": paper.not_given,
        "settings": paper.model_dump(mode="json", include={"planner", "stages", "steps", "guidance", "hardware"}),
        "numbers": [
            {
                **item.number.model_dump(mode="json", exclude={"clips"}),
                "clip": item.clip.model_dump(mode="json"),
                "flop_speedup": item.bound,
                "roofline_speedup": None if item.roofline is None else vars(item.roofline),
                "verdict": item.word,
                "fixed_share": item.fixed_share,
                "why": item.why,
            }
            for item in judgements
        ],
    }


def show_claims(paper: Paper, judgements: Sequence[Judgement]) -> None:
    """A row for each number and clip, then why."""
    rows = [
        [
            item.number.id,
            f"{item.clip.frames} x {item.clip.size}",
            f"{item.number.claimed:g}x",
            ratio(item.bound),
            "-" if item.roofline is None else band(item.roofline, unit="x"),
            item.word,
        ]
        for item in judgements
    ]
    console.print_table("The paper's numbers", ("number", "clip", "claimed", "FLOPs", paper.hardware, "verdict"), rows)
    console.print_lines([f"{item.number.id}, {item.clip}: {item.why}." for item in judgements])
    console.print_lines([paper.source, paper.not_given, STATEMENT])
