"""``tpbench eval`` and ``tpbench reference``: score folders of videos, and keep what is needed of real ones."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import console

if TYPE_CHECKING:
    from harness.evaluate import Compared
    from harness.records import Measurement
    from harness.sources.place import Place
    from harness.sources.sampling import ClipRule, OnBad

UNREADABLE = 3
DEFAULT_METRICS = ("fvd[transnetv2]", "kvd[transnetv2]", "temporal_flicker", "motion_energy_ratio")
"""Those that need nothing but the two folders."""
WITHOUT_REFERENCE = ("temporal_flicker", "frame_consistency[efficientnet-lite0]", "niqe", "brisque")
KEPT_BY_DEFAULT = ("fvd[transnetv2]", "kvd[transnetv2]", "motion_energy_ratio")


def score_folder(
    place: Place,
    *,
    reference: Place | None,
    against: Place | None,
    paired: bool,
    metrics: list[str],
    limit: int | None,
    rule: ClipRule,
    on_bad: OnBad,
    workers: int,
    as_json: bool,
) -> int:
    """Score what can be read and name what cannot; 3 if a file could not be scored."""
    names = _known(metrics or list(DEFAULT_METRICS if reference else WITHOUT_REFERENCE), "tpbench eval --metric")
    from harness.evaluate import evaluate
    from harness.progress import Progress

    with _quiet(as_json):
        result = evaluate(
            place,
            reference,
            names,
            against=against,
            paired=paired,
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
        document = {
            "measurements": [item.model_dump(mode="json") for item in result.measurements],
            "problems": problems,
        }
        if against is not None:
            document["comparisons"] = [_comparison(item) for item in result.comparisons]
        console.print_json(document)
        return UNREADABLE if problems else 0
    columns = ["metric", "value", "95 % interval", "protocol in short (in full: --json)"]
    for scored, part in zip([place, against], _halves(result.measurements, len(names)), strict=False):
        title = f"{scored} against {reference}" if reference else str(scored)
        console.print_table(title, columns, [row(item) for item in part])
    if against is not None:
        console.print_table(
            f"Is {place} nearer to the reference than {against}?",
            ["metric", "difference", "95 % interval, bias removed", "p", "answer"],
            [comparison_row(item) for item in result.comparisons],
        )
    return UNREADABLE if problems else 0


def keep(
    place: Place,
    file: Path,
    *,
    metrics: list[str],
    limit: int | None,
    rule: ClipRule,
    on_bad: OnBad,
    workers: int,
    as_json: bool,
) -> int:
    """Write a reference file and say what is in it; 3 if a video could not be read."""
    names = _known(metrics or list(KEPT_BY_DEFAULT), "tpbench reference --metric")
    from harness.keep_reference import keep_reference
    from harness.progress import Progress

    with _quiet(as_json):
        kept = keep_reference(
            place, file, names, limit=limit, rule=rule, on_bad=on_bad, workers=workers, progress=Progress()
        )
    for text in (*map(str, kept.problems), *kept.refusals):
        console.notice(f"tpbench: {text}")
    card = kept.card
    if as_json:
        document = {"file": str(file), "card": card.model_dump(mode="json")}
        console.print_json({**document, "problems": list(map(str, kept.problems)), "refusals": list(kept.refusals)})
    else:
        looked = [about.get("extractor", about.get("formula", "a formula")) for about in card.extractors.values()]
        console.print_lines(
            [
                f"{file}: {len(card.names)} clips of {card.frames} frames of {card.size[0]}x{card.size[1]}",
                f"features of: {', '.join(map(str, looked))}",
            ]
        )
    return UNREADABLE if kept.problems else 0


def row(item: Measurement) -> list[str]:
    """A measurement as cells; a missing value is its reason."""
    if item.value is None:
        return [item.metric, "not measured", "", _why(item.reason)]
    unit = "" if item.unit == "1" else f" {item.unit}"
    interval = "" if item.lo is None or item.hi is None else f"[{item.lo:.4g}, {item.hi:.4g}]"
    return [item.metric, f"{item.value:.4g}{unit}", interval, protocol_in_short(item.protocol)]


def comparison_row(item: Compared) -> list[str]:
    """A comparison as cells, with what it says in words."""
    found = item.comparison
    if found is None:
        return [item.metric, "not compared", "", "", _why(item.reason)]
    answer = "cannot be told" if found.p_value > 0.05 else "yes, nearer" if found.corrected < 0 else "no, farther"
    interval = f"[{found.lo:.4g}, {found.hi:.4g}]"
    return [item.metric, f"{found.difference:.4g}", interval, f"{found.p_value:.3g}", answer]


def _why(reason: str | None) -> str:
    """
    >>> _why("it needs prompts"), _why("cannot score 'fvd': too few videos")
    ('because it needs prompts', "cannot score 'fvd': too few videos")
    """
    return str(reason) if str(reason).startswith("cannot") else f"because {reason}"


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
        clips = "clip" if protocol["n_generated"] == 1 else "clips"
        parts.append(f"{protocol['n_generated']} {clips}{against}")
    if protocol.get("order_only"):
        parts.append("order only")
    return ", ".join(parts)


def _known(names: list[str], where: str) -> list[str]:
    """The names, once each is known to be a metric's, and torch to be there."""
    from harness.commands.preflight import require_torch
    from harness.registry import find

    for name in names:
        find("metrics", name, where=where)
    require_torch()
    return names


def _quiet(as_json: bool) -> AbstractContextManager[Any]:
    return contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()


def _halves(items: Sequence[Measurement], length: int) -> list[Sequence[Measurement]]:
    return [items[start : start + length] for start in range(0, len(items), length)]


def _comparison(item: Compared) -> dict[str, Any]:
    from dataclasses import asdict

    found = {} if item.comparison is None else asdict(item.comparison)
    return {"metric": item.metric, "reason": item.reason, **found}
