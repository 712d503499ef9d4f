"""What becomes of a timing once it was timed again. Pure; the timing is remeasure's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.gating.limits import Judgement, Timed, compare_blocks, geometric_mean, judge_timings
from harness.gating.observed import BlockKey, Observed, gather
from harness.gating.remeasure import AT_BASELINE
from harness.gating.result import GateResult, Item
from harness.gating.thresholds import Thresholds
from harness.measure.blocks import Block
from harness.measure.side_by_side import slower_p_value_within
from harness.measure.stats import ratio_interval


def in_question(result: GateResult, *, paired: bool) -> list[Item]:
    """Timings that are timed again; one that is missing is not, because no clock would find it.

    Those that were found slower. If both versions can be timed on this machine (``paired``), all that both sides have:
    the baseline's own seconds are of another moment, which may hide a slow-down as well as feign one.
    """
    timings = [item for item in result.items if item.kind == "timings"]
    if paired:
        return [item for item in timings if item.baseline is not None and item.value is not None]
    return [item for item in timings if item.state == "failed" and item.p_value is not None]


def not_timed_again(result: GateResult, items: Sequence[Item], reason: str) -> GateResult:
    """Items say that nobody looked twice. What failed or was not comparable stays so; nothing passes unlooked at."""
    return _with(result, [_unseen(item, f"Not re-measured: {reason}") for item in items])


def look_again(
    result: GateResult,
    items: Sequence[Item],
    baseline: Observed,
    blocks: Sequence[Block],
    thresholds: Thresholds,
    *,
    paired: bool,
) -> GateResult:
    """The new launches decide; what failed at first and does not now is a notice.

    Args:
        result: of the first look.
        items: those in question.
        baseline: whose blocks the new ones are held against, unless ``paired``.
        blocks: of the new launches.
        thresholds: the same as before.
        paired: both versions were timed in the same blocks.
    """
    timed = _side_by_side(items, blocks) if paired else _unpaired(items, baseline, blocks)
    judged = dict(zip(timed, judge_timings([*timed.values()], thresholds.timings), strict=True))
    return _with(result, [_after(item, judged.get(_key(item)), paired=paired) for item in items])


def _after(item: Item, again: Judgement | None, *, paired: bool) -> Item:
    """The item once it was timed again; None: it could not be."""
    how = "Re-measured, both versions side by side" if paired else "Re-measured"
    if again is None:
        return _unseen(item, f"{how}: the new launches have no complete block of it")
    seen = replace(item, p_value=again.p_value, why=f"{how}: {again.why}. At first: {item.why}")
    if again.state == "failed" or (paired and again.state == "undecided"):
        return replace(seen, state=again.state)
    if item.state == "failed":
        return replace(seen, state="notice", why=f"not confirmed. {seen.why}")
    return replace(seen, state=again.state)


def _unseen(item: Item, why: str) -> Item:
    stays = item.state in ("failed", "not-comparable")
    return replace(item, state=item.state if stays else "undecided", why=f"{item.why}. {why}")


def _unpaired(items: Sequence[Item], baseline: Observed, blocks: Sequence[Block]) -> dict[BlockKey, Timed]:
    before, now = baseline.timed(), {one.key: one for one in gather(blocks)}
    return {key: compare_blocks(before[key], now[key]) for key in map(_key, items) if key in now}


def _side_by_side(items: Sequence[Item], blocks: Sequence[Block]) -> dict[BlockKey, Timed]:
    """By the ratio within blocks."""
    found = {}
    for generator, seed, scope in map(_key, items):
        old = generator + AT_BASELINE
        both = [b for b in blocks if (b.seed, b.scope) == (seed, scope) and {generator, old} <= b.seconds.keys()]
        if both:
            before, now = ([block.mean(label) for block in both] for label in (old, generator))
            launches = [block.launch for block in both]
            found[generator, seed, scope] = Timed(
                ratio=ratio_interval([[one] for one in now], [[one] for one in before], launches=launches),
                amount_s=geometric_mean(now) - geometric_mean(before),
                test=slower_p_value_within(before, now, launches=launches),
            )
    return found


def _key(item: Item) -> BlockKey:
    return item.generator, item.seed or 0, item.scope


def _with(result: GateResult, items: Sequence[Item]) -> GateResult:
    """The result with these items in the place of the first ones."""
    found = {item.key: item for item in items}
    return replace(result, items=tuple(found.get(item.key, item) for item in result.items))
