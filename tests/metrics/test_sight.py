"""What each metric says that it sees, held against real clips, with the networks that are shipped."""

from __future__ import annotations

import numpy as np
import pytest

from disturbed import disturbed, real_clips
from harness import weights
from harness.metrics.base import Disturbance, Metric, Tools, is_paired
from harness.registry import find, names
from video_sets import video_set

CLIPS = 15
"""A side, spread over the scenes; reference and scored clips alternate."""

FEWER_CLIPS, FEWER_FRAMES = 6, 6
"""For networks that look at every frame, which take a minute otherwise."""

OFFLINE = ("exact", "stand-in")
JUDGED = ("digit_accuracy", "direction_accuracy", "[digit-judge]")
"""How the names end of those that know moving digits only; what they see is in tests of their own."""


def of_every_frame(name: str) -> bool:
    return name.endswith(tuple(f"[{extractor}]" for extractor in names("frame_extractors")))


def metric(name: str) -> Metric:
    made: Metric = find("metrics", name).load()()
    return made


def can_be_checked() -> list[str]:
    return [name for name in names("metrics") if not name.endswith(JUDGED) and metric(name).status in OFFLINE]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    folder = tmp_path_factory.mktemp("sight")
    return Tools(cache=folder / "features", judges=folder / "judges")


@pytest.fixture(scope="module")
def sides() -> tuple[np.ndarray, np.ndarray]:
    """Reference and clean clips, (N, 16, 64, 96, 3) each."""
    for name in ("clip-bikes", "clip-bigbuckbunny", "clip-carphone-pristine"):
        weights.fetch(name)
    clips = real_clips()
    step = len(clips) // (2 * CLIPS)
    return clips[:: 2 * step][:CLIPS], clips[step :: 2 * step][:CLIPS]


def value(judge: Metric, how: Disturbance, sides: tuple[np.ndarray, np.ndarray], tools: Tools) -> float:
    reference, clean = sides
    if is_paired(judge):
        reference = clean  # the partners of the disturbed clips
    score = judge.score(video_set(disturbed(clean, how), how), video_set(reference, "reference"), tools)
    assert score.value is not None, (judge.name, how, score.reason)
    return score.value


@pytest.mark.parametrize("name", can_be_checked())
def test_a_metric_orders_disturbed_clips_as_it_says(
    name: str, sides: tuple[np.ndarray, np.ndarray], tools: Tools
) -> None:
    judge = metric(name)
    sight = judge.sight
    if of_every_frame(name):
        step = CLIPS // FEWER_CLIPS
        sides = (sides[0][::step, :FEWER_FRAMES], sides[1][::step, :FEWER_FRAMES])
    if not sight.order and not sight.blind_to:
        score = judge.score(video_set(sides[1], "clean"), video_set(sides[0], "reference"), tools)
        assert score.value is None, f"{name} runs here and does not say what it sees"
        assert "it needs" in str(score.reason)
        return
    asked = {*sight.order, *sight.blind_to} | ({"clean"} if sight.blind_to else set())
    values = {how: value(judge, how, sides, tools) for how in asked}
    assert sorted(sight.order, key=values.__getitem__) == list(sight.order), values
    assert len({values[how] for how in sight.order}) == len(sight.order), values
    for how in sight.blind_to:
        assert values[how] == pytest.approx(values["clean"], rel=1e-6, abs=1e-9), (how, values)


@pytest.mark.parametrize("name", list(names("metrics")))
def test_every_metric_says_what_it_cannot_see(name: str) -> None:
    sight = metric(name).sight
    assert len(sight.cannot_see) > 10
    assert not set(sight.order) & set(sight.blind_to)
    assert len(set(sight.order)) == len(sight.order) != 1
