"""What becomes of a timing that looked slower, once it was timed again. Pure; the timing is remeasure's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.gating.limits import Judgement, compare_blocks, judge_timings
from harness.gating.observed import Observed, gather
from harness.gating.remeasure import AT_BASELINE
from harness.gating.result import GateResult, Item
from harness.gating.thresholds import Thresholds, Timings
from harness.measure.blocks import Block
from harness.measure.stats import ratio_interval


def in_question(result: GateResult, *, paired: bool) -> list[Item]:
    """Timings that were found slower; one that is missing is not, because no clock would find it.

    If both versions can be timed on this machine (``paired``), also those that another machine made incomparable.
    """
    slower = [item for item in result.of("failed") if item.kind == "timings" and item.p_value is not None]
    return slower + [item for item in result.of("not-comparable") if paired and item.kind == "timings"]


def not_timed_again(result: GateResult, items: Sequence[Item], reason: str) -> GateResult:
    """They stay what they are, and say that nobody looked twice."""
    return _with(result, [replace(item, why=f"{item.why}. Not re-measured: {reason}") for item in items])


def look_again(
    result: GateResult,
    items: Sequence[Item],
    baseline: Observed,
    blocks: Sequence[Block],
    thresholds: Thresholds,
    *,
    paired: bool,
) -> GateResult:
    """Items fail if the new launches find them slower; what does not, though it did at first, is a notice.

    Args:
        result: of the first look.
        items: those in question.
        baseline: whose blocks the new ones are held against, unless ``paired``.
        blocks: of the new launches.
        thresholds: the same as before.
        paired: both versions were timed in the same blocks.
    """
    judged = _pairwise(items, blocks, thresholds.timings) if paired else _unpaired(items, baseline, blocks, thresholds)
    return _with(result, [_after(item, again) for item, again in zip(items, judged, strict=True)])


def _after(item: Item, again: Judgement) -> Item:
    """The item once it was timed again."""
    if again.state == "failed":
        return replace(item, state="failed", why=f"{item.why}. Re-measured: {again.why}")
    if item.state == "failed":
        return replace(item, state="notice", why=f"not confirmed. Re-measured: {again.why}. At first: {item.why}")
    return replace(item, state="passed", why=f"{again.why}. The baseline's own figure is not comparable: {item.why}")


def _unpaired(
    items: Sequence[Item], baseline: Observed, blocks: Sequence[Block], thresholds: Thresholds
) -> list[Judgement]:
    before, now = baseline.timed(), {one.key: one for one in gather(blocks)}
    keys = [(item.generator, item.seed or 0, item.scope) for item in items]
    timed = [key for key in keys if key in now]
    judged = judge_timings([compare_blocks(before[key], now[key]) for key in timed], thresholds.timings)
    by_key = dict(zip(timed, judged, strict=True))
    return [by_key.get(key, _NOTHING) for key in keys]


def _pairwise(items: Sequence[Item], blocks: Sequence[Block], limits: Timings) -> list[Judgement]:
    """By the interval of the ratio within blocks, one-sided at the level, shared by the items (Bonferroni)."""
    level = 1 - 2 * limits.level / max(1, len(items))
    judged = []
    for item in items:
        both = [
            block
            for block in blocks
            if (block.seed, block.scope) == (item.seed or 0, item.scope)
            and {item.generator, item.generator + AT_BASELINE} <= block.seconds.keys()
        ]
        now = [block.seconds[item.generator] for block in both]
        before = [block.seconds[item.generator + AT_BASELINE] for block in both]
        ratio = ratio_interval(now, before, launches=[block.launch for block in both], level=level)
        if ratio.value is None or ratio.lo is None or ratio.hi is None:
            judged.append(replace(_NOTHING, why=f"timing both versions side by side tells nothing: {ratio.reason}"))
            continue
        amount = sum(map(_mean, now)) / len(now) - sum(map(_mean, before)) / len(before)
        why = (
            f"both versions side by side: {ratio.value - 1:+.1%} ({1000 * amount:+.3g} ms), "
            f"{level:.1%} interval {ratio.lo - 1:+.1%} to {ratio.hi - 1:+.1%}"
        )
        slower = ratio.lo > 1 and ratio.value - 1 > limits.relative and amount > limits.absolute_s
        judged.append(Judgement(state="failed" if slower else "notice", why=why))
    return judged


_NOTHING = Judgement(state="failed", why="the new launches have no complete block of it")
"""What was flagged and then could not be timed stays failed."""


def _mean(seconds: Sequence[float]) -> float:
    return math.fsum(seconds) / len(seconds)


def _with(result: GateResult, items: Sequence[Item]) -> GateResult:
    """The result with these items in the place of the first ones."""
    found = {item.key: item for item in items}
    return replace(result, items=tuple(found.get(item.key, item) for item in result.items))
