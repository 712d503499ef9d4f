"""The workflow is one that the service would take, it runs what everybody can run, and nobody can inject into it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "tpbench.yml"


def schema_errors(file: Path) -> str:
    """What GitHub's published schema for workflows says against a file; empty if nothing."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.fixture
def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return found


def test_the_workflow_fits_the_published_schema() -> None:
    assert schema_errors(WORKFLOW) == ""


@pytest.mark.parametrize(("what", "instead"), [("runs-on:", "run-on:"), ("  check:", "  1check:"), ("uses:", "use:")])
def test_the_check_of_the_schema_can_fail(tmp_path: Path, what: str, instead: str) -> None:
    text = WORKFLOW.read_text()
    assert what in text
    (tmp_path / "workflow.yml").write_text(text.replace(what, instead, 1))
    assert schema_errors(tmp_path / "workflow.yml")


def test_every_command_of_the_workflow_is_a_script_of_the_repository(workflow: dict[str, Any]) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands == ["bash .ci/run"]
    assert "bash .ci/gate" in (ROOT / ".ci" / "run").read_text()


def test_no_text_of_a_stranger_reaches_a_command(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        for code in (step.get("run", ""), step.get("with", {}).get("script", "")):
            assert "${{" not in code


def test_rights_are_given_one_by_one_and_versions_are_named(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["check"]["permissions"] == {
        "contents": "read",
        "pull-requests": "write",
        "security-events": "write",
    }
    assert all(re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step["uses"]) for step in steps(workflow) if "uses" in step)


@pytest.mark.parametrize("name", ["run", "gate"])
def test_the_scripts_are_bash_that_parses(name: str) -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci" / name], check=True)


def test_what_the_workflow_keeps_is_what_the_gate_writes(workflow: dict[str, Any]) -> None:
    (upload,) = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/upload-artifact")]
    script = (ROOT / ".ci" / "gate").read_text()
    for path in upload["with"]["path"].split():
        assert path.startswith("gate/")
        assert path.removeprefix("gate/") in script
