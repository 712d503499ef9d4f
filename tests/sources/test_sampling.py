"""Which frames make a clip: never one twice, never one too many, the same every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.sources.sampling import ClipRule

rules = st.builds(
    ClipRule,
    frames=st.none() | st.integers(2, 20),
    start=st.integers(0, 10),
    stride=st.integers(1, 5),
    count=st.none() | st.integers(1, 4),
)


@given(rules, st.integers(0, 100))
def test_clips_lie_in_the_video_are_equally_long_and_share_no_frame(rule: ClipRule, total: int) -> None:
    clips = rule.clips(total)
    used = [frame for clip in clips for frame in clip]
    assert all(rule.start <= frame < total for frame in used)
    assert len(set(used)) == len(used)
    assert used == sorted(used)
    assert len({len(clip) for clip in clips}) <= 1
    assert all(clip.step == rule.stride and len(clip) >= 2 for clip in clips)


@given(rules, st.integers(0, 100))
def test_another_clip_would_not_fit(rule: ClipRule, total: int) -> None:
    clips = rule.clips(total)
    if rule.count is not None and len(clips) == rule.count:
        return
    left = len(range(rule.start, total, rule.stride)) - sum(len(clip) for clip in clips)
    assert left < (rule.frames or 2)


def test_a_video_as_it_is_has_no_card() -> None:
    assert ClipRule().whole
    assert ClipRule().card() == {}
    assert ClipRule(frames=16, stride=2).card() == {"window": 16, "start": 0, "stride": 2, "clips_per_video": None}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"frames": 1}, "--window 1"),
        ({"start": -1}, "--start -1"),
        ({"stride": 0}, "--stride 0"),
        ({"count": 0}, "--clips 0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_option_s_name(options: dict[str, int], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        ClipRule(**options)
