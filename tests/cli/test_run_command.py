"""``tpbench run``: what it prints where, its exit codes, and what it does to a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import VERDICT, FakeDriver, Tpbench, done, failed, only_run
from harness.cli import main
from harness.console import PIPED_WIDTH
from harness.errors import UnitError
from harness.input_files import read_yaml
from harness.sealing import is_sealed, spoiled
from harness.store import Run
from harness.study import Study


def test_version_and_help_end_well(tpbench: Tpbench) -> None:
    assert tpbench("--version").out.startswith("tpbench ")
    assert tpbench("--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("fly",),
        ("run", "quick", "--fast"),
        ("run", "quick", "--jobs", "0"),
        ("eval",),
        ("reference", "x"),
        ("list", "pets"),
        ("report", "nowhere"),
    ],
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
    assert is_sealed(run)
    assert spoiled(run) == []


def test_a_run_that_goes_on_breaks_its_seal_and_seals_again_at_its_end(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    tpbench("run", "quick")
    run = only_run(tmp_path)
    run.append(failed("score/x/0", "something was added"))
    assert spoiled(run)
    tpbench("run", "quick")
    assert is_sealed(run)
    assert spoiled(run) == []


def test_json_is_one_document_on_stdout_whatever_libraries_print(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    outcome = tpbench("run", "quick", "--json")
    assert outcome.document["verdicts"] == [VERDICT.model_dump(mode="json")]
    assert outcome.document["status"]["state"] == "done"
    assert outcome.document["run"] == str(only_run(tmp_path).root.relative_to(tmp_path))
    assert "a library that talks" in outcome.err


def test_how_many_may_work_at_once_is_handed_to_the_driver(tpbench: Tpbench, driver: FakeDriver) -> None:
    assert tpbench("run", "quick").code == 0
    assert driver.jobs == 1
    assert tpbench("run", "quick", "--jobs", "3").code == 0
    assert driver.jobs == 3


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


def test_another_environment_is_kept_beside_the_first_and_said(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tpbench("run", "quick")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    outcome = tpbench("run", "quick")
    said = "variables.OMP_NUM_THREADS: 1 or 2; spoils timings, energy"
    assert said in outcome.err
    environment = only_run(tmp_path).read_json("environment.json")
    assert environment["variables"]["OMP_NUM_THREADS"] == "2"
    assert [before["variables"]["OMP_NUM_THREADS"] for before in environment["earlier"]] == ["1"]
    assert environment["earlier"][0]["differences"] == [said]


def test_a_change_that_moves_no_number_is_no_other_environment(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tpbench("run", "quick")
    monkeypatch.setattr("platform.python_version", lambda: "3.11.99")
    outcome = tpbench("run", "quick")
    assert "another environment" not in outcome.err
    assert only_run(tmp_path).read_json("environment.json")["earlier"] == []


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
