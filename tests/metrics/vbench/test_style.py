"""VBench's appearance style: every frame counts, and the text is the style alone."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.base import Tools
from harness.metrics.vbench.style import STYLES, AppearanceStyle, style_of
from spelled import BLUE, GREEN, RED, Colours, colours, plain
from video_sets import video_set

PROMPT = "A boat sailing leisurely along the Seine River, black and white"


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> AppearanceStyle:
    """With a style that the colours' reader has a word for."""
    monkeypatch.setattr("harness.metrics.vbench.style.STYLES", ("red", *STYLES))
    return AppearanceStyle("colours", lambda _: colours())


def test_all_frames_count_and_not_the_last_alone(judge: AppearanceStyle, tools: Tools) -> None:
    """The original, on several GPUs, averages what it found last in each clip: 1 and 0 here, .5 in all."""
    clips = np.stack([plain(GREEN, BLUE, GREEN, RED), plain(RED, RED, RED, GREEN)])
    score = judge.score(video_set(clips, prompts=["a sea, red"] * 2), None, tools)
    assert score.per_sample == pytest.approx([0.25, 0.75])
    last = judge.score(video_set(clips[:, -1:], prompts=["a sea, red"] * 2), None, tools)
    assert last.per_sample == pytest.approx([1, 0])


def test_the_text_is_the_style_and_nothing_else_of_the_prompt(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Colours()
    AppearanceStyle("colours", lambda _: colours(reader)).score(
        video_set(plain(RED)[None], prompts=[PROMPT]), None, tools
    )
    assert reader.read == ["black and white"]


def test_every_style_of_vbench_s_prompts_is_found_at_their_end_only() -> None:
    assert len(STYLES) == 9
    for style in STYLES:
        assert style_of(f"A panda drinking coffee in a cafe in Paris, {style}") == style
        assert style_of(f"{style}, a panda") is None
    assert style_of("A panda drinking coffee") is None


def test_a_prompt_without_a_style_leaves_no_value_but_names_it(tools: Tools) -> None:
    clips = video_set(np.stack([plain(RED)] * 2), prompts=[PROMPT, "a panda"])
    score = AppearanceStyle("colours", lambda _: colours()).score(clips, None, tools)
    assert score.value is None
    assert score.reason == "it needs another kind of prompt than that of ours-1: 'a panda'"
    nothing = AppearanceStyle("colours", lambda _: colours()).score(video_set(plain(RED)[None]), None, tools)
    assert "it needs the prompt of each video" in str(nothing.reason)


@pytest.mark.parametrize(("network", "comparable"), [("clip-vit-b-32", True), ("clip-vit-l-14", False)])
def test_only_the_leaderboard_s_network_is_comparable_with_it(network: str, comparable: bool, tools: Tools) -> None:
    score = AppearanceStyle(network, lambda _: colours()).score(
        video_set(plain(RED)[None], prompts=[PROMPT]), None, tools
    )
    assert score.protocol["comparable_with_the_leaderboard"] is comparable
