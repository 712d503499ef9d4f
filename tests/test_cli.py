"""The command line: what it prints where, its exit codes, and what it does to a run folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from harness.cli import main
from harness.commands import inspection
from harness.commands.preflight import run_name, termination_as_interrupt
from harness.commands.run import command_line
from harness.console import PIPED_WIDTH
from harness.doctor import Finding
from harness.errors import UnitError
from harness.records import Evidence, UnitRecord, Verdict
from harness.store import Run
from harness.study import Study, read_yaml, shipped

Tpbench = Callable[..., "Outcome"]
WHEN = "2026-01-01T00:00:00+00:00"

VERDICT = Verdict(
    claim="infer-1.5x",
    statement="Sampling is at least 1.5 times faster at equal steps",
    source="the paper's abstract",
    threshold=1.5,
    tolerance=0.05,
    control="full-rate",
    candidate="tpdiff",
    verdict="faster-but-worse",
    why="The interval lies above 1.425, but digit accuracy is worse by more than its margin.",
    cost=[Evidence(name="latency_s, ratio", value=1.617, lo=1.5, hi=1.7, n=9, unit="x", outcome="met")],
    quality=[
        Evidence(name="digit_accuracy", value=-0.1, lo=-0.2, hi=-0.06, n=64, outcome="worse"),
        Evidence(name="fvd[transnetv2]", value=None, why="the weights are missing"),
    ],
)


class Outcome:
    """Exit code and both streams of one invocation."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tpbench(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tpbench:
    """Calls the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        streams = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, streams.out, streams.err)

    return call


class FakeDriver:
    """Does every unit at once, or what it is told to do instead."""

    def __init__(self) -> None:
        self.calls = 0
        self.instead: Callable[[Study, Run], int] | None = None
        self.status_while_running: Any = None

    def execute(self, study: Study, run: Run, *, progress: object) -> int:
        from harness.plan import plan

        self.calls += 1
        self.status_while_running = run.read_json("status.json")
        print("a library that talks on stdout")
        if self.instead is not None:
            return self.instead(study, run)
        run.append([done(unit.id, unit.kind) for unit in plan(study)])
        return 0


def done(unit: str, kind: str) -> UnitRecord:
    return UnitRecord(unit=unit, kind=kind, status="done", started_at=WHEN, duration_s=1.0)


def failed(unit: str, reason: str) -> UnitRecord:
    return UnitRecord(unit=unit, kind="train", status="failed", reason=reason, started_at=WHEN, duration_s=1.0)


def fake_judge(run: Run, study: Study) -> list[Verdict]:
    run.write_json("claims.json", [VERDICT.model_dump(mode="json")])
    return [VERDICT]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """Replaces building, training, judging and rendering; everything else is the real thing."""
    fake = FakeDriver()
    stand_ins = {
        "harness.driver": {"execute": fake.execute},
        "reports.csv": {"write": lambda run: run.root / "results.csv"},
        "reports.html": {"write": lambda run: run.root / "report.html"},
    }
    for name, content in stand_ins.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("harness.commands.run.judge", fake_judge)
    monkeypatch.setattr("harness.commands.run.require_options", lambda study: None)
    return fake


def study_file(folder: Path, **changes: Any) -> str:
    content = {**read_yaml(shipped("studies")["quick"]), **changes}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def only_run(folder: Path) -> Run:
    (root,) = folder.glob("runs/*/*")
    return Run(root)


def test_version_and_help_end_well(tpbench: Tpbench) -> None:
    assert tpbench("--version").out.startswith("tpbench ")
    assert tpbench("--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("fly",), ("run", "quick", "--fast"), ("eval", "x"), ("list", "pets"), ("report", "nowhere")],
)
def test_wrong_usage_is_2_on_stderr_without_a_traceback(tpbench: Tpbench, arguments: tuple[str, ...]) -> None:
    outcome = tpbench(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err
    assert "Traceback" not in outcome.err


def test_a_run_writes_its_folder_and_prints_verdicts_and_pages(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    outcome = tpbench("run", "quick")
    run = only_run(tmp_path)
    assert outcome.code == 0
    assert run.root.parent.name == "quick"
    assert "infer-1.5x" in outcome.out
    assert str(run.root.relative_to(tmp_path) / "report.html") in outcome.out
    assert Study.model_validate(read_yaml(run.root / "study.yaml")).digest() == run.root.name
    assert run.read_json("environment.json")["earlier"] == []
    assert driver.status_while_running["state"] == "running"
    assert driver.status_while_running["finished_at"] is None
    status = run.read_json("status.json")
    assert status["state"] == "done"
    assert status["command"] == "tpbench run quick"
    assert status["started_at"] <= status["finished_at"]
    assert status["units"]["done"] == status["units"]["total"] > 0


def test_json_is_one_document_on_stdout_whatever_libraries_print(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    outcome = tpbench("run", "quick", "--json")
    assert outcome.document["verdicts"] == [VERDICT.model_dump(mode="json")]
    assert outcome.document["status"]["state"] == "done"
    assert outcome.document["run"] == str(only_run(tmp_path).root.relative_to(tmp_path))
    assert "a library that talks" in outcome.err


def test_a_failed_unit_is_3_named_and_the_rest_is_still_judged_and_rendered(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    def fail_one(study: Study, run: Run) -> int:
        run.append(failed("train/tpdiff/0", "the loss became NaN at step 7"))
        return 3

    driver.instead = fail_one
    outcome = tpbench("run", "quick")
    assert outcome.code == 3
    assert "train/tpdiff/0: the loss became NaN at step 7" in outcome.err
    assert "report.html" in outcome.out
    status = only_run(tmp_path).read_json("status.json")
    assert status["state"] == "failed"
    assert status["units"]["failed"] == 1


def test_the_same_command_resumes_in_the_same_folder(tpbench: Tpbench, driver: FakeDriver, tmp_path: Path) -> None:
    def interrupt(study: Study, run: Run) -> int:
        run.append(done("train/full-rate/0", "train"))
        raise KeyboardInterrupt

    driver.instead = interrupt
    outcome = tpbench("run", "quick")
    assert outcome.code == 130
    assert "same command resumes: tpbench run quick" in outcome.err
    assert only_run(tmp_path).read_json("status.json")["state"] == "interrupted"

    driver.instead = None
    outcome = tpbench("run", "quick")
    assert outcome.code == 0
    assert "resuming" in outcome.err
    assert "1 of " in outcome.err
    assert only_run(tmp_path).read_json("status.json")["state"] == "done"


def test_our_error_in_the_middle_of_a_run_is_recorded_and_shown_without_a_traceback(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    def fail(study: Study, run: Run) -> int:
        raise UnitError("no process could be started")

    driver.instead = fail
    outcome = tpbench("run", "quick")
    assert outcome.code == 3
    assert outcome.err == "tpbench: no process could be started\n"
    status = only_run(tmp_path).read_json("status.json")
    assert (status["state"], status["reason"]) == ("failed", "UnitError: no process could be started")


def test_a_bug_keeps_its_traceback_and_the_run_its_true_state(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    driver.instead = lambda study, run: 1 // 0
    with pytest.raises(ZeroDivisionError):
        main(["run", "quick"])
    assert only_run(tmp_path).read_json("status.json")["state"] == "failed"


def test_a_second_run_in_the_same_folder_is_refused(tpbench: Tpbench, driver: FakeDriver, tmp_path: Path) -> None:
    tpbench("run", "quick")
    with FileLock(only_run(tmp_path).root / ".lock"):
        outcome = tpbench("run", "quick")
    assert outcome.code == 2
    assert "another `tpbench run` is working in" in outcome.err
    assert driver.calls == 1
    assert tpbench("run", "quick").code == 0


def test_another_environment_is_kept_beside_the_first_and_said(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tpbench("run", "quick")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    outcome = tpbench("run", "quick")
    assert "another environment; changed: variables" in outcome.err
    environment = only_run(tmp_path).read_json("environment.json")
    assert environment["variables"]["OMP_NUM_THREADS"] == "2"
    assert [before["variables"]["OMP_NUM_THREADS"] for before in environment["earlier"]] == ["1"]


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


def test_a_dry_run_forecasts_and_writes_nothing(tpbench: Tpbench, driver: FakeDriver, tmp_path: Path) -> None:
    document = tpbench("run", "quick", "--dry-run", "--json").document
    assert document["units"]["train"] == 2
    assert document["done"] == 0
    assert "units of work" in tpbench("run", "quick", "--dry-run").out
    assert list(tmp_path.iterdir()) == []
    assert driver.calls == 0


def test_a_dry_run_of_a_run_that_is_done_says_so(tpbench: Tpbench, driver: FakeDriver) -> None:
    tpbench("run", "quick")
    document = tpbench("run", "quick", "--dry-run", "--json").document
    assert document["done"] == sum(document["units"].values())


def test_a_plugin_joins_the_study_and_its_text_decides_the_folder(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    file = tmp_path / "idea.py"
    file.write_text("class Idea: ...\n")
    assert tpbench("run", "quick", "--plugin", "idea.py:Idea").code == 0
    study = read_yaml(only_run(tmp_path).root / "study.yaml")
    assert study["generators"][-1] == {"name": "idea.py:Idea", "options": {}, "label": "Idea"}
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


def test_a_report_is_rendered_again_from_records_alone(tpbench: Tpbench, driver: FakeDriver, tmp_path: Path) -> None:
    tpbench("run", "quick")
    run = only_run(tmp_path)
    outcome = tpbench("report", str(run.root), "--json")
    assert outcome.document["reports"] == {
        "csv": str(run.root / "results.csv"),
        "html": str(run.root / "report.html"),
    }
    assert outcome.document["verdicts"][0]["claim"] == "infer-1.5x"
    assert driver.calls == 1


def test_a_report_needs_no_generator_that_made_the_run(tpbench: Tpbench, driver: FakeDriver, tmp_path: Path) -> None:
    tpbench("run", "quick")
    file = only_run(tmp_path).root / "study.yaml"
    file.write_text(file.read_text().replace("name: tpdiff", "name: not-installed-here"))
    assert tpbench("report", str(file.parent)).code == 0


def test_the_verdict_table_fits_a_hundred_columns_and_tells_the_whole_verdict(
    tpbench: Tpbench, driver: FakeDriver
) -> None:
    shown = tpbench("run", "quick").out
    assert max(len(line) for line in shown.splitlines()) <= PIPED_WIDTH
    words = " ".join(shown.replace("|", " ").split())
    for text in (
        "infer-1.5x",
        "faster-but-worse",
        "1.5x - 5%",
        "latency_s 1.62x (1.50 to 1.70), n=9",
        "digit_accuracy not measured not measured not measured worse",
        f"infer-1.5x: {VERDICT.why}",
        "the weights are missing",
    ):
        assert text in words
    assert "\x1b" not in shown


def test_the_list_names_every_kind_and_can_be_narrowed(tpbench: Tpbench) -> None:
    rows = tpbench("list", "--json").document
    assert {row["kind"] for row in rows} == {"generators", "backbones", "metrics", "datasets", "reporters"}
    assert [row["name"] for row in tpbench("list", "generators", "--json").document] == [
        "full-rate",
        "tpdiff",
    ]
    assert "fvd[transnetv2]" in tpbench("list", "metrics").out


def test_a_broken_plugin_is_a_row_with_its_error(tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.listing.load_error", lambda plugin: "ImportError: no" if plugin.name == "csv" else None
    )
    outcome = tpbench("list", "reporters", "--check", "--json")
    assert {row["name"]: row["error"] for row in outcome.document} == {"csv": "ImportError: no", "html": None}
    assert outcome.code == 3
    assert "ImportError: no" in tpbench("list", "reporters", "--check").out


def test_doctor_names_what_matters(tpbench: Tpbench) -> None:
    findings = {item["subject"]: item for item in tpbench("doctor", "--json").document}
    assert findings["package names"]["state"] == "ok"
    assert {"python", "torch", "cpu", "threads", "memory", "disk", "gpu", "cache"} <= set(findings)


def test_doctor_is_3_when_something_needs_repair(tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch) -> None:
    sick = [Finding(subject="package names", state="problem", detail="'reports' is installed by other")]
    monkeypatch.setattr("harness.doctor.examine", lambda: sick)
    outcome = tpbench("doctor")
    assert outcome.code == inspection.BROKEN == 3
    assert "installed by other" in outcome.out


def test_weights_are_listed_and_a_missing_one_is_no_fault(
    tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    rows = tpbench("weights", "list", "--json").document
    assert {row["state"] for row in rows} == {"missing"}
    assert tpbench("weights", "verify").code == 0


def test_a_fetch_that_fails_is_3_and_names_the_weights(
    tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TPBENCH_OFFLINE", "1")
    outcome = tpbench("weights", "fetch", "--all", "--json")
    assert outcome.code == 3
    assert outcome.document["fetched"] == {}
    assert "transnetv2" in outcome.document["failed"]
    assert "cannot fetch 'transnetv2'" in outcome.err


def test_a_command_is_recorded_as_a_shell_takes_it_without_the_home_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    words = ["/home/someone/.venv/bin/tpbench", "run", "/home/someone/my study.yaml", "--json"]
    assert command_line(words) == "tpbench run ~/'my study.yaml' --json"


def test_a_scheduler_ends_a_run_as_ctrl_c_does() -> None:
    def wait() -> None:
        with termination_as_interrupt():
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


WAITING_DRIVER = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs deaf to it
import sys, time, types
from harness.cli import main
fake = types.ModuleType("harness.driver")
def execute(study, run, *, progress):
    print("working", file=sys.stderr, flush=True)
    time.sleep(60)
fake.execute = execute
sys.modules["harness.driver"] = fake
main(["run", "quick"])
"""


