"""``tpbench eval``, ``new generator`` and ``check-plugin``, as the shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command_line import Tpbench
from harness.commands.evaluation import WITHOUT_REFERENCE
from harness.conformance import Check


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Three short noisy clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        np.save(folder / f"{number}.npy", random.integers(0, 255, (6, 16, 16, 3), dtype=np.uint8))
    return folder


def test_eval_scores_a_folder_and_prints_the_protocol(tpbench: Tpbench, clips: Path) -> None:
    code, out, _ = tpbench("eval", "clips", "--reference", "clips", "--metric", "motion_energy_ratio")
    assert code == 0
    assert "motion_energy_ratio" in out
    assert "6 frames, 3 clips against 3" in out


def test_eval_names_a_broken_file_once_and_scores_the_rest(tpbench: Tpbench, clips: Path) -> None:
    (clips / "broken.npy").write_text("junk")
    code, out, err = tpbench("eval", "clips", "--reference", "clips", "--metric", "motion_energy_ratio", "--json")
    document = json.loads(out)
    assert code == 3
    assert document["measurements"][0]["value"] == pytest.approx(1.0)
    assert document["measurements"][0]["protocol"]["n_generated"] == 3
    assert len(document["problems"]) == 1
    assert err.count("broken.npy") == 1


def test_eval_refuses_an_unknown_metric_with_the_list(tpbench: Tpbench, clips: Path) -> None:
    code, out, err = tpbench("eval", "clips", "--reference", "clips", "--metric", "fdv")
    assert (code, out) == (2, "")
    assert "unknown metric 'fdv'" in err
    assert "Known: " in err


def test_eval_says_what_it_could_not_measure_and_why(tpbench: Tpbench, clips: Path) -> None:
    metrics = ["--metric", "digit_accuracy", "--metric", "motion_energy_ratio"]
    code, out, _ = tpbench("eval", "clips", "--reference", "clips", *metrics)
    assert code == 0
    assert "not measured" in out
    assert "because" in out


def test_eval_without_a_reference_scores_what_needs_none(tpbench: Tpbench, clips: Path) -> None:
    code, out, _ = tpbench("eval", "clips", "--json")
    measurements = json.loads(out)["measurements"]
    assert code == 0
    assert [item["metric"] for item in measurements] == list(WITHOUT_REFERENCE)
    assert measurements[0]["value"] is not None


def test_a_kept_reference_gives_the_same_numbers(tpbench: Tpbench, clips: Path) -> None:
    metrics = ["--metric", "fvd[transnetv2]", "--metric", "motion_energy_ratio"]
    code, out, _ = tpbench("reference", "clips", "real.safetensors", *metrics)
    assert code == 0
    assert "3 clips of 6 frames of 16x16" in out
    by_folder, by_file = (
        json.loads(tpbench("eval", "clips", "--reference", place, *metrics, "--json")[1])["measurements"]
        for place in ("clips", "real.safetensors")
    )
    assert [item["value"] for item in by_file] == [item["value"] for item in by_folder]
    assert by_file[0]["value"] is not None
    document = json.loads(tpbench("reference", "clips", "real.safetensors", *metrics, "--json")[1])
    assert document["card"]["names"] == ["0.npy", "1.npy", "2.npy"]
    assert document["problems"] == document["refusals"] == []


def test_a_kept_reference_names_what_it_could_not_read(tpbench: Tpbench, clips: Path) -> None:
    (clips / "broken.npy").write_text("junk")
    code, _, err = tpbench("reference", "clips", "real.safetensors", "--metric", "motion_energy_ratio")
    assert code == 3
    assert err.count("broken.npy") == 1


def test_eval_against_another_folder_says_which_is_nearer(tpbench: Tpbench, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, top in (("real", 256), ("near", 256), ("far", 100)):
        (tmp_path / name).mkdir()
        for number in range(40):
            clip = np.broadcast_to(random.integers(0, top, (4, 1, 1, 3), dtype=np.uint8), (4, 8, 12, 3))
            np.save(tmp_path / name / f"{number}.npy", clip)
    asked = ["eval", "near", "--reference", "real", "--against", "far", "--metric", "fvd[transnetv2]"]
    code, out, _ = tpbench(*asked, "--metric", "temporal_flicker")
    assert code == 0
    assert "near against real" in out
    assert "far against real" in out
    assert "yes, nearer" in out
    assert "not compared" in out
    _, turned, _ = tpbench("eval", "far", "--reference", "real", "--against", "near", "--metric", "fvd[transnetv2]")
    assert "no, farther" in turned
    _, same, _ = tpbench("eval", "near", "--reference", "real", "--against", "near", "--metric", "fvd[transnetv2]")
    assert "cannot be told" in same
    document = json.loads(tpbench(*asked, "--json")[1])
    assert document["comparisons"][0]["p_value"] == 0.002
    assert [item["generator"] for item in document["measurements"]] == ["near", "far"]


def test_eval_takes_captions(tpbench: Tpbench, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "captions.json").write_text(json.dumps({f"{number}.npy": "grey noise" for number in range(3)}))
    _, out, _ = tpbench("eval", "clips", "--captions", "captions.json", "--metric", "conse", "--json")
    assert json.loads(out)["measurements"][0]["value"] is not None
    (tmp_path / "captions.json").write_text(json.dumps({"0.npy": "grey noise"}))
    code, _, err = tpbench("eval", "clips", "--captions", "captions.json", "--metric", "conse")
    assert code == 3
    assert "captions.json: no caption for 1.npy, 2.npy" in err


def test_eval_refuses_a_layout_or_split_that_nobody_knows(tpbench: Tpbench, clips: Path) -> None:
    code, _, err = tpbench("eval", "clips", "--layout", "ucf101", "--metric", "temporal_flicker")
    assert code == 2
    assert "Did you mean 'ucf-101'?" in err
    code, _, err = tpbench("eval", "clips", "--reference", "clips", "--reference-split", "test01")
    assert code == 2
    assert "a plain folder has no splits" in err


def test_a_new_generator_is_written_once(tpbench: Tpbench, tmp_path: Path) -> None:
    code, out, _ = tpbench("new", "generator", "my-idea", "--into", "plugins")
    assert code == 0
    assert "tpbench check-plugin my-idea" in out
    assert (tmp_path / "plugins" / "my-idea" / "pyproject.toml").is_file()
    assert tpbench("new", "generator", "my-idea", "--into", "plugins").code == 2


@pytest.mark.parametrize(("kept", "code"), [(True, 0), (False, 3)])
def test_check_plugin_is_3_when_a_promise_is_broken(
    tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch, kept: bool, code: int
) -> None:
    checks = [
        Check(name="it loads", passed=True, detail="yes"),
        Check(name="it samples", passed=kept, detail="so"),
    ]
    monkeypatch.setattr("harness.conformance.check", lambda name: checks)
    ended, out, _ = tpbench("check-plugin", "full-rate")
    assert ended == code
    assert ("FAILED" in out) != kept
    assert tpbench("check-plugin", "full-rate", "--json").document[1] == {
        "check": "it samples",
        "passed": kept,
        "detail": "so",
    }


def test_check_plugin_of_an_unknown_generator_is_2(tpbench: Tpbench) -> None:
    assert tpbench("check-plugin", "no-such").code == 2


def test_eval_names_the_broken_file_also_when_it_refuses_the_rest(
    tpbench: Tpbench, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "fewer").mkdir()
    for number in range(2):
        (tmp_path / "fewer" / f"{number}.npy").write_bytes((clips / f"{number}.npy").read_bytes())
    (tmp_path / "fewer" / "broken.npz").write_bytes(b"PK junk")
    code, out, err = tpbench("eval", "fewer", "--reference", "clips", "--metric", "fvd[transnetv2]")
    assert (code, out) == (5, "")
    assert "'fewer' has 2 videos, reference 'clips' has 3" in err
    assert "broken.npz: no readable array" in err
    assert "Traceback" not in err
