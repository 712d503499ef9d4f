"""``gate`` and ``baseline``: hold a run against an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.verbs.options import Json

app = typer.Typer()
baseline = typer.Typer(help="Baselines that runs are gated against.", no_args_is_help=True)
app.add_typer(baseline, name="baseline")


@app.command("gate")
def gate_command(
    run: Annotated[Path, typer.Argument(help="A run folder, e.g. runs/quick/4b47fbe5.")],
    baseline: Annotated[Path, typer.Option(metavar="FILE", help="From `tpbench baseline promote`.")],
    thresholds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="gate.yaml with other limits than the default ones.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Also as JUnit XML.")] = None,
    sarif: Annotated[Path | None, typer.Option(metavar="FILE", help="Also as SARIF 2.1.0.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also as Markdown, for a comment on a pull request.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Also as workflow commands, and into $GITHUB_STEP_SUMMARY if it is set.")
    ] = False,
    history: Annotated[Path | None, typer.Option(metavar="FILE", help="Append the values as one JSON line.")] = None,
    remeasure: Annotated[
        bool, typer.Option("--remeasure/--no-remeasure", help="Time again what looks slower before it fails.")
    ] = True,
    base_python: Annotated[
        Path | None,
        typer.Option(metavar="PYTHON", help="Interpreter with the baseline's version: both are timed side by side."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 if something is undecided.")] = False,
    as_json: Json = False,
) -> None:
    """Is a run worse than a baseline? 0 no, 1 yes, 4 undecided under --strict, 5 not comparable."""
    from harness.commands.gating import Outputs, gate

    outputs = Outputs(junit=junit, sarif=sarif, markdown=markdown, history=history, github=github, as_json=as_json)
    code = gate(
        run,
        baseline=baseline,
        thresholds=thresholds,
        remeasure=remeasure,
        base_python=base_python,
        strict=strict,
        outputs=outputs,
    )
    raise typer.Exit(code)


@baseline.command("promote")
def promote_command(
    run: Annotated[Path, typer.Argument(help="A run folder whose units are all done.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The baseline, a JSON file for version control.")],
    note: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Make a finished run what later ones are held to."""
    from harness.commands.baselines import promote_run

    raise typer.Exit(promote_run(run, to=to, note=note, as_json=as_json))


@baseline.command("show")
def show_command(
    file: Annotated[Path, typer.Argument(help="A baseline.")],
    as_json: Json = False,
) -> None:
    """What a baseline holds, and where it comes from."""
    from harness.commands.baselines import show

    raise typer.Exit(show(file, as_json=as_json))


@baseline.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(help="A folder of baselines.")],
    as_json: Json = False,
) -> None:
    """The baselines in a folder; one that cannot be read is a row with its error."""
    from harness.commands.baselines import list_baselines

    raise typer.Exit(list_baselines(folder, as_json=as_json))


@baseline.command("history")
def history_command(
    file: Annotated[Path, typer.Argument(help="From `tpbench gate --history`.")],
    plot: Annotated[Path | None, typer.Option(metavar="OUT", help="Also as a picture: .svg, .png or .pdf.")] = None,
    as_json: Json = False,
) -> None:
    """Steps in the numbers of many gates: where, from what to what."""
    from harness.commands.baselines import show_history

    raise typer.Exit(show_history(file, plot=plot, as_json=as_json))
