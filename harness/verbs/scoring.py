"""``eval``, ``reference`` and ``vbench``: videos of the user's to numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.sources.sampling import ClipRule, OnBad
from harness.verbs.options import Json

app = typer.Typer()


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
