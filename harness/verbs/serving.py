"""``serve``: browse runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("serve")
def serve_command(
    folder: Annotated[Path, typer.Argument(help="A folder of runs, e.g. runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")] = 0,
) -> None:
    """Browse runs in a browser: this machine only, read-only, until Ctrl-C. The address holds a secret token."""
    from harness.serving import RunServer

    with RunServer(folder, port=port) as server:
        print(server.url, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
