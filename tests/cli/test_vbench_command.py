"""``tpbench vbench total`` as the shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Tpbench
from harness.metrics.vbench.dimensions import DIMENSIONS


def write(tmp_path: Path, scores: object) -> str:
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    return "scores.json"


def test_totals_are_printed_with_what_makes_them_incomparable(tpbench: Tpbench, tmp_path: Path) -> None:
    scores = {dimension.name: dimension.most for dimension in DIMENSIONS}
    code, out, err = tpbench("vbench", "total", write(tmp_path, scores))
    assert (code, err) == (0, "")
    assert "Total" in out
    assert "100.00 %" in out
    scores["motion_smoothness[rife]"] = scores.pop("motion_smoothness")
    code, _, err = tpbench("vbench", "total", write(tmp_path, scores))
    assert code == 0
    assert "not comparable with the leaderboard: motion_smoothness[rife]" in err
    document = tpbench("vbench", "total", write(tmp_path, scores), "--json").document
    assert document["total"] == pytest.approx(1)
    assert len(document["not_as_on_the_leaderboard"]) == 1


def test_a_missing_dimension_is_not_comparable(tpbench: Tpbench, tmp_path: Path) -> None:
    code, out, err = tpbench("vbench", "total", write(tmp_path, {"scene": 0.5}))
    assert (code, out) == (5, "")
    assert "from 1 of 16 dimensions; missing: subject_consistency" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [("[1]", "holds list"), ("{", "is no JSON"), ('{"scene": 0.5, "scene": 0.6}', "'scene' is given twice")],
)
def test_what_is_no_object_of_scores_is_a_usage_error(
    tpbench: Tpbench, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "scores.json").write_text(content)
    code, _, err = tpbench("vbench", "total", "scores.json")
    assert code == 2
    assert said in err
