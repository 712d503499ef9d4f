"""``list``, ``doctor`` and ``weights``: what is here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.verbs.options import Json

app = typer.Typer()


@app.command("list")
def list_command(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="generators, backbones, metrics, datasets, reporters, models or planners; all if left out."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Import each plugin in its own process; 3 if one is broken.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is installed. Reads metadata, imports nothing."""
    from harness.commands.inspection import list_plugins

    raise typer.Exit(list_plugins(kind, check=check, as_json=as_json))


@app.command("doctor")
def doctor_command(
    selftest: Annotated[
        bool, typer.Option("--selftest", help="Run the instruments on workloads of known size; 3 if one is wrong.")
    ] = False,
    peaks: Annotated[
        bool, typer.Option("--peaks", help="Measure FLOP/s and bandwidth, ten seconds; later runs report mfu by it.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N, for --selftest and --peaks.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads, as in the study; for --peaks.")] = 2,
    as_json: Json = False,
) -> None:
    """Examine this machine and this installation; 3 if something needs repair."""
    from harness.commands import doctoring

    if selftest:
        raise typer.Exit(doctoring.check_instruments(device, as_json=as_json))
    if peaks:
        raise typer.Exit(doctoring.measure_peaks(device, threads, as_json=as_json))
    raise typer.Exit(doctoring.diagnose(as_json=as_json))


weights_app = typer.Typer(
    help="Weights and clips that metrics need: fetched once, verified always.", no_args_is_help=True
)
app.add_typer(weights_app, name="weights")


@weights_app.command("list")
def weights_list_command(as_json: Json = False) -> None:
    """What can be fetched, and what is in the cache."""
    from harness.commands.weights import show

    raise typer.Exit(show(as_json=as_json))


@weights_app.command("fetch")
def weights_fetch_command(
    names: Annotated[list[str] | None, typer.Argument(help="Names of `tpbench weights list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All weights and clips.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch weights into the cache. Without names: those that the offline metrics need."""
    from harness.commands.weights import fetch

    raise typer.Exit(fetch(names or [], everything=everything, as_json=as_json))


@weights_app.command("add")
def weights_add_command(
    name: Annotated[str, typer.Argument(help="Name of `tpbench weights list`.")],
    file: Annotated[Path, typer.Argument(help="The file that you have.")],
    as_json: Json = False,
) -> None:
    """Take a file that tpbench cannot fetch (I3D, CLIP, DINO ...) into the cache."""
    from harness.commands.weights import add

    raise typer.Exit(add(name, file, as_json=as_json))


@weights_app.command("verify")
def weights_verify_command(as_json: Json = False) -> None:
    """Hash what is in the cache and compare; 3 if a file is not the pinned one."""
    from harness.commands.weights import verify

    raise typer.Exit(verify(as_json=as_json))
