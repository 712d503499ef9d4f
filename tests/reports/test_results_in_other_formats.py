"""results.md, .tex, .json and .parquet: the same numbers in every form, and text of a run that stays text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.errors import UsageError
from harness.measurement_table import COLUMNS
from harness.printable import printable
from harness.records import SCHEMA_VERSION, Measurement
from harness.store import Run
from reports import html, latex, markdown, parquet
from reports import json as as_json
from reports.load import load
from reports.sheets import sheets

TRAPS = "| a *b* `c` [d](http://e.f) <script>x</script> @team #12 GH-7 :tada: www.x.y \\|\n# h \u202e &lt; $m$ ~~s~~"
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def cells_of(page: str) -> list[str]:
    """The text of every cell, as a browser would show it; anything but text in one is a failure."""
    found = []
    for token in MARKDOWN.parse(page):
        if token.type == "inline":
            assert {child.type for child in token.children or ()} <= {"text", "text_special"}, token.content
            found.append("".join(child.content for child in token.children or ()))
    return found


def shown(text: str) -> str:
    return " ".join(printable(text).split())


@given(st.text())
def test_any_text_is_one_cell_of_markdown_and_reads_as_it_was(text: str) -> None:
    page = f"| x | y |\n| --- | --- |\n| a{markdown.escaped(text)}a | end |\n"
    read = [cell.replace("\u200b", "") for cell in cells_of(page)]
    assert read == ["x", "y", f"a{shown(text)}a".replace("\u200b", ""), "end"]


@pytest.mark.parametrize("call", ["@team", "a@b.c", "#12", "o/r#12", "GH-7", ":tada:", "https://x.y", "www.x.y"])
def test_github_finds_nothing_to_link_in_a_cell(call: str) -> None:
    (cell,) = cells_of(markdown.escaped(call))
    assert "\u200b" in cell
    assert not re.search(r"@\w|#\d|gh-\d|:\w|://|www\.", cell, re.IGNORECASE)


@given(st.text())
def test_any_text_is_one_harmless_line_of_latex(text: str) -> None:
    line = latex.escaped(text)
    assert line.isprintable()
    known = r"\\(?:text[a-z]+\{\}|textsuperscript\{[-0-9]\}|symbol\{34\}|ensuremath\{(?:-|\\[a-z]+)\}|,|[#$%&_{}])"
    rest = re.sub(known + r"|\{[-*\[\]]\}", "", line)
    assert not set(rest) & set("\\#$%&_{}^\"`'[]*"), line


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("50% & $x_1$ #2 ~ ^", r"50\% \& \$x\_1\$ \#2 \textasciitilde{} \textasciicircum{}"),
        ("[2cm] *", "{[}2cm{]} {*}"),
        ("1.5\u202f\u2013\u202f1.7×", r"1.5\,\textendash{}\,1.7\ensuremath{\times}"),
        ("Fréchet 漢", "Fréchet {[}U+6F22{]}"),
    ],
)
def test_latex_is_given_the_signs_and_not_their_meaning(text: str, written: str) -> None:
    assert latex.escaped(text) == written


def test_markdown_of_a_hostile_run_has_tables_of_text_and_nothing_else(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1, hostile=True)
    run.append(Measurement(generator=TRAPS, seed=0, metric="kvd[transnetv2]", unit="1", value=None, reason=TRAPS))
    page = markdown.write(run).read_text()
    read = [cell.replace("\u200b", "") for cell in cells_of(page)]
    assert shown(TRAPS) in read
    assert "<script" not in page
    assert "\u202e" not in page


def test_latex_of_a_hostile_run_has_as_many_cells_as_columns_in_every_row(synthetic_run: Callable[..., Run]) -> None:
    page = latex.write(synthetic_run(videos=1, hostile=True)).read_text()
    for table in page.split(r"\begin{table}")[1:]:
        body = table[table.index(r"\toprule") : table.index(r"\bottomrule")]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
    assert r"\input" not in page


def test_every_format_shows_the_same_figures(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    pages = [writer.write(run).read_text() for writer in (markdown, latex)]
    for page in pages:
        for figure in ("18.4", "GFLOP", "412", "403", "420", "0.859", "1.71", "inconclusive", "ran out of memory"):
            assert figure in page, figure


@pytest.mark.parametrize("scope", ["denoise_step[stage=1]", "end_to_end", "denoise", "elsewhere"])
@pytest.mark.parametrize("metric", ["flops", "working_memory_bytes", "latency_s", "something"])
def test_every_format_gives_the_reason_of_what_is_missing(
    synthetic_run: Callable[..., Run], metric: str, scope: str
) -> None:
    run = synthetic_run(videos=1)
    run.append(Measurement(generator="tpdiff", metric=metric, scope=scope, unit="1", value=None, reason="lost at sea"))
    for writer in (markdown, latex, as_json, html):
        assert "lost at sea" in writer.write(run).read_text(), writer.__name__


def test_captions_tell_units_and_observations(synthetic_run: Callable[..., Run]) -> None:
    captions = {sheet.name: sheet.caption for sheet in sheets(load(synthetic_run(videos=1)))}
    assert "Units: GFLOP, ms" in captions["costs"]
    assert "n = 9 for Time of one step" in captions["costs"]
    assert "n = 64" in captions["quality"]


def test_a_run_without_measurements_says_that_it_is_not_done(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("bare")
    (root / "study.yaml").write_text("name: bare\n")
    assert "unfinished run" in markdown.write(Run.open(root)).read_text()
    assert r"\begin{table}" in latex.write(Run.open(root)).read_text()
    assert json.loads(as_json.write(Run.open(root)).read_text())["rows"] == []


def test_json_has_every_measurement_and_the_reason_of_what_is_missing(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1, hostile=True)
    document = json.loads(as_json.write(run).read_text())
    assert document["schema_version"] == 1
    assert [row["value"] for row in document["rows"]] == [record.value for record in run.read(Measurement)]
    assert [verdict["verdict"] for verdict in document["verdicts"]] == ["inconclusive", "refuted", "inconclusive"]
    assert set(document["fingerprints"]) == {"timings", "energy", "counts", "scores"}
    assert all(row["reason"] for row in document["rows"] if row["value"] is None)


def test_parquet_reads_back_to_the_same_table_with_units_and_version(synthetic_run: Callable[..., Run]) -> None:
    import pyarrow.parquet

    run = synthetic_run(videos=1, hostile=True)
    path = parquet.write(run)
    frame = pd.read_parquet(path).convert_dtypes(dtype_backend="numpy_nullable")
    assert list(frame.columns) == list(COLUMNS)
    assert [None if pd.isna(value) else value for value in frame["value"]] == [r.value for r in run.read(Measurement)]
    told = pyarrow.parquet.read_schema(path).metadata
    assert told[b"tpbench.schema_version"] == str(SCHEMA_VERSION).encode()
    assert set(json.loads(told[b"tpbench.units"])) <= set(COLUMNS)


def test_without_pyarrow_the_extra_is_named(synthetic_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"tpbench\[parquet\]"):
        parquet.write(synthetic_run(videos=1))
