"""report.html in a real browser, opened from the disk, as its readers open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from browser import Seen, launched, opened
from harness.store import Run
from reports import csv, html
from reports.load import load
from written_run import write_synthetic_run

GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_synthetic_run(tmp_path_factory.mktemp("report") / "0badcafe", claims=6, variant=True)
    return html.write(run)


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    with opened(browser, report) as (page, seen):
        yield page
        assert seen == Seen()


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from reading the page."""
    found = Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {item['nodes'][0]['target']}" for item in found if item["impact"] in ("serious", "critical")
    ]


def column(page: Page, table: str, number: int) -> list[str]:
    return page.locator(f"{table} tbody tr:not(.group):visible > :nth-child({number})").all_inner_texts()


def times(page: Page) -> list[float]:
    """Where all videos stand, asked in one moment."""
    found: list[float] = page.evaluate("[...document.querySelectorAll('video')].map((video) => video.currentTime)")
    return found


def test_it_opens_from_the_disk_quietly_and_asks_for_nothing(browser: Browser, report: Path) -> None:
    with opened(browser, report) as (page, seen):
        page.wait_for_timeout(500)
        assert page.title().endswith("tpbench")
    assert seen == Seen()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("<img src='http://127.0.0.1:9/x.png'>", "requests"),
        ("<script>console.error('no')</script>", "complaints"),
        ("<script>alert(1)</script>", "complaints"),
        ("<script>nothing.there()</script>", "complaints"),
    ],
)
def test_the_watch_over_the_page_can_fail(browser: Browser, tmp_path: Path, source: str, kind: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><title>x</title>{source}")
    with opened(browser, file) as (page, seen):
        page.wait_for_timeout(100)
    assert getattr(seen, kind)


def test_the_first_paint_takes_less_than_a_second(page: Page) -> None:
    paint = page.evaluate(
        "new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()[0].startTime))"
        ".observe({ type: 'paint', buffered: true }))"
    )
    assert 0 < paint < 1000


def test_a_column_sorts_up_and_down_and_keeps_what_is_missing_last(page: Page) -> None:
    table = "[aria-label='Score table'] table"
    head = page.locator(f"{table} thead th", has_text="full-rate")
    for direction in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == direction
        cells = page.locator(f"{table} tbody tr > :nth-child(2)")
        values = [cell.get_attribute("data-value") for cell in cells.all()]
        known = [float(value) for value in values if value is not None]
        assert len(known) > 3
        assert known == sorted(known, reverse=direction == "descending")
        assert None not in values[: len(known)]


def test_the_keyboard_sorts_too(page: Page) -> None:
    button = page.locator("[aria-label='Cost table'] thead button").first
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("[aria-label='Cost table'] thead th[aria-sort='ascending']").count() == 1


def test_groups_stay_above_their_rows_when_a_table_is_sorted(page: Page) -> None:
    rows = page.locator("[aria-label='Cost table'] tbody")
    before = [set(text.split("\n")[1:]) for text in rows.all_inner_texts()]
    page.locator("[aria-label='Cost table'] thead button").nth(1).click()
    assert [set(text.split("\n")[1:]) for text in rows.all_inner_texts()] == before
    assert page.locator("[aria-label='Cost table'] tbody tr:first-child:not(.group)").count() == 0


def test_a_filter_leaves_the_rows_that_have_every_word(page: Page) -> None:
    table = "[aria-label='Cost table'] table"
    everything = column(page, table, 1)
    page.get_by_label("Filter rows of: Cost table").fill("memory request")
    left = column(page, table, 1)
    assert 0 < len(left) < len(everything)
    assert all("memory" in text.lower() and "request" in text.lower() for text in left)
    assert page.locator(f"{table} tr.group:visible").all_inner_texts() == ["SAMPLING"]
    page.get_by_label("Filter rows of: Cost table").fill("")
    assert column(page, table, 1) == everything


def test_the_axes_of_quality_against_cost_switch(page: Page) -> None:
    def shown() -> list[tuple[str | None, str | None]]:
        return [
            (c.get_attribute("data-metric"), c.get_attribute("data-axis")) for c in page.locator(".chart:visible").all()
        ]

    assert shown() == [("fvd[transnetv2]", "flops")]
    page.locator("#tradeoff-axis").select_option("latency")
    assert shown() == [("fvd[transnetv2]", "latency")]
    page.locator("#tradeoff-metric").select_option("digit_accuracy")
    assert shown() == [("digit_accuracy", "latency")]
    assert page.locator("#tradeoff-axis option[value=energy]").is_disabled()
    assert "Energy of one video: not measured, because" in page.locator("#tradeoff").inner_text()


def test_a_mark_tells_its_numbers_when_it_is_pointed_at(page: Page) -> None:
    page.locator(".chart:visible .pointed").first.hover()
    assert "full-rate" in page.locator("#tip").inner_text()
    page.locator("#training .plot [data-tip]").first.hover()
    assert "seed 0, step" in page.locator("#tip").inner_text()
    page.locator("h1").hover()
    assert page.locator("#tip").is_hidden()


def test_all_videos_show_the_same_moment_while_they_play(page: Page) -> None:
    page.locator(".gallery").scroll_into_view_if_needed()
    seen = []
    for _ in range(20):
        page.wait_for_timeout(70)
        seen.append(times(page))
    assert len(seen[0]) == 12
    assert all(len(set(moment)) == 1 for moment in seen)
    assert len({moment[0] for moment in seen}) > 4


def test_the_scrubber_moves_all_videos_and_stops_them(page: Page) -> None:
    page.locator(".gallery").scroll_into_view_if_needed()
    page.locator("#scrub").fill("11")
    page.wait_for_timeout(300)
    assert set(times(page)) == {(11 + 0.5) / 8}
    assert page.locator("#play").inner_text() == "Play"
    assert page.locator("#frame").inner_text() == "12 of 16"
    page.locator("#play").click()
    page.wait_for_timeout(400)
    assert times(page)[0] != (11 + 0.5) / 8


def test_who_asked_for_less_motion_sees_none(browser: Browser, report: Path) -> None:
    with opened(browser, report, reduced_motion="reduce") as (page, _):
        page.locator(".gallery").scroll_into_view_if_needed()
        page.wait_for_timeout(400)
        first = times(page)
        page.wait_for_timeout(400)
        assert times(page) == first
        assert page.locator("#play").inner_text() == "Play"


@pytest.mark.parametrize("how", [{}, {"color_scheme": "dark"}, {"viewport": {"width": 320, "height": 640}}])
def test_nothing_serious_keeps_anybody_from_reading_it(browser: Browser, report: Path, how: dict[str, Any]) -> None:
    with opened(browser, report, bypass_csp=True, **how) as (page, _):  # axe is a script that the policy forbids
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert serious(page) == []


def test_the_check_for_what_is_serious_can_fail(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("<!doctype html><html lang=en><title>x</title><main><h1>x</h1><img src='data:,'><button></button>")
    with opened(browser, file) as (page, _):
        assert {found.partition(":")[0] for found in serious(page)} >= {"image-alt", "button-name"}


def test_dark_is_dark_and_light_is_light(browser: Browser, report: Path) -> None:
    found = {}
    for scheme in ("light", "dark"):
        with opened(browser, report, color_scheme=scheme) as (page, _):
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
            found[scheme] = sum(colour)
    assert found["dark"] < 120 < 600 < found["light"]


def test_a_telephone_of_320_pixels_scrolls_down_only(browser: Browser, report: Path) -> None:
    with opened(browser, report, viewport={"width": 320, "height": 640}) as (page, _):
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_it_prints_with_strips_instead_of_videos_and_everything_unfolded(browser: Browser, report: Path) -> None:
    with opened(browser, report) as (page, _):
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("video:visible").count() == 0
        assert page.locator("img.frames:visible").count() == 12
        assert page.locator("details:not([open]):visible").count() == 0
        paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert len(paper) > 50_000


def test_many_verdicts_fold_their_evidence_below_one_table(page: Page) -> None:
    rows = page.locator("[aria-label='All verdicts'] tbody tr")
    assert rows.count() == 6
    card = page.locator("#claim-2")
    assert not card.locator(".evidence").is_visible()
    card.locator("summary").first.click()
    assert card.locator(".evidence").is_visible()


def test_the_table_inside_is_the_one_on_the_disk(page: Page, report: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="results.csv").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text == csv.text(load(Run.open(report.parent)))


def test_hostile_text_runs_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    hostile = html.write(write_synthetic_run(tmp_path / "0badcafe", hostile=True, variant=True))
    with opened(browser, hostile, viewport={"width": 320, "height": 640}) as (page, seen):
        page.wait_for_timeout(300)
        page.locator("#training .plot [data-tip]").first.hover()
        assert page.evaluate("document.querySelectorAll('script').length") == 1
        assert "<script>alert(1)</script>" in page.locator("#tip").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320  # ten thousand letters without a space
    assert seen == Seen()


def test_a_page_without_scripts_is_whole(browser: Browser, report: Path) -> None:
    with opened(browser, report, java_script_enabled=False) as (page, _):
        assert page.locator(".chart:visible").count() == 1
        assert page.locator("video[controls]").count() == 12
        assert page.locator("#player").is_hidden()
