"""The gate's result as a comment for a pull request."""

from __future__ import annotations

import re

from harness.gating.plain import plain
from harness.gating.result import GateResult, Item, State
from harness.rounding import three_digits

HEADINGS: dict[State, str] = {
    "failed": "Failed",
    "not-comparable": "Not comparable",
    "undecided": "Undecided",
    "notice": "Notices",
}
MARK = "<!-- tpbench gate -->"
"""By which a bot finds the comment that it wrote before."""
MOST_ROWS = 50
"""Of a section; a comment has at most 65,536 characters."""


def markdown(result: GateResult) -> str:
    """Verdict, findings as tables, and how many passed."""
    counts = result.counts
    lines = [
        MARK,
        f"## tpbench gate: {result.verdict}",
        "",
        f"{escaped(result.run)} against the baseline {escaped(result.baseline)}: "
        + ", ".join(f"{number} {state.replace('-', ' ')}" for state, number in counts.items() if number),
    ]
    if result.refusal:
        lines += ["", escaped(result.refusal)]
    for state, heading in HEADINGS.items():
        items = result.of(state)
        if items:
            lines += ["", f"### {heading}", "", "| number | baseline | run | why |", "|---|---|---|---|"]
            lines += [_row(item) for item in items[:MOST_ROWS]]
            if len(items) > MOST_ROWS:
                lines += ["", f"{len(items) - MOST_ROWS} more are in the log."]
    if result.differences:
        lines += ["", "Environments differ:", "", *(f"- {escaped(one)}" for one in result.differences)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no tags, links, tables, emphasis or code, and nobody is notified.

    GitHub looks for ``@name`` and ``#1`` in what was rendered, where no escape is left: a space of no width helps.

    >>> print(escaped("<b>|*x*| @team #1 `c` http://x latency_s"))
    &lt;b&gt;&#124;&#42;x&#42;&#124; &#64;&#8203;team &#35;&#8203;1 &#96;c&#96; http&#58;//x latency&#95;s
    """
    line = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[|*_`\[\]~!\\@#]|:(?=//)|(?<=www)\.", _entity, line)


def _entity(sign: re.Match[str]) -> str:
    return f"&#{ord(sign[0])};" + ("&#8203;" if sign[0] in "@#" else "")


def value(number: float | None, unit: str) -> str:
    """
    >>> value(None, "s"), value(1348796416.0, "FLOP"), value(1.34567, "s"), value(0.5, "1")
    ('none', '1348796416 FLOP', '1.35 s', '0.500')
    """
    if number is None:
        return "none"
    digits = f"{number:.0f}" if number == int(number) and abs(number) < 1e15 else three_digits(number)
    return digits if unit == "1" else f"{digits} {unit}"


def _row(item: Item) -> str:
    cells = (item.name, value(item.baseline, item.unit), value(item.value, item.unit), item.why)
    return f"| {' | '.join(map(escaped, cells))} |"
