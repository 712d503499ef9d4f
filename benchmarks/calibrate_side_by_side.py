"""Does the gate keep its word on time where it times both versions itself (``tpbench gate --base-python``)?

A pair is one gate: ``time_again`` starts a process for each version, both at once, times them in interleaved blocks,
three launches at least and up to ten until the ratio is known to the gate's limit, and ``look_again`` judges. All of it
is the gate's own code, but for the processes: instead of new interpreters they are forks of a parent that has imported
torch and used no thread, which takes a tenth of the time. A call is ten forward passes of the tiny U-Net; slower code
takes eleven. What a gate says at its first look plays no part: side by side everything is timed anew.

Fixed before the first pair: the sizes, the pairs 0 to 199 of equal and 0 to 99 of slower code, one of each, none
repeated; the gate's own limits and a study's own latency settings, but for half a second of blocks a launch instead of
two, after at most ten calls of warm-up instead of thirty. Equal code found slower may be as often as an exact binomial
test at 5 % allows of a true rate of 5 %, slow-downs found as seldom as it allows of 95 %. By hand, on a quiet machine,
resumable::

    python benchmarks/calibrate_side_by_side.py collect OUT_DIR      # more than an hour; or half of it, on two cores,
    python benchmarks/calibrate_side_by_side.py collect OUT_DIR 0/2  # by two of these, the other one with 1/2
    python benchmarks/calibrate_side_by_side.py judge OUT_DIR
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from calibrate_gate import PASSES, acceptance, read, work

from harness.environment import collect as environment
from harness.environment import torch_settings
from harness.gating import remeasure
from harness.gating.observed import Observed
from harness.gating.remeasure import AT_BASELINE, time_again
from harness.gating.result import GateResult, Item
from harness.gating.second_look import look_again
from harness.gating.thresholds import Thresholds
from harness.launch.local import KEEP_MEMORY
from harness.measure.blocks import Block
from harness.measure.hygiene import look
from harness.store import Run, write_atomically
from harness.study import Study, load_study, locate

PAIRS = {"same": range(200), "slower": range(100)}
LABEL, SCOPE = "candidate", "end_to_end"
SIDES = (LABEL + AT_BASELINE, LABEL)
BASE = Path("base")
"""Stands for the interpreter of the baseline's version."""


class Fork:
    """A worker as far as timing asks for one: a fork of this process that answers on a pipe."""

    passes: int
    """Of a call of the run's version."""
    seed: int

    def __init__(self, folder: Path, *, python: Path | None, **_: Any) -> None:
        (to_child, self._to), (self._from, to_parent) = os.pipe(), os.pipe()
        self._child = os.fork()
        if self._child == 0:
            for end in (self._to, self._from):
                os.close(end)
            with os.fdopen(to_child) as commands, os.fdopen(to_parent, "w", buffering=1) as replies:
                self._answer(commands, replies, PASSES["same"] if python == BASE else self.passes)
            os._exit(0)
        os.close(to_child)
        os.close(to_parent)
        self._commands, self._replies = os.fdopen(self._to, "w", buffering=1), os.fdopen(self._from)

    def _answer(self, commands: Any, replies: Any, passes: int) -> None:
        start = time.perf_counter()
        call = work(passes, self.seed)
        load_s = time.perf_counter() - start
        for line in commands:
            reply: dict[str, Any] = {}
            match json.loads(line)["do"]:
                case "prepare":
                    reply = {"trainable": False, "load_s": load_s, "compile_s": None}
                case "time":
                    reply = {"seconds": call()}
                case "look":
                    reply = {**look("cpu"), "torch": torch_settings()}
            replies.write(json.dumps(reply) + "\n")

    def __enter__(self) -> Fork:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.close()
        self._replies.close()
        _, status = os.waitpid(self._child, 0)
        if status:
            raise RuntimeError(f"a process ended with status {status}")

    def call(self, command: dict[str, Any]) -> dict[str, Any]:
        self._commands.write(json.dumps(command) + "\n")
        reply: dict[str, Any] = json.loads(self._replies.readline())
        return reply


