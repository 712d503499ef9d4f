"""``report``: what a run has to say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.verbs.options import Json

app = typer.Typer()


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="A run folder, e.g. runs/quick/4b47fbe5.")],
    figures: Annotated[
        bool, typer.Option("--figures", help="Also figures for papers: RUN/figures/*.pdf, .svg, .png and captions.")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="NAME", help="A reporter of `tpbench list reporters`. Repeatable; default: the study's."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Render the reports of a run again. Reads records, computes no score."""
    from harness.commands.inspection import render

    raise typer.Exit(render(run, formats=formats or [], figures=figures, as_json=as_json))
