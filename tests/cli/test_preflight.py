"""What is refused before a run writes anything, and what its folder and its command are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command_line import FakeDriver, Tpbench, only_run, study_file
from harness.commands.preflight import run_name
from harness.commands.run import command_line
from harness.input_files import read_yaml
from harness.study import Study, shipped


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = tpbench("run", study_file(tmp_path, device="cuda:0"))
    assert outcome.code == 2
    assert "cannot run on 'cuda:0'" in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_second_gpu_that_is_not_there_is_refused_too(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    outcome = tpbench("run", study_file(tmp_path, device="cuda:1"))
    assert outcome.code == 2
    assert "sees 1 CUDA devices" in outcome.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"generators": [{"name": "full-rate"}, {"name": "tpdiff", "options": {"stage": 3}}]},
            "generators[1] ('tpdiff'): unknown option of TPDiffOptions 'stage'. Did you mean 'stages'?",
        ),
        (
            {"generators": [{"name": "full-rate"}, {"name": "tpdiff", "options": {"stages": 6}}]},
            "6 stages reduce the frames 32-fold at first: 16 frames do not divide. Use 32 frames, or fewer stages",
        ),
        (
            {"sampling": {"videos": 4, "batch": 2, "steps": 2}},
            "generators[1] ('tpdiff'): cannot sample with this pyramid: 2 steps cannot serve 3 stages",
        ),
        (
            {"generators": [{"name": "full-rate"}, {"name": "tpdiff", "options": {"shares": 5}}]},
            "generators[1] ('tpdiff'): option 'shares': input should be a list, got 5.",
        ),
        (
            {
                "generators": [
                    {"name": "full-rate"},
                    {"name": "tpdiff"},
                    {"name": "tpdiff", "label": "late", "weights_of": "tpdiff", "options": {"target": "sharp"}},
                ]
            },
            "generators[2] ('late') cannot sample with the weights of 'tpdiff', which are trained for something else: "
            "target sharp instead of blended",
        ),
        (
            {"generators": [{"name": "full-rate"}, {"name": "tpdiff", "weights_of": "full-rate"}]},
            "generator tpdiff instead of full-rate",
        ),
        ({"backbone": {"name": "tiny-unet", "options": {"wdth": 8}}}, "wdth"),
        ({"data": {"name": "moving-digits", "options": {"canvs": 16}}}, "canvs"),
    ],
    ids=[
        "unknown option",
        "impossible option",
        "impossible request",
        "wrong type",
        "another target's weights",
        "another generator's weights",
        "backbone option",
        "data option",
    ],
)
def test_options_are_checked_before_anything_is_written(
    change: dict[str, Any], message: str, tpbench: Tpbench, tmp_path: Path
) -> None:
    outcome = tpbench("run", study_file(tmp_path, **change))
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_plugin_that_crashes_hides_no_wrong_option_of_another(tpbench: Tpbench, tmp_path: Path) -> None:
    crash = "class Idea:\n    def load(self, context):\n        raise RuntimeError('no kernel')\n"
    (tmp_path / "idea.py").write_text(crash + "    def generate(self, request, probe): ...\n")
    wrong = {"name": "tpdiff", "options": {"stages": 0}}
    generators = [{"name": "full-rate"}, {"name": str(tmp_path / "idea.py:Idea")}, wrong]
    outcome = tpbench("run", study_file(tmp_path, generators=generators))
    assert outcome.code == 2
    assert "generators[2] ('tpdiff')" in outcome.err


def test_a_wrong_claims_file_is_found_before_anything_runs(tpbench: Tpbench, tmp_path: Path) -> None:
    claims = tmp_path / "claims.yaml"
    claims.write_text("candidate: tpdiff\nclaims: []\n")
    for more in ((), ("--dry-run",)):
        outcome = tpbench("run", study_file(tmp_path, claims=str(claims)), *more)
        assert outcome.code == 2
        assert "claims" in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_plugin_joins_the_study_and_its_text_decides_the_folder(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    file = tmp_path / "idea.py"
    file.write_text("class Idea: ...\n")
    assert tpbench("run", "quick", "--plugin", "idea.py:Idea").code == 0
    study = read_yaml(only_run(tmp_path).root / "study.yaml")
    assert study["generators"][-1] == {"name": "idea.py:Idea", "options": {}, "label": "Idea", "weights_of": None}
    tpbench("run", "quick", "--plugin", "idea.py:Idea")
    assert len(list(tmp_path.glob("runs/quick/*"))) == 1
    file.write_text("class Idea:\n    better = True\n")
    tpbench("run", "quick", "--plugin", "idea.py:Idea")
    assert len(list(tmp_path.glob("runs/quick/*"))) == 2


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("idea", "expected file.py:Class"),
        ("idea.py", "expected file.py:Class"),
        ("nowhere.py:Idea", "no such file: nowhere.py"),
        ("./x.py:real", "not 'real'"),
    ],
)
def test_a_plugin_that_cannot_be_is_refused(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, plugin: str, said: str
) -> None:
    outcome = tpbench("run", "quick", "--plugin", plugin)
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_study_without_file_plugins_lives_under_its_digest() -> None:
    study = Study.model_validate(read_yaml(shipped("studies")["quick"]))
    assert run_name(study) == study.digest()


def test_a_command_is_recorded_as_a_shell_takes_it_without_the_home_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    words = ["/home/someone/.venv/bin/tpbench", "run", "/home/someone/my study.yaml", "--json"]
    assert command_line(words) == "tpbench run ~/'my study.yaml' --json"
