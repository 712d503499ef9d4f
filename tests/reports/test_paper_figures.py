"""Figures for papers: every one in three formats, with captions that say units and counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.store import Run
from reports import paper
from reports.load import load
from reports.palette import SERIES


def test_each_figure_comes_as_pdf_svg_and_png_with_a_caption(synthetic_run: Callable[..., Run]) -> None:
    folder = paper.write(synthetic_run(videos=1))
    names = {file.stem for file in folder.iterdir() if file.suffix == ".pdf"}
    assert {"staircase", "loss-by-step", "waterfall-tpdiff", "fvd-transnetv2-against-cost"} <= names
    captions = (folder / "captions.md").read_text()
    for name in names:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        ElementTree.parse(folder / f"{name}.svg")
        assert f"## {name}\n" in captions
    assert "fvd[transnetv2] (lower is better) against cost" in captions
    assert "n = 64 videos" in captions


def test_the_same_records_give_the_same_files(
    synthetic_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "FORMATS", ("pdf",))
    run = synthetic_run(videos=1)

    def contents() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in paper.write(run).iterdir()}

    assert contents() == contents()


def test_names_are_drawn_as_they_are_and_never_as_formulas(
    synthetic_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "FORMATS", ("svg",))
    folder = paper.write(synthetic_run(videos=1, hostile=True))
    for file in folder.iterdir():
        assert file.resolve().is_relative_to(folder.resolve())
        assert re.fullmatch(r"[A-Za-z0-9._-]+", file.name)
    words = "".join(ElementTree.parse(folder / "loss-by-step.svg").getroot().itertext())
    assert "tpdiff\"'><script>alert" in words


def test_a_run_without_numbers_has_no_figures(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: bare\n")
    assert paper.plots(load(Run.open(tmp_path))) == []


def _luminance(colour: str) -> float:
    """Relative luminance of sRGB, WCAG 2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_two_main_colours_differ_in_grey_as_well() -> None:
    blue, vermilion = map(_luminance, SERIES[:2])
    assert (max(blue, vermilion) + 0.05) / (min(blue, vermilion) + 0.05) > 1.3
