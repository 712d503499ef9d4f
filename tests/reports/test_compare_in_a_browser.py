"""The page of a comparison and a served report, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from browser import launched, opened
from compared_runs import write_run
from harness.comparing import compare_runs
from harness.serving import RunServer
from harness.store import Run
from reports import compare, html
from written_run import HOSTILE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


def test_the_comparison_is_quiet_offline_and_good_for_screen_readers(browser: Browser, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, generator=HOSTILE.replace("\x00", ""), card={name: HOSTILE}) for name in "ab"]
    compare.write(compare_runs(runs), tmp_path / "compare.html")
    for scheme in ("light", "dark"):
        with opened(browser, tmp_path / "compare.html", color_scheme=scheme) as (page, seen):
            assert page.locator("h2").inner_text() == "synthetic/b"
            assert (seen.complaints, seen.requests) == ([], [])
            found = Axe().run(page).response["violations"]
            assert [violation["id"] for violation in found] == []


def test_a_served_report_works_in_its_sandbox_and_sees_nothing_else(
    browser: Browser, synthetic_run: Callable[..., Run]
) -> None:
    run = synthetic_run(videos=2)
    html.write(run)
    with RunServer(run.root.parent.parent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(server.url)
        page.get_by_role("link", name="report.html").click()
        page.wait_for_url("**/report.html")  # waits for its end, and not only its heading
        assert "synthetic" in page.locator("h1").inner_text()
        assert page.locator("video").count() > 0
        assert complaints == []
        assert page.evaluate("fetch('/').then(() => 'reached', () => 'refused')") == "refused"
        assert page.evaluate("window.origin") == "null"
        page.close()
        server.shutdown()
        thread.join()
