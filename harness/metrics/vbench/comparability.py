"""When two scores of VBench may stand beside each other.

A clip whose frames were interpolated scores better on flicker and smoothness than the real one, and a frozen clip best
of all. So a score compares only with one of clips of equal frame rate, count and size, computed in the same way, and
those of flicker and smoothness only with the dynamic degree beside them.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.metrics.vbench.scores import AS_ON_THE_LEADERBOARD, Clips, RawScore

READ_WITH_MOTION = ("temporal_flickering", "motion_smoothness")
"""What a standstill scores best on."""
UNKNOWN = "nobody said of what clips (frames, size, fps)"


def not_as_on_the_leaderboard(scores: Mapping[str, RawScore]) -> tuple[str, ...]:
    """Why scores were not computed as the leaderboard's, one reason a score; empty: they were.

    >>> odd = RawScore(name="vbench.motion_smoothness[rife]", value=0.98, clips=None)
    >>> not_as_on_the_leaderboard({"motion_smoothness": odd})
    ('vbench.motion_smoothness[rife]: the leaderboard uses amt-s',)
    """
    reasons = []
    for score in scores.values():
        if score.method == AS_ON_THE_LEADERBOARD:
            continue
        if score.method == score.dimension.departs:
            hint = f"VBench's own number is called {score.dimension.name}"
            reasons.append(f"{score.name}: {score.method}; {hint}")
        else:
            reasons.append(f"{score.name}: the leaderboard uses {score.dimension.network or 'no network of ours'}")
    return tuple(reasons)


def different_clips(scores: Mapping[str, RawScore]) -> str:
    """Which scores are of which clips, where they are not all of the same; else empty. Unknown ones are left out.

    >>> first, second = (Clips(frames=frames, size=(320, 512), fps=8) for frames in (16, 32))
    >>> different_clips({name: RawScore(name=name, value=0.5, clips=clips)
    ...                  for name, clips in (("scene", first), ("color", second))})
    'scene: 16 frames of 320x512 at 8 fps; color: 32 frames of 320x512 at 8 fps'
    """
    by_clips: dict[Clips, list[str]] = {}
    for score in scores.values():
        if score.clips is not None:
            by_clips.setdefault(score.clips, []).append(score.name)
    if len(by_clips) < 2:
        return ""
    return "; ".join(f"{', '.join(names)}: {clips}" for clips, names in by_clips.items())


def between(ours: Mapping[str, RawScore], theirs: Mapping[str, RawScore]) -> dict[str, tuple[str, ...]]:
    """Of each dimension that both sides have, why its two scores do not compare; empty: they do.

    >>> clips = Clips(frames=16, size=(320, 512), fps=8)
    >>> still = {"temporal_flickering": RawScore(name="temporal_flickering", value=1.0, clips=clips)}
    >>> between(still, still)
    {'temporal_flickering': ('a standstill scores best: needs dynamic_degree beside it on both sides',)}
    """
    found = {}
    for name in (name for name in ours if name in theirs):
        ours_here, theirs_here = ours[name], theirs[name]
        reasons = []
        if ours_here.method != theirs_here.method:
            reasons.append(f"{ours_here.name}: {ours_here.method}; {theirs_here.name}: {theirs_here.method}")
        if ours_here.clips is None or theirs_here.clips is None:
            reasons.append(UNKNOWN)
        elif ours_here.clips != theirs_here.clips:
            reasons.append(f"{ours_here.clips} against {theirs_here.clips}")
        if name in READ_WITH_MOTION and not ("dynamic_degree" in ours and "dynamic_degree" in theirs):
            reasons.append("a standstill scores best: needs dynamic_degree beside it on both sides")
        found[name] = tuple(reasons)
    return found
