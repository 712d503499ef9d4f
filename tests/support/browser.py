"""A real browser that opens a page from the disk, and everything that it complains about or asks the outside for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@dataclass
class Seen:
    """What a page did that it should not."""

    complaints: list[str] = field(default_factory=list)
    """Console messages, uncaught errors, dialogs."""
    requests: list[str] = field(default_factory=list)
    """Addresses beyond the file itself and what is inside it."""


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, file: Path, **how: Any) -> Iterator[tuple[Page, Seen]]:
    """The file in a fresh context, 1280 pixels wide unless told; it may ask nothing of the network."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | how))
    context.set_offline(True)
    page, seen = context.new_page(), Seen()
    page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: _note(request.url, file, seen))
    page.goto(file.as_uri())
    yield page, seen
    context.close()


def _note(url: str, file: Path, seen: Seen) -> None:
    if url != file.as_uri() and not url.startswith(("data:", f"{file.as_uri()}#")):
        seen.requests.append(url)
