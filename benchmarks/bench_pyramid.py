"""Time of the pyramid over time of its control, beside what FLOPs promise. Goals: within 10 %; alignment at most 2 %.

The shape is that of the standard study: 16 frames of 16x16, 24 clips a training step, 30 Euler steps for 8 videos.
Both sides of a ratio are called in turn, so that a drift of the machine falls on both. Run with
``pytest benchmarks/bench_pyramid.py``; a few minutes on 2 cores.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.profiler import ProfilerActivity, profile

from baselines.full_rate import FullRate
from harness.assembly import build_dataset, build_generator, build_request
from harness.diffusion.cost import CostPolynomial
from harness.generator import NullProbe
from harness.measure.flops import FlopCount
from harness.measure.probe import SpanProbe
from harness.study import Study, load_study, locate
from harness.training import Trainer, make_batch
from tpdiff import TemporalPyramid, sampling_cost, training_cost
from tpdiff.generator import TPDiff

PAIRS = 5
VIDEOS = 8
PROFILES = 7
KINDS = {
    "convolution": ("convolution",),
    "matmul": ("aten::mm", "addmm", "bmm", "aten::linear"),
    "attention": ("attention",),
    "norm": ("layer_norm", "group_norm"),
}


def study_with(backbone: str, stages: int) -> Study:
    """The standard study with this backbone and number of stages, without guidance."""
    plain = load_study(locate("standard", "studies")).model_dump()
    plain["backbone"] = {"name": backbone, "options": {}}
    plain["generators"] = [{"name": "full-rate"}, {"name": "tpdiff", "options": {"stages": stages}}]
    plain["sampling"]["guidance"] = 1.0
    return Study.model_validate(plain)


@dataclass
class Side:
    """One generator, ready to take training steps and to sample."""

    study: Study
    label: str

    def __post_init__(self) -> None:
        self.dataset = build_dataset(self.study)
        generator = build_generator(self.study, self.dataset, label=self.label, seed=0, weights=None)
        assert isinstance(generator, FullRate | TPDiff)
        self.generator = generator
        self.trainer = Trainer(generator, self.study, self.dataset, label=self.label, seed=0)
        self.probe = SpanProbe()
        self.batch = make_batch(self.study, self.dataset, seed=0, step=0)
        self.request = build_request(self.study, self.dataset, range(VIDEOS))

    def train(self) -> None:
        self.trainer.train_step(self.batch, self.probe)

    def sample(self) -> None:
        self.generator.generate(self.request, NullProbe())

    def network_call(self, frames: int, clips: int, *, backward: bool) -> Callable[[], None]:
        """A call of the network on ``clips`` clips of ``frames`` frames, ready to be made."""
        batch = self.batch.clips[:1, :, :frames].expand(clips, -1, -1, -1, -1).contiguous()
        times, tokens = torch.full((clips,), 0.5), self.batch.tokens[:1].expand(clips, -1)

        def call() -> None:
            with torch.set_grad_enabled(backward):
                said = self.generator.denoiser(batch, times, tokens, torch.arange(frames).float())
                if backward:
                    said.sum().backward()

        return call

    def call_flops(self, frames: int, *, backward: bool) -> int:
        """FLOP of the network on one clip of ``frames`` frames."""
        with FlopCount() as counter:
            self.network_call(frames, 1, backward=backward)()
        return int(counter.total)

    def call_seconds(self, frames: int, clips: int, *, backward: bool) -> float:
        """Median time of the network on ``clips`` clips of ``frames`` frames."""
        call = self.network_call(frames, clips, backward=backward)
        call()
        return median(seconds(call) for _ in range(PAIRS))

    def cost(self, *, backward: bool) -> CostPolynomial:
        return CostPolynomial.fit({frames: self.call_flops(frames, backward=backward) for frames in (2, 4, 8, 16)})


def calls_alone(control: Side, pyramid: TemporalPyramid) -> dict[str, float]:
    """Time of the pyramid's network calls over that of the control's, with nothing around them.

    Above the ratio of FLOPs: small calls run less well. Below the whole ratio: what is done outside the network.
    """
    full, size = control.request.frames, control.study.training.batch
    seen = [pyramid.resampling.frames(full, stage.stride) for stage in pyramid.stages]
    shares = pyramid.split_steps(control.request.steps)
    training = sum(control.call_seconds(frames, size // len(pyramid), backward=True) for frames in seen)
    sampling = sum(
        steps * control.call_seconds(frames, VIDEOS, backward=False) for steps, frames in zip(shares, seen, strict=True)
    )
    return {
        "training": training / control.call_seconds(full, size, backward=True),
        "sampling": sampling / control.call_seconds(full, VIDEOS, backward=False) / control.request.steps,
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratios(ours: Callable[[], object], theirs: Callable[[], object]) -> list[float]:
    """Ours over theirs, sorted; the first pair warms up and does not count."""
    found = []
    for number in range(PAIRS + 1):
        if number % 2:
            own, other = seconds(ours), seconds(theirs)
        else:
            other, own = seconds(theirs), seconds(ours)
        found.append(own / other)
    return sorted(found[1:])


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
@pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
def test_pyramid_over_control(benchmark: BenchmarkFixture, backbone: str, stages: int) -> None:
    study = study_with(backbone, stages)
    torch.set_num_threads(study.threads)
    ours, control = Side(study, "tpdiff"), Side(study, "full-rate")
    assert isinstance(ours.generator, TPDiff)
    pyramid, frames = ours.generator.pyramid, ours.request.frames
    step, call = control.cost(backward=True), control.cost(backward=False)
    promised = {
        "training": training_cost(pyramid, step, frames=frames) / step.at(frames),
        "sampling": 1 / sampling_cost(pyramid, call, frames=frames, steps=ours.request.steps).speedup,
    }
    measured = {
        "training": ratios(ours.train, control.train),
        "sampling": ratios(ours.sample, control.sample),
    }
    ours.probe.spans_s.clear()
    spent = sum(seconds(ours.train) for _ in range(PAIRS))
    share = ours.probe.spans_s["alignment"] / spent
    alone = calls_alone(control, pyramid)
    told: dict[str, Any] = {"alignment / step": f"{share:.2%}"}
    for what, found in measured.items():
        told[what] = (
            f"time {median(found):.3f} ({found[0]:.3f} to {found[-1]:.3f}), FLOP {promised[what]:.3f}, "
            f"time / FLOP {median(found) / promised[what]:.3f}, network calls alone {alone[what]:.3f}"
        )
    benchmark.extra_info.update(told)
    print(f"\n{backbone} K = {stages}: " + "; ".join(f"{name}: {value}" for name, value in told.items()))
    benchmark.pedantic(ours.train, rounds=1)


def kind_of(operator: str) -> str:
    """The kind whose mark the operator's name has; ``the rest`` are element-wise operators, copies and dispatch."""
    return next((kind for kind, marks in KINDS.items() if any(mark in operator for mark in marks)), "the rest")


@pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
def test_microseconds_a_frame(backbone: str) -> None:
    """Were time linear in frames, all shapes would show the same; what rises is what wall clock loses against FLOPs."""
    study = study_with(backbone, 4)
    torch.set_num_threads(study.threads)
    side = Side(study, "tpdiff")
    assert isinstance(side.generator, TPDiff)
    pyramid, clips, full = side.generator.pyramid, study.training.batch, side.request.frames
    strides = [stage.stride for stage in reversed(pyramid.stages)]
    for size, frames in [(clips, full), *((clips // len(pyramid), full // stride) for stride in strides)]:
        call = side.network_call(frames, size, backward=True)
        with FlopCount() as counter:
            call()
        seen: dict[str, list[float]] = defaultdict(list)
        for _ in range(PROFILES):
            with profile(activities=[ProfilerActivity.CPU]) as profiled:
                call()
            spent: dict[str, float] = defaultdict(float)
            for event in profiled.key_averages():
                spent[kind_of(event.key)] += event.self_cpu_time_total
            for kind in (*KINDS, "the rest"):
                seen[kind].append(spent[kind] / (size * frames))
            seen["in all"].append(sum(spent.values()) / (size * frames))
        flops = counter.total / (size * frames)
        took = ", ".join(f"{kind} {median(values):.1f}" for kind, values in seen.items() if any(values))
        speed = f"{flops / 1e6:.1f} MFLOP, {flops / median(seen['in all']) / 1e3:.1f} GFLOP/s"
        print(f"{backbone}, {size} clips of {frames} frames: us a frame: {took}; {speed}")
