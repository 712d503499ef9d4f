"""``run``, ``trace`` and ``plan``: carry a study out, look into a call, predict a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.verbs.options import Json

app = typer.Typer()


@app.command("run")
def run_command(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped study, e.g. quick.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print units, time and disk; do nothing.")] = False,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where run folders live.")] = Path("runs"),
    plugin: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.py:CLASS", help="Add a generator to the study. Repeatable."),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trainings and samplings at once; each takes the study's threads.")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Train, sample, measure, score, judge, report. The same command resumes where it was stopped."""
    from harness.commands.run import run

    code = run(
        study,
        runs=runs,
        plugins=plugin or (),
        dry_run=dry_run,
        jobs=jobs,
        as_json=as_json,
        argv=["tpbench", *context.obj],
    )
    raise typer.Exit(code)


@app.command("trace")
def trace_command(
    run: Annotated[Path, typer.Argument(help="A run folder whose generators are trained.")],
    generator: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="All of the study if left out. Repeatable.")
    ] = None,
    scope: Annotated[str, typer.Option(help="end_to_end or training_step.")] = "end_to_end",
    as_json: Json = False,
) -> None:
    """Profile one call of each generator: a trace for Perfetto or chrome://tracing, and the costliest operators."""
    from harness.commands.tracing import trace

    raise typer.Exit(trace(run, generators=generator or [], scope=scope, as_json=as_json))


@app.command("plan")
def plan_command(
    model: Annotated[
        str | None, typer.Argument(help="A name of `tpbench list models`, or a config .json or .yaml of your own.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Frames of the video; the published number if left out.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HEIGHTxWIDTH", help="Pixels; the published size if left out.")
    ] = None,
    stages: Annotated[int, typer.Option(min=1, metavar="K", help="Stages of the pyramid; 1 is full rate.")] = 3,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Denoising steps in all.")] = 30,
    shares: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Shares of the steps, noisiest stage first; default: equal.")
    ] = None,
    guidance: Annotated[bool, typer.Option("--guidance", help="Classifier-free guidance: two calls a step.")] = False,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Videos at once.")] = 1,
    hardware: Annotated[
        list[str] | None, typer.Option(metavar="CARD", help="E.g. h100, a100, 4090. Repeatable; h100 if left out.")
    ] = None,
    regime: Annotated[str, typer.Option(help="Whose memory is predicted: full, frozen-spatial or lora.")] = "full",
    planner: Annotated[str, typer.Option(metavar="NAME", help="A method of `tpbench list planners`.")] = "tpdiff",
    scan: Annotated[
        str | None, typer.Option(metavar="AXIS", help="Also write speed-up against frames, size or stages to --out.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where a scan is written.")] = Path("plans"),
    claims: Annotated[
        bool, typer.Option("--claims", help="The paper's numbers beside what can be computed; takes no MODEL.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What a pyramid would save on a published video model: FLOPs, memory, seconds. No GPU, no weights, seconds."""
    from harness.commands.plan import plan, plan_claims

    if claims:
        raise typer.Exit(plan_claims(model, as_json=as_json))
    raise typer.Exit(
        plan(
            model,
            frames=frames,
            size=size,
            stages=stages,
            steps=steps,
            shares=shares,
            guidance=guidance,
            batch=batch,
            hardware=hardware or ["h100"],
            regime=regime,
            planner=planner,
            scan=scan,
            out=out,
            as_json=as_json,
        )
    )
