"""The gate's findings as workflow commands of GitHub Actions, which show them beside the change."""

from __future__ import annotations

from pathlib import Path

from harness.gating.plain import plain
from harness.gating.result import GateResult, State

COMMANDS: dict[State, str] = {
    "failed": "error",
    "not-comparable": "error",
    "undecided": "warning",
    "notice": "notice",
}


def workflow_commands(result: GateResult) -> list[str]:
    """One line each: ``::error title=...::message``. Data and properties are escaped as the runner unescapes them.

    ``%``, carriage return and line feed become ``%25``, ``%0D``, ``%0A``; in properties ``:`` and ``,`` as well.
    """
    lines = [_command("error", "not comparable", result.refusal)] if result.refusal else []
    return lines + [
        _command(command, f"gate {state}", f"{item.name}: {item.why}")
        for state, command in COMMANDS.items()
        for item in result.of(state)
    ]


def append_summary(path: Path, markdown: str) -> None:
    """Add to the file that GITHUB_STEP_SUMMARY names, which earlier steps may have written to."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(markdown + "\n")


def _command(command: str, title: str, message: str) -> str:
    return f"::{command} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return plain(text, most=1000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
