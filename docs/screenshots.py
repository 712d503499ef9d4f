"""Pictures of a report as its readers see it: desktop, dark, telephone, paper.

    python docs/screenshots.py runs/quick/<run>/report.html docs/images

Needs the test tools (playwright) and a Chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PICTURES = {
    "report": {"viewport": {"width": 1280, "height": 1060}},
    "report-dark": {"viewport": {"width": 1280, "height": 1060}, "color_scheme": "dark"},
    "report-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}
SECTIONS = ("tradeoff", "where", "samples")
"""Also pictured by themselves, on the desktop."""


def main(page: Path, folder: Path) -> None:
    browser_file = next(filter(None, map(shutil.which, NAMES)), None)
    if browser_file is None:
        raise SystemExit(f"no browser: none of {', '.join(NAMES)} is installed")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=["--no-sandbox", "--disable-gpu"])
        for name, how in PICTURES.items():
            tab = browser.new_context(**how, reduced_motion="reduce").new_page()
            tab.goto(page.resolve().as_uri())
            tab.wait_for_timeout(500)
            tab.screenshot(path=folder / f"{name}.png")
            if name == "report":
                for section in SECTIONS:
                    # taller than the page, so that nothing is pinned to the middle of a picture
                    tab.set_viewport_size({"width": 1280, "height": 4000})
                    tab.locator(f"#{section}").screenshot(path=folder / f"report-{section}.png")
                tab.emulate_media(media="print")
                tab.evaluate("dispatchEvent(new Event('beforeprint'))")
                tab.pdf(path=folder / "report.pdf", format="A4")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
