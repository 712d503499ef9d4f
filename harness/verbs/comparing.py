"""``compare``: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.verbs.options import Json

app = typer.Typer()


@app.command("compare")
def compare_command(
    runs: Annotated[list[Path], typer.Argument(metavar="BASE RUN...", help="Run folders; the first is the base.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page that opens from disk.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="5 if a number is not comparable, or was taken under other conditions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set runs against the first one, number by number, and say what must not be compared."""
    from harness.commands.comparing import compare

    raise typer.Exit(compare(runs, html=html, strict=strict, as_json=as_json))
