"""A run that is ended from outside, and a second one beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from command_line import FakeDriver, Tpbench, only_run
from harness.commands.preflight import termination_as_interrupt


def test_a_second_run_in_the_same_folder_is_refused(tpbench: Tpbench, driver: FakeDriver, tmp_path: Path) -> None:
    tpbench("run", "quick")
    with FileLock(only_run(tmp_path).root / ".lock"):
        outcome = tpbench("run", "quick")
    assert outcome.code == 2
    assert "another `tpbench run` is working in" in outcome.err
    assert driver.calls == 1
    assert tpbench("run", "quick").code == 0


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
def execute(study, run, *, progress, jobs):
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
