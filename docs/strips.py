"""Strips of samples from a run folder: the same samples of several generators, frame by frame.

    python docs/strips.py RUN --generators full-rate tpdiff --samples 0 1 2 -o strips.png

Generators of a study start from the same noise and are asked for the same caption, so the rows of a sample differ in
the method alone. ``real`` are the held-out clips with these captions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from harness.errors import TpbenchError, UsageError
from harness.records import SampleRecord
from harness.store import Run
from reports import video

ROW = 0.42
"""Inches."""


def strips(run: Run, generators: Sequence[str], samples: Sequence[int]) -> Figure:
    """A block of rows for each sample, a row for each generator, and in it every frame from left to right.

    Raises:
        UsageError: a generator did not make one of the samples in the study's first training seed.
        MediaError: a sample's file is missing, holds something else, or lies outside of the run folder.
    """
    records = run.read(SampleRecord)
    seed = min((record.seed for record in records), default=0)
    made = {(record.generator, record.sample_id): record for record in records if record.seed == seed}
    for generator in generators:
        for sample in samples:
            if (generator, sample) not in made:
                known = ", ".join(sorted({name for name, _ in made})) or "none"
                raise UsageError(f"'{generator}' has no sample {sample} in {run.root}. Generators there: {known}.")
    figure = Figure(figsize=(8.2, ROW * len(samples) * (len(generators) + 1)), dpi=160)
    blocks = figure.subfigures(len(samples), 1, squeeze=False)[:, 0]
    for block, sample in zip(blocks, samples, strict=True):
        block.suptitle(made[generators[0], sample].prompt, fontsize=8, x=0.17, y=0.985, ha="left", va="top")
        rows = block.subplots(len(generators), 1, squeeze=False)[:, 0]
        block.subplots_adjust(left=0.17, right=0.995, bottom=0.01, top=1 - 0.8 / (len(generators) + 1), hspace=0.08)
        for axes, generator in zip(rows, generators, strict=True):
            frames = video.read(run.root, made[generator, sample].file)
            parted = np.pad(frames, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=video.BETWEEN)
            axes.imshow(np.concatenate(list(parted), axis=1), interpolation="nearest", aspect="auto")
            axes.set_ylabel(generator, rotation=0, fontsize=7, ha="right", va="center")
            axes.set(xticks=[], yticks=[])
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--generators", nargs="+", required=True)
    parser.add_argument("--samples", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("-o", "--output", type=Path, default=Path("strips.png"))
    chosen = parser.parse_args()
    try:
        strips(Run.open(chosen.run), chosen.generators, chosen.samples).savefig(chosen.output)
    except TpbenchError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
