"""``new`` and ``check-plugin``: start a plugin, hold it to its promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.verbs.options import Json

app = typer.Typer()


new_app = typer.Typer(help="Start a plugin from a template that works.", no_args_is_help=True)
app.add_typer(new_app, name="new")


@new_app.command("generator")
def new_generator_command(
    name: Annotated[str, typer.Argument(help="Name of the generator, e.g. my-pyramid.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="Folder in which the package is made.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a generator package that trains, samples and passes `check-plugin`."""
    from harness.commands.plugins import new_generator

    raise typer.Exit(new_generator(name, into=into, as_json=as_json))


@app.command("check-plugin")
def check_plugin_command(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.py:CLASS", help="A generator.")],
    as_json: Json = False,
) -> None:
    """Does a generator keep the promises of the seam? 3 if it breaks one."""
    from harness.commands.plugins import check_plugin

    raise typer.Exit(check_plugin(name, as_json=as_json))
