"""The command line. Each verb has its options in ``harness/verbs`` and imports what it needs when it is called.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 the gate failed; 2 usage or study error; 3 a
unit failed; 4 undecided under --strict; 5 not comparable; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from harness.errors import TpbenchError
from harness.printable import printable
from harness.verbs import comparing, gating, installed, plugins, reporting, scoring, serving, studies

app = typer.Typer(
    name="tpbench",
    help="Is efficient video generation cheaper at equal quality? A study in, a verdict out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (studies, scoring, reporting, gating, comparing, serving, installed, plugins):
    app.add_typer(part.app)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. An error that is the user's to read is printed without a traceback, with its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        app(args=words, prog_name="tpbench", obj=words)
    except TpbenchError as error:
        print(printable(f"tpbench: {error}"), file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tpbench {version('tpbench')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


if __name__ == "__main__":
    main()
