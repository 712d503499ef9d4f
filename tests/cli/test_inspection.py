"""``tpbench report``, ``list``, ``doctor`` and ``weights``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from command_line import FakeDriver, Tpbench, only_run
from harness.doctor import Finding
from harness.measure.selftest import Check
from harness.registry import KINDS


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


def test_the_list_names_every_kind_and_can_be_narrowed(tpbench: Tpbench) -> None:
    rows = tpbench("list", "--json").document
    assert {row["kind"] for row in rows} == set(KINDS)
    assert all({row["kind"] for row in tpbench("list", kind, "--json").document} == {kind} for kind in KINDS)
    assert [row["name"] for row in tpbench("list", "generators", "--json").document] == [
        "command",
        "full-rate",
        "tpdiff",
    ]
    assert "fvd[transnetv2]" in tpbench("list", "metrics").out


def test_a_broken_plugin_is_a_row_with_its_error(tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.listing.load_error", lambda plugin: "ImportError: no" if plugin.name == "csv" else None
    )
    outcome = tpbench("list", "reporters", "--check", "--json")
    errors = {row["name"]: row["error"] for row in outcome.document}
    assert errors == dict.fromkeys(errors) | {"csv": "ImportError: no"}
    assert {"csv", "html"} < set(errors)
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
    assert outcome.code == 3
    assert "installed by other" in outcome.out


def test_a_self_test_is_3_when_an_instrument_is_wrong_and_0_when_one_is_merely_not_there(
    tpbench: Tpbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Check(instrument="clock", workload="a sleep", unit="s", expected=0.25, measured=0.2525, tolerance=0.05)
    absent = Check(
        instrument="energy", workload="", unit="J", expected=None, measured=None, tolerance=0, reason="no counter"
    )
    checks = [right, absent]
    monkeypatch.setattr("harness.measure.selftest.selftest", lambda device: checks)
    outcome = tpbench("doctor", "--selftest")
    assert outcome.code == 0
    assert "+1.00%" in outcome.out
    assert "not measured: energy: no counter" in outcome.out
    checks.append(replace(right, measured=0.3))
    outcome = tpbench("doctor", "--selftest", "--json")
    assert outcome.code == 3
    assert [row["passes"] for row in outcome.document] == [True, None, False]


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


def test_formats_of_the_command_line_replace_those_of_the_study(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    tpbench("run", "quick")
    root = only_run(tmp_path).root
    outcome = tpbench("report", str(root), "--format", "json", "--format", "markdown", "--json")
    assert outcome.document["reports"] == {"json": str(root / "results.json"), "markdown": str(root / "results.md")}


def test_an_unknown_format_is_refused_before_anything_is_written(
    tpbench: Tpbench, driver: FakeDriver, tmp_path: Path
) -> None:
    tpbench("run", "quick")
    root = only_run(tmp_path).root
    outcome = tpbench("report", str(root), "--format", "json", "--format", "markdwon")
    assert outcome.code == 2
    assert "Did you mean 'markdown'?" in outcome.err
    assert not (root / "results.json").exists()
