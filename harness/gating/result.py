"""What a gate says: an item for every number that was looked at, and one exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

State = Literal["failed", "not-comparable", "undecided", "notice", "passed", "absent"]
STATES: tuple[State, ...] = get_args(State)
"""What a reader wants to see first stands first."""
Kind = Literal["counts", "scores", "timings", "memory", "energy"]

PASSED, FAILED, UNDECIDED, NOT_COMPARABLE = 0, 1, 4, 5
Key = tuple[str, int | None, str, str]
"""Generator, seed, metric, scope."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One number of the run beside the baseline's."""

    generator: str
    seed: int | None
    metric: str
    scope: str
    kind: Kind
    unit: str
    baseline: float | None
    """None: the baseline has none."""
    value: float | None
    """None: the run has none."""
    state: State
    """``absent``: neither side has a value, so that there is nothing to compare."""
    why: str
    """What was compared, with the limits, or why it was not."""
    p_value: float | None = None
    """Of timings: that the run is no slower, one-sided, adjusted for the number of timings that are gated."""

    @property
    def key(self) -> Key:
        return self.generator, self.seed, self.metric, self.scope

    @property
    def name(self) -> str:
        """``tpdiff, seed 0: flops of video``; text of the run's, not yet escaped for anything."""
        whose = self.generator if self.seed is None else f"{self.generator}, seed {self.seed}"
        return f"{whose}: {self.metric}" + (f" of {self.scope}" if self.scope else "")


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """All items of one run against one baseline."""

    baseline: str
    """Name of the baseline."""
    run: str
    """``<study>/<run folder>``."""
    commit: str | None
    """Of the source that ran; None if it is not known."""
    differences: tuple[str, ...]
    """Fields in which the environments differ, with both values and what they spoil."""
    items: tuple[Item, ...]
    refusal: str = ""
    """Why nothing was compared at all; empty if something was."""

    def of(self, state: State) -> list[Item]:
        return [item for item in self.items if item.state == state]

    @property
    def counts(self) -> Mapping[State, int]:
        found = Counter(item.state for item in self.items)
        return {state: found[state] for state in STATES}

    def exit_code(self, *, strict: bool) -> int:
        """1 if an item failed, else 5 if something could not be compared, else (under ``strict``) 4 if undecided."""
        if self.of("failed"):
            return FAILED
        if self.refusal or self.of("not-comparable"):
            return NOT_COMPARABLE
        return UNDECIDED if strict and self.of("undecided") else PASSED

    @property
    def verdict(self) -> str:
        """In one word or three."""
        return {PASSED: "passed", FAILED: "failed", UNDECIDED: "undecided", NOT_COMPARABLE: "not comparable"}[
            self.exit_code(strict=True)
        ]

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "verdict": self.verdict,
            "baseline": self.baseline,
            "run": self.run,
            "commit": self.commit,
            "refusal": self.refusal,
            "differences": list(self.differences),
            "counts": dict(self.counts),
            "items": [{"name": item.name, **vars(item)} for item in self.items],
        }
