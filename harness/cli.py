"""The command line: options and help, nothing else. Each verb imports what it needs when it is called.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 2 usage or study error; 3 a unit failed;
5 not comparable; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import TpbenchError
from harness.sources.sampling import ClipRule, OnBad

app = typer.Typer(
    name="tpbench",
    help="Is efficient video generation cheaper at equal quality? A study in, a verdict out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. An error that is the user's to read is printed without a traceback, with its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        app(args=words, prog_name="tpbench", obj=words)
    except TpbenchError as error:
        print(f"tpbench: {error}", file=sys.stderr)
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


Metrics = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME", help="A metric of `tpbench list metrics`. Repeatable.")
]
Layout = Annotated[
    str, typer.Option(metavar="NAME", help="How the videos lie: folder, msr-vtt, ucf-101, openvid-1m or kinetics.")
]
Split = Annotated[str | None, typer.Option(metavar="NAME", help="Which of the data set's own splits, e.g. test01.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take the first N by name, on all sides.")]
Window = Annotated[int | None, typer.Option(min=2, metavar="N", help="Cut every video into windows of N frames.")]
Start = Annotated[int, typer.Option(min=0, metavar="N", help="Leave out the first N frames of every video.")]
Stride = Annotated[int, typer.Option(min=1, metavar="N", help="Take every N-th frame only.")]
Clips = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take N windows of every video at most.")]
Bad = Annotated[
    OnBad, typer.Option(help="What to do about files that cannot be read: name them and take the rest, or refuse.")
]
Workers = Annotated[int, typer.Option(min=0, metavar="N", help="Processes that decode ahead.")]


@app.command("eval")
def eval_command(
    folder: Annotated[Path, typer.Argument(help="A folder of videos to score, or a .tar shard.")],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="PLACE", help="Real videos to compare with, or a file that `tpbench reference` made."),
    ] = None,
    metric: Metrics = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Score these, too, and say which are nearer to the reference.")
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Videos of one name were made for the same prompt from the same noise.")
    ] = False,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .csv or .json that says what each video should show.")
    ] = None,
    layout: Layout = "folder",
    split: Split = None,
    reference_layout: Layout = "folder",
    reference_split: Split = None,
    limit: Limit = None,
    window: Window = None,
    start: Start = 0,
    stride: Stride = 1,
    clips: Clips = None,
    on_bad: Bad = OnBad.SKIP,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Score a folder of videos, against real ones where a metric needs them."""
    from harness.commands.evaluation import score_folder
    from harness.sources.place import Place

    raise typer.Exit(
        score_folder(
            Place(path=folder, layout=layout, split=split, captions=captions),
            reference=None
            if reference is None
            else Place(path=reference, layout=reference_layout, split=reference_split),
            against=None if against is None else Place(path=against, layout=layout, split=split, captions=captions),
            paired=paired,
            metrics=metric or [],
            limit=limit,
            rule=ClipRule(frames=window, start=start, stride=stride, count=clips),
            on_bad=on_bad,
            workers=workers,
            as_json=as_json,
        )
    )


@app.command("reference")
def reference_command(
    folder: Annotated[Path, typer.Argument(help="Real videos: a folder, or a .tar shard.")],
    file: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    metric: Metrics = None,
    layout: Layout = "folder",
    split: Split = None,
    limit: Limit = None,
    window: Window = None,
    start: Start = 0,
    stride: Stride = 1,
    clips: Clips = None,
    on_bad: Bad = OnBad.SKIP,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Keep what metrics need of real videos in one file, for `tpbench eval --reference FILE`."""
    from harness.commands.evaluation import keep
    from harness.sources.place import Place

    raise typer.Exit(
        keep(
            Place(path=folder, layout=layout, split=split),
            file,
            metrics=metric or [],
            limit=limit,
            rule=ClipRule(frames=window, start=start, stride=stride, count=clips),
            on_bad=on_bad,
            workers=workers,
            as_json=as_json,
        )
    )


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="A run folder, e.g. runs/quick/4b47fbe5.")],
    as_json: Json = False,
) -> None:
    """Render the reports of a run again. Reads records, computes no score."""
    from harness.commands.inspection import render

    raise typer.Exit(render(run, as_json=as_json))


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


vbench_app = typer.Typer(help="VBench: totals of raw scores, and the videos of its prompts.", no_args_is_help=True)
app.add_typer(vbench_app, name="vbench")


@vbench_app.command("total")
def vbench_total_command(
    scores: Annotated[Path, typer.Argument(help="JSON: {dimension or metric: raw score from 0 to 1}, all sixteen.")],
    as_json: Json = False,
) -> None:
    """Quality, Semantic and Total on the leaderboard's scale; refused where a dimension is missing."""
    from harness.commands.vbench import show_totals

    raise typer.Exit(show_totals(scores, as_json=as_json))


@vbench_app.command("compare")
def vbench_compare_command(
    ours: Annotated[Path, typer.Argument(help="JSON of raw scores with frames, size and fps.")],
    theirs: Annotated[Path, typer.Argument(help="The same, e.g. a row of the leaderboard with those of its clips.")],
    as_json: Json = False,
) -> None:
    """Two sets of raw scores, dimension by dimension; 5 where they do not compare, and why."""
    from harness.commands.vbench import compare

    raise typer.Exit(compare(ours, theirs, as_json=as_json))


@vbench_app.command("prompts")
def vbench_prompts_command(
    file: Annotated[Path, typer.Argument(help="Your copy of VBench_full_info.json.")],
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of PROMPT-INDEX.mp4; 3 if some are missing.")
    ] = None,
    as_json: Json = False,
) -> None:
    """VBench's prompts by dimension, how many videos they take, and which of those are there."""
    from harness.commands.vbench import show_prompts

    raise typer.Exit(show_prompts(file, videos=videos, as_json=as_json))


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


if __name__ == "__main__":
    main()
