"""Where the pyramid's network calls spend their time: microseconds a frame by kind of operator, at each stage's shape.

If time were linear in frames, all stages would show the same number; what rises towards the noisy ones is what wall
clock loses against FLOPs. Calls with their backward pass, in the shapes of the standard study's training step at K = 4.
Run with ``pytest benchmarks/bench_pyramid_profile.py -s``; a minute on 2 cores.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from harness.assembly import build_dataset, build_generator
from harness.measure.flops import flop_counter
from harness.study import Study, load_study, locate
from harness.training import make_batch
from tpdiff.generator import TPDiff

CALLS = 7
STAGES = 4
KINDS = {
    "convolution": ("convolution",),
    "matmul": ("aten::mm", "addmm", "bmm", "aten::linear"),
    "attention": ("attention",),
    "norm": ("layer_norm", "group_norm"),
}


def kind_of(operator: str) -> str:
    """The kind whose mark the operator's name has; ``the rest`` are element-wise operators, copies and dispatch."""
    return next((kind for kind, marks in KINDS.items() if any(mark in operator for mark in marks)), "the rest")


@pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
def test_microseconds_a_frame(backbone: str) -> None:
    study = Study.model_validate(
        load_study(locate("standard", "studies")).model_dump()
        | {"backbone": {"name": backbone, "options": {}}}
        | {"generators": [{"name": "full-rate"}, {"name": "tpdiff", "options": {"stages": STAGES}}]}
    )
    torch.set_num_threads(study.threads)
    dataset = build_dataset(study)
    generator = build_generator(study, dataset, label="tpdiff", seed=0, weights=None)
    assert isinstance(generator, TPDiff)
    everything = make_batch(study, dataset, seed=0, step=0)
    clips = len(everything.clips) // STAGES
    shapes = [(len(everything.clips), study.data.options["frames"])]
    shapes += [(clips, shapes[0][1] // stage.stride) for stage in reversed(generator.pyramid.stages)]
    for size, frames in shapes:
        batch, tokens = everything.clips[:size, :, :frames].contiguous(), everything.tokens[:size]

        def call(batch: torch.Tensor = batch, tokens: torch.Tensor = tokens) -> None:
            times, positions = torch.full((len(batch),), 0.5), torch.arange(batch.shape[2]).float()
            generator.denoiser(batch, times, tokens, positions).sum().backward()

        call()
        with flop_counter() as counter:
            call()
        seen: dict[str, list[float]] = defaultdict(list)
        for _ in range(CALLS):
            with profile(activities=[ProfilerActivity.CPU]) as profiled:
                call()
            spent: dict[str, float] = defaultdict(float)
            for event in profiled.key_averages():
                spent[kind_of(event.key)] += event.self_cpu_time_total
            for kind in (*KINDS, "the rest"):
                seen[kind].append(spent[kind] / (size * frames))
            seen["in all"].append(sum(spent.values()) / (size * frames))
        flops = counter.get_total_flops() / (size * frames)
        took = ", ".join(f"{kind} {median(values):.1f}" for kind, values in seen.items() if any(values))
        speed = f"{flops / 1e6:.1f} MFLOP, {flops / median(seen['in all']) / 1e3:.1f} GFLOP/s"
        print(f"{backbone}, {size} clips of {frames} frames: us a frame: {took}; {speed}")
