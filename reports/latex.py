"""results.tex: the tables of a run for a paper, to be taken in with ``\\input``; needs the package booktabs.

Text of the run stays text: no command of it is run, and what pdfLaTeX has no letter for is written as its code point.
"""

from __future__ import annotations

from pathlib import Path

from harness.printable import printable
from harness.store import Run, write_atomically
from reports.load import RunData, load
from reports.sheets import Kind, Sheet, sheets

_SPELLED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": "{-}",  # so that two are not a dash
    "[": "{[}",  # after the end of a row a bracket would be a length, a star a command
    "]": "{]}",
    "*": "{*}",
    "\u00a0": "~",
    "\u202f": r"\,",
    "\u2013": r"\textendash{}",
    "\u2212": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "÷": r"\ensuremath{\div}",
    "µ": r"\ensuremath{\mu}",
    **{sign: f"\\textsuperscript{{{plain}}}" for sign, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)},
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
}
_LAST_OF_LATIN = 0x17F
_FORMS: dict[Kind, str] = {"name": "l", "number": "r", "prose": r"p{0.3\linewidth}"}


def escaped(text: str) -> str:
    """Text of a run for LaTeX, on one line.

    >>> print(escaped("50 % of x_1 \\\\input{/etc/passwd} 漢"))
    50 \\% of x\\_1 \\textbackslash{}input\\{/etc/passwd\\} {[}U+6F22{]}
    """
    # split(" ") and not split(): the spaces that hold a number and its unit together stay
    line = " ".join(part for part in printable(text).replace("\n", " ").replace("\t", " ").split(" ") if part)
    return "".join(map(_letter, line))


def text(data: RunData) -> str:
    """The content of results.tex."""
    head = f"% {escaped(data.name)}, made by tpbench. In the preamble: \\usepackage{{booktabs}}"
    return "\n\n".join([head, *(_table(sheet) for sheet in sheets(data))]) + "\n"


def write(run: Run) -> Path:
    """Write results.tex into the run folder; nothing is computed."""
    path = run.root / "results.tex"
    write_atomically(path, text(load(run)))
    return path


def _letter(sign: str) -> str:
    if sign in _SPELLED:
        return _SPELLED[sign]
    code = ord(sign)
    return sign if " " <= sign <= "~" or 0xC0 <= code <= _LAST_OF_LATIN else f"{{[}}U+{code:04X}{{]}}"


def _table(sheet: Sheet) -> str:
    form = "".join(_FORMS[kind] for _, kind in sheet.columns)
    rows = [" & ".join(map(escaped, row)) + r" \\" for row in sheet.rows]
    head = " & ".join(escaped(title) for title, _ in sheet.columns) + r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(sheet.caption)}}}",
            rf"\label{{tab:tpbench-{sheet.name}}}",
            rf"\begin{{tabular}}{{{form}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )
