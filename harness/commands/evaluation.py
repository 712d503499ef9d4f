"""``tpbench eval``: score a folder of videos against a folder of real ones."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import console

if TYPE_CHECKING:
    from harness.records import Measurement
    from harness.sources.sampling import ClipRule, OnBad

UNREADABLE = 3
DEFAULT_METRICS = ("fvd[transnetv2]", "kvd[transnetv2]", "temporal_flicker", "motion_energy_ratio")
"""Those that need nothing but the two folders."""


def score_folder(
    folder: Path,
    *,
    reference: Path,
    metrics: list[str],
    limit: int | None,
    rule: ClipRule,
    on_bad: OnBad,
    workers: int,
    as_json: bool,
) -> int:
    """Score what can be read and name what cannot; 3 if a file could not be scored."""
    from harness.commands.preflight import require_torch
    from harness.registry import find

    names = metrics or list(DEFAULT_METRICS)
    for name in names:
        find("metrics", name, where="tpbench eval --metric")
    require_torch()
    from harness.evaluate import evaluate
    from harness.progress import Progress

    quiet = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with quiet:
        result = evaluate(
            folder,
            reference,
            names,
            limit=limit,
            rule=rule,
            on_bad=on_bad,
            workers=workers,
            progress=Progress(),
        )
    problems = [str(problem) for problem in result.problems]
    for problem in problems:
        console.notice(f"tpbench: {problem}")
    if as_json:
        measurements = [item.model_dump(mode="json") for item in result.measurements]
        console.print_json({"measurements": measurements, "problems": problems})
    else:
        columns = ["metric", "value", "95 % interval", "protocol in short (in full: --json)"]
        console.print_table(f"{folder} against {reference}", columns, [row(item) for item in result.measurements])
    return UNREADABLE if problems else 0


def row(item: Measurement) -> list[str]:
    """A measurement as cells; a missing value is its reason."""
    if item.value is None:
        return [item.metric, "not measured", "", f"because {item.reason}"]
    unit = "" if item.unit == "1" else f" {item.unit}"
    interval = "" if item.lo is None or item.hi is None else f"[{item.lo:.4g}, {item.hi:.4g}]"
    return [item.metric, f"{item.value:.4g}{unit}", interval, protocol_in_short(item.protocol)]


def protocol_in_short(protocol: Mapping[str, Any]) -> str:
    """What two numbers must share to be compared, as far as the card says it.

    >>> protocol_in_short({"frames": 16, "n_generated": 40, "n_reference": 40, "order_only": True})
    '16 frames, 40 clips against 40, order only'
    """
    parts = [str(protocol["extractor"])] if "extractor" in protocol else []
    if "frames" in protocol:
        parts.append(f"{protocol['frames']} frames")
    if "n_generated" in protocol:
        against = f" against {protocol['n_reference']}" if "n_reference" in protocol else ""
        parts.append(f"{protocol['n_generated']} clips{against}")
    if protocol.get("order_only"):
        parts.append("order only")
    return ", ".join(parts)
