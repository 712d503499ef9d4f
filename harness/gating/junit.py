"""The gate's items as JUnit XML, one test case each, valid under the schema of Jenkins' xUnit plugin."""

from __future__ import annotations

from xml.etree import ElementTree

from harness.gating.plain import plain
from harness.gating.result import GateResult

SUITE = "tpbench gate"


def junit(result: GateResult) -> str:
    """A failed item is a failure, one that is not comparable an error, one that is undecided or absent is skipped."""
    items = result.items
    errors = result.of("not-comparable")
    skipped = [*result.of("undecided"), *result.of("absent")]
    about = {
        "name": SUITE,
        "time": "0",
        "tests": str(len(items) + bool(result.refusal)),
        "failures": str(len(result.of("failed"))),
        "errors": str(len(errors) + bool(result.refusal)),
        "skipped": str(len(skipped)),
    }
    suite = ElementTree.Element("testsuite", about)
    if result.refusal:
        case = ElementTree.SubElement(suite, "testcase", classname="tpbench.gate", name="same study", time="0")
        ElementTree.SubElement(case, "error", message=plain(result.refusal), type="not-comparable")
    for item in items:
        where = {"classname": f"tpbench.gate.{item.kind}", "name": plain(item.name), "time": "0"}
        case, why = ElementTree.SubElement(suite, "testcase", where), plain(item.why)
        match item.state:
            case "failed":
                ElementTree.SubElement(case, "failure", message=why, type=item.kind).text = why
            case "not-comparable":
                ElementTree.SubElement(case, "error", message=why, type="not-comparable").text = why
            case "undecided" | "absent":
                ElementTree.SubElement(case, "skipped", message=f"{item.state}: {why}", type=item.state)
            case _:
                ElementTree.SubElement(case, "system-out").text = f"{item.state}: {why}"
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"