@pytest.mark.parametrize(
    ("sent", "code", "state"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 130, "interrupted"),
        (signal.SIGKILL, -9, "running"),
    ],
)
def test_a_run_that_is_ended_from_outside_leaves_a_folder_that_resumes(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, sent: signal.Signals, code: int, state: str
) -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITING_DRIVER], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "working\n"
        assert "another `tpbench run` is working" in tpbench("run", "quick").err
        process.send_signal(sent)
        said = process.stderr.read()
    assert process.returncode == code
    assert "Traceback" not in said
    assert only_run(tmp_path).read_json("status.json")["state"] == state
    outcome = tpbench("run", "quick")
    assert outcome.code == 0
    assert "resuming" in outcome.err


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
            "generators[1] ('tpdiff'): cannot sample with 'tpdiff': 2 steps cannot serve 3 stages",
        ),
        ({"backbone": {"name": "tiny-unet", "options": {"wdth": 8}}}, "wdth"),
        ({"data": {"name": "moving-digits", "options": {"canvs": 16}}}, "canvs"),
    ],
    ids=["unknown option", "impossible option", "impossible request", "backbone option", "data option"],
)
def test_options_are_checked_before_anything_is_written(
    change: dict[str, Any], message: str, tpbench: Tpbench, tmp_path: Path
) -> None:
    outcome = tpbench("run", study_file(tmp_path, **change))
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_wrong_claims_file_is_found_before_anything_runs(tpbench: Tpbench, tmp_path: Path) -> None:
    claims = tmp_path / "claims.yaml"
    claims.write_text("candidate: tpdiff\nclaims: []\n")
    for more in ((), ("--dry-run",)):
        outcome = tpbench("run", study_file(tmp_path, claims=str(claims)), *more)
        assert outcome.code == 2
        assert "claims" in outcome.err
    assert not (tmp_path / "runs").exists()
