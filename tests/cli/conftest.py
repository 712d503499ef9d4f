"""The command line in an empty folder, and a run whose units take no time."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from command_line import FakeDriver, Outcome, Tpbench, fake_judge
from harness.cli import main


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
