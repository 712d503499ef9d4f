"""What a gate writes is valid under the published schemas, whatever the run's names are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema

from harness.gating.github import append_summary, workflow_commands
from harness.gating.junit import junit
from harness.gating.markdown import escaped, markdown
from harness.gating.plain import plain
from harness.gating.result import STATES, GateResult, Item
from harness.gating.sarif import sarif

SCHEMAS = Path(__file__).parent / "schemas"
HOSTILE = [
    "\"'><script>alert(1)</script>",
    "left\u202eright\u2066",
    "\x00\x07\x1b[31m\ud800",
    "=cmd|'/c calc'!A1",
    "a\r\nb\n::error::injected",
    "| x | [y](javascript:z) `c` **b** @team #1",
    "]]>&amp;<!--",
    "x" * 10_000,
]


def result(text: str = "plain") -> GateResult:
    items = tuple(
        Item(
            generator=text,
            seed=0,
            metric=text,
            scope="video",
            kind="counts",
            unit="1",
            baseline=1.0,
            value=None if state == "absent" else 2.0,
            state=state,
            why=text,
        )
        for state in STATES
    )
    return GateResult(baseline=text, run=text, commit=None, differences=(text,), items=items)


@pytest.fixture(scope="module")
def junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")


@pytest.fixture(scope="module")
def sarif_schema() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))


@pytest.mark.parametrize("text", HOSTILE)
def test_junit_is_valid_and_counts_what_it_has(text: str, junit_schema: xmlschema.XMLSchema) -> None:
    document = junit(result(text))
    junit_schema.validate(document)
    suite = ElementTree.fromstring(document)
    assert suite.attrib["tests"] == str(len(suite.findall("testcase")))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.attrib[name] == str(len(suite.findall(f"testcase/{tag}")))


def test_the_junit_schema_refuses_what_is_none(junit_schema: xmlschema.XMLSchema) -> None:
    with pytest.raises(xmlschema.XMLSchemaException):
        junit_schema.validate("<testsuite><failure/></testsuite>")


def test_another_study_is_an_error_in_junit(junit_schema: xmlschema.XMLSchema) -> None:
    document = junit(replace(result(), items=(), refusal="another study"))
    junit_schema.validate(document)
    assert ElementTree.fromstring(document).attrib["errors"] == "1"


@pytest.mark.parametrize("text", HOSTILE)
def test_sarif_is_valid(text: str, sarif_schema: jsonschema.Draft4Validator) -> None:
    document = json.loads(sarif(replace(result(text), refusal=text), baseline=Path("base lines/quick.json")))
    sarif_schema.validate(document)
    levels = [found["level"] for found in document["runs"][0]["results"]]
    assert levels == ["error", "error", "error", "warning", "note"]


def test_the_sarif_schema_refuses_what_is_none(sarif_schema: jsonschema.Draft4Validator) -> None:
    document = json.loads(sarif(result(), baseline=Path("quick.json")))
    document["runs"][0]["results"][0]["level"] = "terrible"
    with pytest.raises(jsonschema.ValidationError):
        sarif_schema.validate(document)


@pytest.mark.parametrize("text", HOSTILE)
def test_each_workflow_command_is_one_line_and_nothing_adds_another(text: str) -> None:
    lines = workflow_commands(result(text))
    assert len(lines) == 4
    for line in lines:
        assert len(line.splitlines()) == 1
        assert line.startswith(("::error title=", "::warning title=", "::notice title="))


def test_a_percent_sign_is_escaped_as_the_runner_unescapes_it() -> None:
    assert workflow_commands(result("50%, a:b"))[0].endswith("::50%25, a:b, seed 0: 50%25, a:b of video: 50%25, a:b")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_text_and_runs_none(text: str) -> None:
    page = markdown(result(text))
    assert "<script" not in page
    assert "](javascript" not in page
    assert "\u202e" not in page
    assert len(page) < 65_536
    for row in (line for line in page.splitlines() if line.startswith("| ") and "number" not in line):
        assert row.count("|") == 5


def test_markdown_notifies_nobody() -> None:
    assert "@team" not in escaped("@team fixes #1")
    assert "#1" not in escaped("@team fixes #1").replace("&#", "")


def test_the_summary_keeps_what_earlier_steps_wrote(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("earlier\n")
    append_summary(tmp_path / "summary.md", "ours")
    assert (tmp_path / "summary.md").read_text() == "earlier\nours\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_text_is_one_visible_line(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) <= 400