def study(number: int) -> Study:
    """The quick study, of which only the settings of latency matter; the number decides the order in each block."""
    quick = load_study(locate("quick", "studies")).model_dump()
    quick["generators"] = [{"name": "full-rate", "label": LABEL}]
    quick |= {"seed": number, "seeds": [0], "control": LABEL, "claims": None, "metrics": [], "reference": None}
    quick["latency"] = {"scopes": [SCOPE], "stretch_s": 0.5, "warmup": 10}
    return Study.model_validate(quick)


ITEM = Item(
    generator=LABEL,
    seed=0,
    metric="latency_s",
    scope=SCOPE,
    kind="timings",
    unit="s",
    baseline=1,
    value=1,
    state="passed",
    why="",
)
"""A timing that passed at the first look."""


def collect(out: Path, kind: str, number: int) -> dict[str, Any]:
    """All blocks of one pair."""
    start = time.monotonic()
    run = Run(out / f"work-{os.getpid()}")
    run.root.mkdir(exist_ok=True)
    write_atomically(run.root / "study.yaml", study(number).to_yaml())
    Fork.passes, Fork.seed = PASSES[kind], number
    remeasure.WorkerProcess = Fork  # type: ignore[assignment,misc]
    blocks = time_again(run, [ITEM], base_python=BASE, limits=Thresholds().timings)
    return {
        "kind": kind,
        "pair": number,
        "duration_s": round(time.monotonic() - start, 1),
        "blocks": [[block.launch, block.number, *(block.seconds[side] for side in SIDES)] for block in blocks],
    }


def gather(out: Path, part: str = "0/1") -> None:
    """Collect what is missing, equal and slower code in turn, so that a change of the machine falls on both.

    ``part``: 0/2 and 1/2 are the even and the odd pairs.
    """
    first, every = map(int, part.split("/"))
    done = {(pair["kind"], pair["pair"]) for pair in read(out)}
    if not done:
        write_atomically(out / "environment.json", json.dumps(environment(), indent=2, sort_keys=True) + "\n")
    for number in PAIRS["same"][first::every]:
        for kind in (kind for kind, numbers in PAIRS.items() if number in numbers and (kind, number) not in done):
            pair = collect(out, kind, number)
            with (out / "pairs.jsonl").open("a") as lines:
                lines.write(json.dumps(pair) + "\n")
        if number % 10 == first:
            print(f"pairs up to {number}", flush=True)


def said(pair: dict[str, Any]) -> str:
    """The state that the gate gives the timing."""
    blocks = [
        Block(scope=SCOPE, seed=0, launch=launch, number=number, seconds=dict(zip(SIDES, seconds, strict=True)))
        for launch, number, *seconds in pair["blocks"]
    ]
    first = GateResult(baseline="", run="", commit=None, differences=(), items=(ITEM,))
    nothing = Observed(run="", study={}, digest="", environment={}, measurements=[], blocks=[])
    return look_again(first, [ITEM], nothing, blocks, Thresholds(), paired=True).items[0].state


def summary(pairs: Sequence[dict[str, Any]]) -> str:
    """How often the gate fails a run, held against what is asked of it, and all that it said."""
    lines = []
    for kind, numbers in PAIRS.items():
        states = [said(pair) for pair in pairs if pair["kind"] == kind]
        what = "runs of the same code failed" if kind == "same" else "runs with 10 % more work failed"
        lines.append(f"{what}: {acceptance(kind, states.count('failed'), len(states), planned=len(numbers))}")
        lines.append("  " + ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))))
    launches = [1 + max(block[0] for block in pair["blocks"]) for pair in pairs]
    mean = sum(launches) / len(launches)
    return "\n".join([*lines, f"launches of a pair: {min(launches)} to {max(launches)}, {mean:.1f} on average"])


def judge(out: Path) -> None:
    text = summary(read(out))
    write_atomically(out / "summary.txt", text + "\n")
    print(text)


STEPS: dict[str, Callable[..., None]] = {"collect": gather, "judge": judge}

if __name__ == "__main__":
    if not KEEP_MEMORY.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEEP_MEMORY)
    step, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    STEPS[step](folder, *sys.argv[3:])
