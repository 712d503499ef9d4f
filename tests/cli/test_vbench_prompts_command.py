"""``tpbench vbench prompts`` and ``compare`` as the shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import Tpbench
from harness.metrics.vbench.dimensions import DIMENSIONS

CLIPS = {"frames": 16, "size": [320, 512], "fps": 8}
PROMPTS = [
    {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    {"prompt_en": "a toilet, frozen in time", "dimension": ["temporal_flickering"]},
]


def write(tmp_path: Path, name: str, content: object) -> str:
    (tmp_path / name).write_text(json.dumps(content))
    return name


def test_prompts_are_counted_by_dimension(tpbench: Tpbench, tmp_path: Path) -> None:
    file = write(tmp_path, "list.json", PROMPTS)
    code, out, err = tpbench("vbench", "prompts", file)
    assert (code, err) == (0, "")
    assert "2 entries (as published: 946), 2 prompts" in out
    document = tpbench("vbench", "prompts", file, "--json").document
    assert document["dimensions"]["temporal_flickering"] == {"prompts": 1, "videos": 25}
    assert document["dimensions"]["scene"] == {"prompts": 0, "videos": 0}


def test_missing_videos_are_named_and_make_the_exit_code_3(tpbench: Tpbench, tmp_path: Path) -> None:
    file = write(tmp_path, "list.json", PROMPTS)
    videos = tmp_path / "videos"
    videos.mkdir()
    for index in range(5):
        (videos / f"a red car-{index}.mp4").touch()
    (videos / "notes.txt").touch()
    code, out, _ = tpbench("vbench", "prompts", file, "--videos", "videos")
    assert code == 3
    assert "missing: 25" in out
    assert "a toilet, frozen in time-0.mp4" in out
    assert "and 5 more" in out
    assert "notes.txt" in out
    outcome = tpbench("vbench", "prompts", file, "--videos", "videos", "--json")
    assert outcome.code == 3
    assert outcome.document["dimensions"]["color"] == {"prompts": 1, "videos": 5, "found": 5}
    assert (len(outcome.document["missing"]), outcome.document["strange"]) == (25, ["notes.txt"])
    for index in range(25):
        (videos / f"a toilet, frozen in time-{index}.mp4").touch()
    assert tpbench("vbench", "prompts", file, "--videos", "videos").code == 0


def test_a_wrong_list_and_a_folder_that_is_not_there_are_errors(tpbench: Tpbench, tmp_path: Path) -> None:
    code, _, err = tpbench("vbench", "prompts", write(tmp_path, "wrong.json", [{"prompt_en": "a"}]))
    assert code == 2
    assert "entry 0 ('a'): 'dimension' is None" in err
    code, _, err = tpbench("vbench", "prompts", write(tmp_path, "list.json", PROMPTS), "--videos", "none")
    assert code == 3
    assert "cannot look for videos in none" in err


def test_a_total_says_with_which_rows_of_the_leaderboard_it_compares(tpbench: Tpbench, tmp_path: Path) -> None:
    scores = {dimension.name: 0.5 for dimension in DIMENSIONS}
    _, out, _ = tpbench("vbench", "total", write(tmp_path, "bare.json", scores))
    assert "comparable with no row of the leaderboard" in " ".join(out.split())
    _, out, _ = tpbench("vbench", "total", write(tmp_path, "full.json", scores | CLIPS))
    assert "comparable with the leaderboard's rows of clips of 16 frames of 320x512 at 8 fps" in " ".join(out.split())
    document = tpbench("vbench", "total", "full.json", "--json").document
    assert (document["comparable"], document["why_not"], document["clips"]) == (True, [], CLIPS | {"fps": 8.0})
    assert tpbench("vbench", "total", "bare.json", "--json").document["comparable"] is False
    odd = scores | CLIPS | {"scene": {"value": 0.5, **CLIPS, "frames": 32}}
    code, _, err = tpbench("vbench", "total", write(tmp_path, "odd.json", odd))
    assert code == 5
    assert "scene: 32 frames of 320x512 at 8 fps" in err


def test_two_files_compare_at_equal_clips_and_exit_5_at_others(tpbench: Tpbench, tmp_path: Path) -> None:
    ours = write(tmp_path, "ours.json", {"scene": 0.6, "temporal_flickering": 0.9, "dynamic_degree": 0.5} | CLIPS)
    theirs = write(tmp_path, "theirs.json", {"scene": 0.5, "temporal_flickering": 0.9, "dynamic_degree": 0.5} | CLIPS)
    code, out, _ = tpbench("vbench", "compare", ours, theirs)
    assert code == 0
    assert "+10.00" in out
    slower = write(tmp_path, "slower.json", {"scene": 0.5} | CLIPS | {"fps": 16})
    code, out, _ = tpbench("vbench", "compare", ours, slower)
    assert code == 5
    assert "+10.00" not in out, "a difference that means nothing is not shown"
    outcome = tpbench("vbench", "compare", ours, slower, "--json")
    assert outcome.code == 5
    assert outcome.document["scene"]["comparable"] is False
    assert "at 8 fps against 16 frames of 320x512 at 16 fps" in outcome.document["scene"]["why_not"][0]
    code, _, err = tpbench("vbench", "compare", ours, write(tmp_path, "other.json", {"color": 0.5}))
    assert code == 2
    assert "no dimension in common" in err
