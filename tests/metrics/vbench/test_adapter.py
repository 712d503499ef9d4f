"""VBench's own environment out of process: what it sees becomes scores, and each of its faults is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import fake_vbench as fake
from fake_vbench import Environment
from harness.errors import UnitError, UsageError, WeightsError
from harness.metrics.base import Score, Tools, VideoSet
from harness.metrics.vbench import adapted, adapter
from harness.metrics.vbench.adapter_protocol import Question, read_answer, request_line
from harness.metrics.vbench.dimensions import DIMENSIONS, find
from harness.program.protocol import AnswerError
from video_sets import video_set

CLASSES = (
    adapted.ObjectClass,
    adapted.MultipleObjects,
    adapted.HumanAction,
    adapted.Colour,
    adapted.SpatialRelationship,
    adapted.Scene,
)
SIX: dict[str, type[adapted.Adapted]] = {made.dimension: made for made in CLASSES}
LEFT = "a car on the left of a bus, front view"


def videos(prompt: str, *greys: list[int]) -> VideoSet:
    """One video of that prompt for each list of greys, its frames."""
    clips = np.array(greys, dtype=np.uint8)[:, :, None, None, None] * np.ones((1, 1, 4, 6, 3), np.uint8)
    return video_set(clips, prompts=[prompt] * len(clips))


def score(dimension: str, generated: VideoSet, tools: Tools) -> Score:
    return SIX[dimension]().score(generated, None, tools)


def halves(first: int, second: int) -> list[int]:
    return [first] * 8 + [second] * 8


@pytest.mark.parametrize(
    ("dimension", "prompt", "greys", "expected"),
    [
        ("object_class", "a car", [halves(fake.RED_CAR, fake.BUS_ONLY), [fake.RED_CAR] * 16], [0.5, 1.0]),
        ("multiple_objects", "a car and a bus", [halves(fake.CAR_LEFT, fake.BUS_ONLY)], [0.5]),
        ("human_action", "A person is riding a bike", [[fake.RED_CAR] * 16, [fake.NOTHING] * 16], [1.0, 0.0]),
        ("color", "a red car", [halves(fake.RED_CAR, fake.BLUE_CAR), [fake.NOTHING] * 16], [0.5, 0.0]),
        ("spatial_relationship", LEFT, [[fake.CAR_LEFT] * 16, [fake.CAR_RIGHT] * 16], [1.0, 0.0]),
        ("scene", "street", [[fake.NOTHING] * 16], [1.0]),
    ],
)
def test_what_another_process_sees_becomes_the_score_of_each_video(
    environment: Environment, tools: Tools, dimension: str, prompt: str, greys: list[list[int]], expected: list[float]
) -> None:
    environment("well")
    answer = score(dimension, videos(prompt, *greys), tools)
    assert answer.per_sample is not None
    assert answer.per_sample.tolist() == expected
    assert answer.value == pytest.approx(np.mean(expected))
    assert answer.protocol["formula"] == find(dimension).formula
    assert answer.protocol["comparable_with_the_leaderboard"] is not bool(find(dimension).departs)
    assert "fake_vbench.py well" in answer.protocol["program"]


def test_the_program_gets_the_middle_frames_of_sixteen_stretches(environment: Environment, tools: Tools) -> None:
    environment("well")
    greys = [fake.NOTHING] * 49
    for place in (1, 4, 46):  # of those looked at; 48, the last, is not
        greys[place] = fake.RED_CAR
    greys[48] = fake.RED_CAR
    answer = score("object_class", videos("a car", greys), tools)
    assert answer.value == 3 / 16


def test_many_videos_are_asked_about_in_several_requests_to_one_process(environment: Environment, tools: Tools) -> None:
    environment("well")
    seen = [[fake.RED_CAR] * 3, [fake.NOTHING] * 3]
    answer = score("object_class", videos("a car", *(seen * 9)), tools)
    assert answer.n == 18 > 2 * adapter.AT_ONCE
    assert answer.per_sample is not None
    assert answer.per_sample.tolist() == [1.0, 0.0] * 9, "in order"


def test_the_program_may_give_scores_of_its_own_and_the_card_says_so(environment: Environment, tools: Tools) -> None:
    environment("score")
    answer = score("color", videos("a red car", [fake.BLUE_CAR] * 16, [fake.NOTHING] * 16), tools)
    assert answer.value == 0.5
    assert answer.protocol["formula"] == "the program's own"
    assert "comparable_with_the_leaderboard" not in answer.protocol


@pytest.mark.parametrize("dimension", SIX)
def test_without_a_program_there_is_no_value_but_a_reason(
    monkeypatch: pytest.MonkeyPatch, tools: Tools, dimension: str
) -> None:
    monkeypatch.delenv("TPBENCH_VBENCH", raising=False)
    judge = SIX[dimension]()
    answer = judge.score(videos("a car", [0] * 16), None, tools)
    assert answer.value is None
    assert "set TPBENCH_VBENCH to the command line of a program" in str(answer.reason)
    assert (judge.status, judge.higher_is_better, judge.needs_prompts) == ("adapter", True, True)


def test_the_six_are_those_that_take_no_network_of_ours() -> None:
    ours = [dimension.name for dimension in DIMENSIONS if dimension.network is None]
    assert sorted(ours) == sorted([*SIX, "temporal_flickering"])


def test_videos_of_other_prompts_or_of_none_have_no_value(environment: Environment, tools: Tools) -> None:
    environment("well")
    other = score("color", videos("a car", [0] * 16), tools)
    assert "1 of 1 videos are of prompts that VBench does not ask for color, the first: 'a car'" in str(other.reason)
    none = score("color", video_set(np.zeros((2, 4, 4, 4, 3), np.uint8), prompts=None), tools)
    assert "it needs the prompt of each video, and 'ours' has none" in str(none.reason)


def test_without_the_list_of_prompts_the_command_that_takes_one_is_named(
    environment: Environment, tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment("well")
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "empty"))
    with pytest.raises(WeightsError, match="tpbench weights add vbench-prompts FILE"):
        score("scene", videos("street", [0] * 16), tools)


FAULTS = {
    "a video less": "'videos' has 1 items, needed 2: one per video",
    "a frame less": r"'videos\[0\].frames' has 15 items, needed 16: one per frame",
    "some scores": "some of its videos have 'frames' and some a 'score'",
    "both": r"'videos\[0\]' has frames and score, needed 'frames' or 'score'",
    "nothing": r"'videos\[0\]' has nothing, needed 'frames' or 'score'",
    "nan": r"'videos\[0\].score' in its answer: .*finite number, got nan",
    "infinite box": r"'videos\[0\].frames\[0\]\[0\].box\[2\]' in its answer: .*finite number, got inf",
    "turned box": r"'videos\[0\].frames\[0\]' has a box .*with the lesser first",
    "no box": r"'videos\[0\].frames\[0\]' has a 'car' without 'box', which this dimension needs",
    "in percent": r"'videos\[0\].score' in its answer: .*less than or equal to 1, got 75",
    "another key": "unknown key 'results' in its answer",
}


@pytest.mark.parametrize("how", ["well", *FAULTS])
def test_each_fault_of_an_answer_is_named(tmp_path: Path, how: str) -> None:
    questions = []
    for number, grey in enumerate((fake.CAR_LEFT, fake.CAR_RIGHT)):
        np.save(tmp_path / f"{number}.npy", np.full((16, 4, 6, 3), grey, np.uint8))
        questions.append(Question(file=tmp_path / f"{number}.npy", prompt=LEFT, auxiliary={}))
    request = json.loads(request_line("spatial_relationship", questions, device="cpu"))
    document = json.loads(fake.answer(how, request))
    if how == "well":
        assert len(read_answer(document, kind="frames", needs="box", videos=2)) == 2
        return
    with pytest.raises(AnswerError, match=FAULTS[how]):
        read_answer(document, kind="frames", needs="box", videos=2)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("crash", "ended with exit code 1.*CUDA out of memory"),
        ("garbage", r"without an answer.*tensor\(\[0.5\]\)"),
        ("a video less", "'videos' has 1 items, needed 2"),
    ],
)
def test_a_fault_of_the_program_is_an_error_and_no_score(
    environment: Environment, tools: Tools, how: str, said: str
) -> None:
    environment(how)
    with pytest.raises(UnitError, match=f"cannot score 'vbench.spatial_relationship'.*{said}") as caught:
        score("spatial_relationship", videos(LEFT, [fake.CAR_LEFT] * 16, [fake.CAR_RIGHT] * 16), tools)
    assert "answers each line on stdin with one line on stdout" in str(caught.value)


def test_a_program_that_takes_too_long_is_killed(environment: Environment, tools: Tools) -> None:
    environment("hang", timeout_s=0.5)
    with pytest.raises(UnitError, match=r"took longer than timeout_s = 0\.5 s and was killed"):
        score("scene", videos("street", [0] * 16), tools)


def test_a_crash_between_two_requests_is_named_and_gives_no_half_a_score(
    environment: Environment, tools: Tools
) -> None:
    environment("second crash")
    many = videos("street", *([[0] * 3] * (adapter.AT_ONCE + 1)))
    with pytest.raises(UnitError, match=r"exit code 1.*CUDA out of memory"):
        score("scene", many, tools)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TPBENCH_VBENCH", "/no/such/python look.py", "no file /no/such/python"),
        ("TPBENCH_VBENCH", "python 'look.py", "No closing quotation"),
        ("TPBENCH_VBENCH_TIMEOUT_S", "soon", "TPBENCH_VBENCH_TIMEOUT_S is 'soon'"),
        ("TPBENCH_VBENCH_TIMEOUT_S", "-1", "needed a positive number of seconds"),
    ],
)
def test_a_wrong_command_line_or_patience_is_refused_before_anything_starts(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    environment("well")
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match="TPBENCH_VBENCH is ") as caught:
        adapter.named_environment()
    assert said in str(caught.value)


def test_no_process_and_no_file_is_left_behind(
    environment: Environment, tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for how in ("well", "nan"):
        environment(how)
        try:
            score("scene", videos("street", [0] * 16), tools)
        except UnitError:
            assert how == "nan"
        assert os.listdir(tmp_path / "tmp") == []


def test_a_request_is_one_line_whatever_is_in_the_prompt() -> None:
    question = Question(file=Path("/x/0.npy"), prompt='a "red"\ncar', auxiliary={"color": "red"})
    assert "\n" not in request_line("color", [question], device="cpu")


def test_an_answer_of_another_type_is_refused() -> None:
    for document in ({"videos": "all"}, {"videos": [{"captions": "a street"}]}, {"videos": [{"score": True}]}, {}):
        with pytest.raises(AnswerError, match="in its answer"):
            read_answer(document, kind="captions", needs=None, videos=1)
