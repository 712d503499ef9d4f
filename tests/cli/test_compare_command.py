"""``tpbench compare``: on the terminal, as JSON, as a page, and with its exit codes."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from command_line import Tpbench
from compared_runs import write_run

EVIL = "\"'><script>alert(1)</script>\u202e[red]x[/red]\x1b[31m|=cmd()" + "y" * 10_000


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", ratio=0.8, shift=0.01)
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_json_is_one_document_with_every_row(tpbench: Tpbench, pair: tuple[str, str]) -> None:
    document = tpbench("compare", *pair, "--json").document
    assert document["base"] == "synthetic/a"
    rows = {row["metric"]: row for row in document["others"][0]["rows"]}
    assert rows["latency_s"]["change"]["value"] == pytest.approx(0.5)
    assert rows["energy_j[gpu]"]["change"] is None
    assert rows["energy_j[gpu]"]["why"]


def test_the_terminal_has_changes_with_intervals_and_reasons_of_what_is_missing(
    tpbench: Tpbench, pair: tuple[str, str]
) -> None:
    outcome = tpbench("compare", *pair)
    assert outcome.code == 0
    said = " ".join(outcome.out.replace("|", " ").split())
    assert "flops, video 7.000e+09 FLOP" in said or "flops, video 7e+09 FLOP" in said
    assert "0.500x (0.4" in said
    assert "missing: energy_j[gpu] (tpdiff): both: no GPU" in said
    assert "\x1b" not in outcome.out


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 5)])
def test_strict_is_5_where_a_row_is_not_comparable(
    tpbench: Tpbench, tmp_path: Path, strict: tuple[str, ...], code: int
) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", card={"frames": 8})
    outcome = tpbench("compare", str(tmp_path / "a"), str(tmp_path / "b"), *strict)
    assert outcome.code == code
    assert "not comparable: sharpness, fvd[x] (tpdiff): frames: 16 or 8" in outcome.out


def test_strict_is_0_where_all_rows_compare(tpbench: Tpbench, pair: tuple[str, str]) -> None:
    assert tpbench("compare", *pair, "--strict").code == 0


def test_a_folder_that_is_no_run_and_a_single_run_are_usage_errors(tpbench: Tpbench, pair: tuple[str, str]) -> None:
    assert tpbench("compare", pair[0], "nowhere").code == 2
    assert tpbench("compare", pair[0]).code == 2


def test_hostile_text_stays_text_on_the_page_and_on_the_terminal(tpbench: Tpbench, tmp_path: Path) -> None:
    write_run(tmp_path / "a", generator=EVIL, prompt=EVIL, card={EVIL: EVIL})
    write_run(tmp_path / "b", generator=EVIL, study={"description": EVIL, EVIL.replace("\x1b", ""): "x"})
    outcome = tpbench("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--html", "c.html")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    page = (tmp_path / "c.html").read_text()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in unescape(page)
    assert "style=" not in page.replace("style-src", "")


def test_the_page_shows_both_sides_the_change_and_why(tpbench: Tpbench, pair: tuple[str, str], tmp_path: Path) -> None:
    tpbench("compare", *pair, "--html", "c.html")
    page = (tmp_path / "c.html").read_text()
    for words in ("synthetic/a", "7 GFLOP", "0.500×", "1.86 GiB", "one fresh process", "no GPU"):
        assert words in page.replace("\u00a0", " "), words
    assert "://" not in page
