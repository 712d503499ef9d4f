"""The gate's findings as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.gating.plain import plain
from harness.gating.result import GateResult, Item, State

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: dict[State, str] = {
    "failed": "error",
    "not-comparable": "error",
    "undecided": "warning",
    "notice": "note",
}
"""What passed, or is absent on both sides, is no finding."""
RULES = {
    "counts": "A count differs from the baseline",
    "scores": "A seeded score differs from the baseline",
    "timings": "A call is slower than the baseline",
    "memory": "A peak of memory is higher than the baseline",
    "energy": "Energy is higher than the baseline",
    "study": "Run and baseline are of different studies",
}


def sarif(result: GateResult, *, baseline: Path) -> str:
    """One result for each finding, located in the baseline file, which is what can be changed about it."""
    found = [
        _result(item.kind, LEVELS[item.state], f"{item.name}: {item.why}", baseline, item) for item in _told(result)
    ]
    if result.refusal:
        found.insert(0, _result("study", "error", result.refusal, baseline, None))
    driver = {
        "name": "tpbench",
        "version": version("tpbench"),
        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in RULES.items()],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": found}]}
    return json.dumps(document, indent=2) + "\n"


def _told(result: GateResult) -> list[Item]:
    return [item for state in LEVELS for item in result.of(state)]


def _result(rule: str, level: str, text: str, baseline: Path, item: Item | None) -> dict[str, Any]:
    uri = quote(baseline.as_posix())
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}
    found: dict[str, Any] = {
        "ruleId": rule,
        "level": level,
        "message": {"text": plain(text, most=1000)},
        "locations": [place],
    }
    if item is not None:
        found["properties"] = {"baseline": item.baseline, "value": item.value, "unit": item.unit}
        # One alert for each number, whatever its value, so that it closes when the number is right again.
        found["partialFingerprints"] = {"tpbench/v1": plain(item.name)}
    return found
