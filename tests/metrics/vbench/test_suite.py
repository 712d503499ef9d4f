"""VBench's list of prompts: read strictly, counted, and held against a folder of videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MediaError, UsageError
from harness.metrics.vbench.dimensions import DIMENSIONS, find
from harness.metrics.vbench.suite import coverage, found_videos, read_suite, video_name

GOOD = {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}}
LEFT = {"object_a": "car", "object_b": "bus", "relationship": "on the left of"}


def write(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "list.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def asking(prompt: str, dimension: str, auxiliary: object = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"prompt_en": prompt, "dimension": [dimension]}
    return entry if auxiliary is None else {**entry, "auxiliary_info": {dimension: auxiliary}}


def test_entries_as_vbench_writes_them_are_read_and_counted(prompts: Path) -> None:
    suite = read_suite(prompts)
    counts = suite.counts()
    assert list(counts) == [dimension.name for dimension in DIMENSIONS]
    assert {name for name, count in counts.items() if count} == {
        "background_consistency",
        "temporal_flickering",
        "object_class",
        "multiple_objects",
        "human_action",
        "color",
        "spatial_relationship",
        "scene",
    }
    assert suite.of("color")[0].auxiliary == {"color": {"color": "red"}}
    assert suite.prompts()["street"] == 5
    assert suite.prompts()["In a still frame, a stop sign"] == 25


def test_a_prompt_that_is_listed_twice_counts_twice_but_has_its_videos_once(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path, [asking("a", "overall_consistency"), asking("a", "temporal_flickering")] * 2))
    assert suite.counts()["overall_consistency"] == 2
    assert suite.prompts() == {"a": 25}
    assert [entry.videos for entry in suite.entries] == [5, 25, 5, 25]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ({}, "needed a list of entries"),
        ([], "needed a list of entries"),
        ("[NaN]", "NaN is no JSON number"),
        ('[{"prompt_en": "a", "prompt_en": "b"}]', "key 'prompt_en' is given twice"),
        ([GOOD, "a red car"], "entry 1 is 'a red car'; needed an object"),
        ([GOOD, {"dimension": ["color"]}], "entry 1: 'prompt_en' is None"),
        ([{**GOOD, "prompt_en": " "}], "entry 0: 'prompt_en' is ' '"),
        ([{**GOOD, "video_list": []}], "entry 0 ('a red car'): unknown key 'video_list'. Known: prompt_en"),
        ([asking("../a", "scene")], "entry 0 ('../a'): the prompt has a letter that no file name can have"),
        ([asking("a\0", "scene")], "the prompt has a letter that no file name can have"),
        ([{**GOOD, "dimension": "color"}], "'dimension' is 'color'; needed a list of names"),
        ([{**GOOD, "dimension": []}], "'dimension' is []"),
        ([{**GOOD, "dimension": ["color", "color"]}], "needed a list of names, each once"),
        ([{**GOOD, "dimension": ["colour"]}], "entry 0 ('a red car'): unknown dimension 'colour'. Known: subject_"),
        ([{**GOOD, "dimension": [["color"]]}], "unknown dimension ['color']"),
        ([{**GOOD, "dimension": ["vbench.color"]}], "unknown dimension 'vbench.color'"),
        ([{**GOOD, "auxiliary_info": "red"}], "'auxiliary_info' is 'red'; needed an object for each dimension"),
        ([{**GOOD, "auxiliary_info": {"color": "red"}}], "needed an object for each dimension"),
        ([asking("a", "overall_consistency") | {"auxiliary_info": {"scene": {}}}], "is about 'scene', which is none"),
        ([asking("a red car", "color")], "'auxiliary_info' for color: 'color' is missing"),
        ([asking("a red car", "color", {"color": "blue"})], "needed 'a blue ...'"),
        ([asking("a car", "object_class", {"object": 3})], "'object' is 3, needed a text"),
        ([asking("a", "multiple_objects", {"object": "cat"})], "'object' is 'cat', needed two objects"),
        ([asking("jogging", "human_action")], "needed 'A person is ...'"),
        ([asking("a", "scene", {"scene": "street"})], "'scene' is 'street', needed an object"),
        ([asking("a", "spatial_relationship", LEFT)], "'spatial_relationship' is missing, needed an object"),
        (
            [asking("a", "spatial_relationship", {"spatial_relationship": {**LEFT, "relationship": "near"}})],
            "'relationship' is 'near', known: on the left of",
        ),
        (
            [asking("a", "spatial_relationship", {"spatial_relationship": {**LEFT, "object_b": "car"}})],
            "are both 'car', needed two that can be told apart",
        ),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_with_its_place(tmp_path: Path, content: object, said: str) -> None:
    file = write(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        read_suite(file)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_a_good_entry_is_not_refused(tmp_path: Path) -> None:
    assert len(read_suite(write(tmp_path, [GOOD])).entries) == 1
    right = asking("a", "spatial_relationship", {"spatial_relationship": LEFT})
    assert len(read_suite(write(tmp_path, [right])).entries) == 1


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_suite(tmp_path / "none.json")
    with pytest.raises(UsageError, match="more than 1 MB"):
        read_suite(write(tmp_path, "[" + " " * 1_000_000 + "]"))


def test_a_folder_is_held_against_the_list_by_name(tmp_path: Path) -> None:
    entries = [asking("a - b-3", "overall_consistency"), asking("still", "temporal_flickering")]
    suite = read_suite(write(tmp_path, entries))
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in (
        *("a - b-3-0.mp4", "a - b-3-4.mp4", "still-24.mp4"),
        *("a - b-3-5.mp4", "A - b-3-1.mp4", "a - b-3-01.mp4", "a - b-3-1.avi", "still-25.mp4", ".still-0.mp4"),
    ):
        (folder / name).touch()
    (folder / "still-1.mp4").mkdir()
    seen = coverage(suite, folder)
    assert {prompt: sorted(of) for prompt, of in seen.found.items()} == {"a - b-3": [0, 4], "still": [24]}
    assert seen.found["still"][24] == folder / video_name("still", 24)
    assert len(seen.missing) == 5 + 25 - 3
    assert seen.missing[:2] == ("a - b-3-1.mp4", "a - b-3-2.mp4")
    assert "still-1.mp4" in seen.missing, "a folder is no video"
    assert seen.strange == ("A - b-3-1.mp4", "a - b-3-01.mp4", "a - b-3-1.avi", "a - b-3-5.mp4", "still-25.mp4")
    assert found_videos(suite, "overall_consistency", seen.found) == (2, 5)
    assert found_videos(suite, "temporal_flickering", seen.found) == (1, 25)


def test_a_folder_with_all_videos_has_none_missing(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path, [GOOD]))
    folder = tmp_path / "videos"
    folder.mkdir()
    for index in range(5):
        (folder / video_name("a red car", index)).touch()
    seen = coverage(suite, folder)
    assert (seen.missing, seen.strange) == ((), ())
    assert found_videos(suite, "color", seen.found) == (5, 5)
    with pytest.raises(MediaError, match="cannot look for videos in"):
        coverage(suite, tmp_path / "none")


def test_twenty_five_videos_are_for_flickering_only() -> None:
    assert [d.name for d in DIMENSIONS if d.videos_per_prompt != 5] == ["temporal_flickering"]
    assert find("temporal_flickering").videos_per_prompt == 25
