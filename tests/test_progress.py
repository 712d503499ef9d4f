"""Progress is shown to people who wait, and to nobody else."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from harness.progress import Progress


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=120, color_system=None), stream


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_short_phase_says_nothing_anywhere() -> None:
    for terminal in (True, False):
        target, stream = console(terminal=terminal)
        with Progress(console=target).task("short", 3) as update:
            update(3)
        assert stream.getvalue() == ""


def test_a_long_phase_off_the_terminal_is_one_line_at_its_end() -> None:
    target, stream = console(terminal=False)
    clock = FakeClock()
    with Progress(console=target, clock=clock).task("training [tpdiff]", 60) as update:
        clock.now = 42.0
        update(60, "loss [0.1]")
        assert stream.getvalue() == ""
    assert stream.getvalue() == "training [tpdiff]: 42.0 s\n"


def test_a_phase_that_fails_says_how_far_it_came_and_lets_the_error_through() -> None:
    target, stream = console(terminal=False)
    clock = FakeClock()

    def fail() -> None:
        with Progress(console=target, clock=clock).task("training", 60) as update:
            update(20)
            clock.now = 5.0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stream.getvalue() == "training: 5.0 s, stopped at 20 of 60\n"


def test_a_long_phase_on_a_terminal_shows_a_bar_with_its_note_and_cleans_up() -> None:
    target, stream = console(terminal=True)
    with Progress(console=target, patience_s=0.05).task("training [tpdiff]", 60) as update:
        update(10, "loss [0.1]")
        time.sleep(0.4)
        update(20, "loss [0.2]")
        time.sleep(0.2)
    shown = stream.getvalue()
    assert "training [tpdiff]" in shown
    assert "10/60" in shown
    assert "20/60" in shown
    assert "loss [0.2]" in shown
    assert "0/60" not in shown.replace("10/60", "").replace("20/60", "")
    assert shown.endswith(" s\n")


def test_the_bar_appears_even_if_the_phase_reports_nothing() -> None:
    target, stream = console(terminal=True)
    with Progress(console=target, patience_s=0.05).task("silent", 1):
        time.sleep(0.3)
    assert "0/1" in stream.getvalue()


def test_nested_phases_are_shown_together() -> None:
    target, stream = console(terminal=True)
    progress = Progress(console=target, patience_s=0.05)
    with progress.task("all units", 2) as outer:
        for number in range(2):
            with progress.task(f"unit {number}", 4) as inner:
                time.sleep(0.2)
                inner(4)
            outer(number + 1)
    shown = stream.getvalue()
    assert all(text in shown for text in ("all units", "unit 0", "unit 1"))


def test_quiet_means_quiet() -> None:
    target, stream = console(terminal=True)
    with Progress(console=target, quiet=True, patience_s=0.0).task("training", 1):
        pass
    assert stream.getvalue() == ""


def test_the_time_left_is_known_even_where_a_step_takes_minutes() -> None:
    target, stream = console(terminal=True)
    clock = FakeClock()
    with Progress(console=target, patience_s=0.05, clock=clock).task("all units", 5) as update:
        time.sleep(0.2)
        for done in (1, 2, 3):
            clock.now = 90.0 * done
            update(done)
        time.sleep(0.3)
    assert "0:03:00" in stream.getvalue()


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(variable, value)
    stream = io.StringIO()
    target = Console(file=stream, force_terminal=True, width=120)
    with Progress(console=target, patience_s=0.05).task("training", 60) as update:
        time.sleep(0.2)
        update(20)
        time.sleep(0.2)
    assert not re.search(r"\x1b\[[\d;]*[34]\d[\d;]*m", stream.getvalue())
