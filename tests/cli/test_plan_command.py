"""``tpbench plan`` on a model that can be counted by hand: tables, document, scans, claims, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import Tpbench
from harness import model_files
from harness.planning import paper
from harness.store import harmless
from tiny_published import decoder, forward_flops, text_encoder, tiny_model

CELLS = 4 * 6


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model stands for ``tiny``; other names are asked of the registry."""
    model = tiny_model(companions=(text_encoder(), decoder()))
    registered = model_files.load_model
    monkeypatch.setattr(model_files, "load_model", lambda name: model if name == "tiny" else registered(name))


def plan(tpbench: Tpbench, *arguments: str) -> Any:
    outcome = tpbench("plan", "tiny", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.document


def test_the_document_holds_what_comes_out_by_hand(tpbench: Tpbench) -> None:
    found = plan(tpbench)
    calls = [forward_flops(frames, cells=CELLS) for frames in (5, 9, 17)]
    assert [stage["call_flops"] for stage in found["stages"]] == calls
    sampling = found["sampling"]
    assert (sampling["full_rate_flops"], sampling["flops"]) == (30 * calls[2], 10 * sum(calls))
    assert sampling["speedup"] == pytest.approx(3 * calls[2] / sum(calls))
    beside = sum(one["pass_flops"] for one in found["companions"])
    assert found["end_to_end"]["speedup"] == pytest.approx((30 * calls[2] + beside) / (10 * sum(calls) + beside))
    bounds = sampling["bounds"]
    assert bounds["endless"] == {"linear": pytest.approx(12 / 7), "quadratic": pytest.approx(16 / 7)}
    assert bounds["this_length"]["linear"] < sampling["speedup"] < bounds["this_length"]["quadratic"]


def test_guidance_doubles_calls_and_text_and_nothing_else(tpbench: Tpbench) -> None:
    plain, guided = plan(tpbench), plan(tpbench, "--guidance")
    assert guided["sampling"]["flops"] == 2 * plain["sampling"]["flops"]
    assert [one["passes"] for one in guided["companions"]] == [2, 1]
    assert guided["training"] == plain["training"]


def test_a_batch_is_so_many_videos(tpbench: Tpbench) -> None:
    one, three = plan(tpbench), plan(tpbench, "--batch", "3")
    assert three["sampling"]["flops"] == 3 * one["sampling"]["flops"]
    assert three["memory"]["inference"]["weight_bytes"] == one["memory"]["inference"]["weight_bytes"]


def test_one_stage_saves_nothing(tpbench: Tpbench) -> None:
    found = plan(tpbench, "--stages", "1")
    steps = [step for one in found["training"]["regimes"].values() for step in (one["plain"], one["checkpointed"])]
    assert {found["sampling"]["speedup"], found["end_to_end"]["speedup"], *(step["speedup"] for step in steps)} == {1.0}
    card = found["roofline"]["hardware"]["h100"]
    assert card["video_speedup"] == {"low": 1.0, "high": 1.0}


def test_every_card_that_is_named_gets_its_seconds(tpbench: Tpbench) -> None:
    found = plan(tpbench, "--hardware", "h100", "--hardware", "4090")["roofline"]
    assert list(found["hardware"]) == ["h100", "4090"]
    for card in found["hardware"].values():
        assert 0 < card["video_s"]["low"] < card["video_s"]["high"]
        assert card["fits"] == {"inference": True, "training": True, "training_checkpointed": True}


def test_the_tables_say_what_the_document_says(tpbench: Tpbench) -> None:
    found, out = plan(tpbench), tpbench("plan", "tiny").out
    assert f"{found['sampling']['speedup']:.2f}x in the denoiser" in out
    for word in ("tiny text encoder", "tiny decoder", "prompt to frames", "lora, checkpointing", "a model of the card"):
        assert word in out
    assert out.count("|----") >= 4


def test_frames_that_are_left_out_are_the_nearest_that_fit(tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "load_model", lambda _: tiny_model(frames=49, temporal_stride=8))
    found = plan(tpbench)
    assert found["video"]["frames"] == 65
    assert "Published for 49 frames (7 latent), which do not fit 3 stages" in found["notices"][0]
    refused = tpbench("plan", "tiny", "--frames", "49")
    assert (refused.code, refused.out) == (2, "")
    assert "Use 65 or 33 frames" in refused.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tiny", "--frames", "64"], "it needs 1 + a multiple of 4, e.g. 61 or 65"),
        (["tiny", "--size", "30x48"], "height 30: it needs a multiple of 16, e.g. 16 or 32"),
        (["tiny", "--size", "big"], "expected HEIGHTxWIDTH in pixels, e.g. 480x832"),
        (["tiny", "--shares", "1,2"], "give 3 positive numbers, one a stage"),
        (["tiny", "--shares", "a,b,c"], "--shares a,b,c: expected a number for each stage"),
        (["tiny", "--steps", "2"], "2 steps cannot serve 3 stages"),
        (["tiny", "--hardware", "h10"], "unknown card 'h10' (--hardware). Did you mean 'h100'?"),
        (["tiny", "--regime", "partial"], "Known: frozen-spatial, full, lora."),
        (["tiny", "--planner", "tpdif"], "unknown planner 'tpdif' (--planner). Did you mean 'tpdiff'? Known: tpdiff."),
        (["tiny", "--scan", "length"], "unknown scan 'length' (--scan). Known: frames, size, stages."),
        (["wan2.1-1.3"], "Did you mean 'wan2.1-1.3b'? Known: animatediff-sd15, "),
        ([], "tpbench plan needs a model. Known: animatediff-sd15, "),
        (["tiny", "--claims"], "--claims takes no model, got 'tiny'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_do(tpbench: Tpbench, arguments: list[str], said: str) -> None:
    outcome = tpbench("plan", *arguments, "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


def test_a_regime_that_the_model_has_not_is_a_reason_or_an_error(
    tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "load_model", lambda _: tiny_model(is_spatial=None))
    assert "space and time share its layers" in plan(tpbench)["training"]["regimes"]["frozen-spatial"]["reason"]
    assert tpbench("plan", "tiny", "--regime", "frozen-spatial").code == 2


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_scan_of_lengths_is_a_file_and_two_figures(tpbench: Tpbench, tmp_path: Path) -> None:
    found = plan(tpbench, "--scan", "frames", "--out", "there")
    assert found["files"] == [f"there/tiny-frames.{kind}" for kind in ("csv", "png", "svg")]
    table = rows(tmp_path / "there" / "tiny-frames.csv")
    assert [int(row["frames"]) for row in table[:3]] == [17, 33, 49]
    assert int(table[-1]["frames"]) == 4 * 65 - 3
    speedups = [float(row["sampling_speedup"]) for row in table]
    assert speedups == sorted(speedups)
    (here,) = (row for row in table if row["frames"] == "65")
    assert float(here["sampling_speedup"]) == found["sampling"]["speedup"]
    assert float(here["training_speedup"]) == found["training"]["regimes"]["full"]["plain"]["speedup"]
    assert all(float(row["bound_linear"]) < float(row["sampling_speedup"]) for row in table)
    assert (tmp_path / "there" / "tiny-frames.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "there" / "tiny-frames.svg").read_text()
    assert not list((tmp_path / "there").glob(".*"))


def test_the_same_scan_gives_the_same_files(tpbench: Tpbench, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        plan(tpbench, "--scan", "stages", "--out", folder)
    for kind in ("csv", "png", "svg"):
        one, other = ((tmp_path / folder / f"tiny-stages.{kind}").read_bytes() for folder in ("one", "other"))
        assert one == other


def test_a_scan_of_stages_says_why_some_are_missing(tpbench: Tpbench, tmp_path: Path) -> None:
    plan(tpbench, "--scan", "stages")
    table = rows(tmp_path / "plans" / "tiny-stages.csv")
    assert [row["stages"] for row in table] == ["1", "2", "3", "4", "5", "6"]
    speedups = [row["sampling_speedup"] for row in table]
    assert [float(one) for one in speedups[:5]] == sorted(float(one) for one in speedups[:5])
    assert speedups[0] == "1.0"
    assert speedups[5] == ""
    assert "1 + 16 frames do not divide" in table[5]["reason_if_null"]


def test_a_scan_of_sizes_counts_each_one(tpbench: Tpbench, tmp_path: Path) -> None:
    found = plan(tpbench, "--scan", "size")
    table = rows(tmp_path / "plans" / "tiny-size.csv")
    sizes = [(int(row["height"]), int(row["width"])) for row in table]
    assert sizes == sorted(sizes)
    assert {(32, 48), (64, 96)} <= set(sizes)
    for (height, width), row in zip(sizes, table, strict=True):
        cells = height // 8 * (width // 8)
        assert float(row["full_rate_flops"]) == pytest.approx(30 * forward_flops(17, cells=cells), rel=1e-12)
    assert found["sampling"]["speedup"] in {float(row["sampling_speedup"]) for row in table}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\tx", "\n=x"])
def test_no_cell_starts_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_cells_that_start_none_are_left_alone() -> None:
    assert [harmless(value) for value in ("wan2.1", "a=b", -1.5, 3)] == ["wan2.1", "a=b", -1.5, 3]


def test_the_papers_numbers_are_judged_for_every_clip(
    tpbench: Tpbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = yaml.safe_load(paper.SHIPPED.read_text())
    for number in data["numbers"]:
        number["model"] = "tiny"
        number["clips"] = [{"frames": frames, "size": "32x48"} for frames in (33, 65)]
    file = tmp_path / "paper.yaml"
    file.write_text(yaml.safe_dump(data))
    monkeypatch.setattr(paper.load_paper, "__defaults__", (file,))
    found = tpbench("plan", "--claims", "--json").document
    assert len(found["numbers"]) == 2 * len(data["numbers"])
    words = {"reachable", "not reachable by FLOPs alone", "consistent with fixed costs"}
    assert {number["verdict"] for number in found["numbers"]} <= words
    printed = tpbench("plan", "--claims").out
    for number in found["numbers"]:
        assert number["id"] in printed
        assert (number["roofline_speedup"] is None) == (number["what"] == "training")
        bound, claimed = number["flop_speedup"], number["claimed"] - number["half_digit"]
        assert (number["verdict"] == "not reachable by FLOPs alone") == (claimed > bound)
    assert "| 33 x 32x48 |" in printed
