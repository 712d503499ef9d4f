"""Does a verdict on time keep its word? The same generator against itself, and against itself made 10 % slower.

A trial is what a study does by default: launches of two fresh processes, each with its warm-up and interleaved blocks,
three at least and up to ten until the ratio is known to 5 %. Judged is whether the interval of the ratio excludes 1.

Fixed before the first trial, and never tuned on results: the sizes, the seeds 0 to 49, one trial each, none repeated.
False verdicts may be as many as an exact binomial test at 5 % allows of a true rate of 5 %, found slow-downs as few as
it allows of a true rate of 95 %. By hand, on a quiet machine, resumable::

    python benchmarks/calibrate_timing.py OUT_DIR
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from baselines.full_rate import FullRate
from harness.driver import execute
from harness.environment import collect
from harness.evidence import cost_ratio
from harness.facts import Facts
from harness.generator import Generation, Probe, Request
from harness.progress import Progress
from harness.records import TimingRecord
from harness.store import Run, write_atomically
from harness.study import Study, load_study, locate

TRIALS = 50
STEPS, SLOWER = 10, 0.10
"""Solver steps of a request, and the share of further ones that slows it down: work, not waiting, because threads that
wait fall asleep and cost more than that to wake."""
FALSE_RATE, FOUND_RATE, SIGNIFICANCE = 0.05, 0.95, 0.05
SCOPE = "end_to_end"
KINDS = ("same", "slower")


class Slower(FullRate):
    """The control, which takes a tenth more steps than it is asked for."""

    def generate(self, request: Request, probe: Probe) -> Generation:
        return super().generate(replace(request, steps=round((1 + SLOWER) * request.steps)), probe)


def study(kind: str, trial: int) -> Study:
    """The quick study with two generators that share weights, asked for one short video."""
    quick = load_study(locate("quick", "studies")).model_dump()
    name = "full-rate" if kind == "same" else f"{Path(__file__).resolve()}:Slower"
    quick["generators"] = [
        {"name": "full-rate", "label": "a"},
        {"name": name, "label": "b", "weights_of": "a"},
    ]
    quick |= {"name": f"calibration-{kind}", "seed": trial, "control": "a", "claims": None, "metrics": []}
    quick["training"] |= {"steps": 1}
    quick["sampling"] |= {"videos": 1, "batch": 1, "steps": STEPS}
    quick["latency"] = {"videos": 1, "scopes": [SCOPE]}
    return Study.model_validate(quick)


def carry_out(kind: str, trial: int, folder: Path) -> dict[str, Any]:
    """One trial in a run folder of its own."""
    asked, run, start = study(kind, trial), Run(folder), time.monotonic()
    write_atomically(folder / "study.yaml", asked.to_yaml())
    assert execute(asked, run, progress=Progress(), only=("train", "time")) == 0
    evidence = cost_ratio(Facts.of(run, asked, candidate="b"), "latency_s", SCOPE, bound=1.0).evidence
    words = {"met": "faster", "not met": "slower", "undecided": "undecided"}
    return {
        "kind": kind,
        "trial": trial,
        "ratio": evidence.value,
        "lo": evidence.lo,
        "hi": evidence.hi,
        "blocks": evidence.n,
        "launches": 1 + max(record.launch for record in run.read(TimingRecord)),
        "verdict": words[evidence.outcome],
        "duration_s": round(time.monotonic() - start, 1),
    }


def summary(trials: list[dict[str, Any]]) -> str:
    """The verdict on the verdicts, in a few lines."""
    from scipy.stats import binom

    lines = []
    for kind in KINDS:
        own = [trial for trial in trials if trial["kind"] == kind]
        count = len(own)
        if kind == "same":
            hits = sum(trial["verdict"] != "undecided" for trial in own)
            p_value, rate = float(binom.sf(hits - 1, count, FALSE_RATE)), f"nominal {FALSE_RATE:.0%}"
            what = "false verdicts (faster or slower) of a generator against itself"
        else:
            hits = sum(trial["verdict"] == "slower" for trial in own)
            p_value, rate = float(binom.cdf(hits, count, FOUND_RATE)), f"asked {FOUND_RATE:.0%}"
            what = f"slow-downs of {SLOWER:.0%} found"
        word = "accepted" if p_value >= SIGNIFICANCE else "REJECTED"
        if count < TRIALS:
            word = f"unfinished, {TRIALS - count} trials to go"
        lines.append(f"{what}: {hits} of {count} ({rate}), exact binomial p = {p_value:.3f}: {word}")
    return "\n".join(lines)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    file, work = out / "trials.jsonl", out / "work"
    trials = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(trial["kind"], trial["trial"]) for trial in trials}
    write_atomically(out / "environment.json", json.dumps(collect(), indent=2))
    for number in range(TRIALS):
        for kind in KINDS:  # in turn, so that a change of the machine falls on both
            if (kind, number) in done:
                continue
            shutil.rmtree(work, ignore_errors=True)
            trials.append(carry_out(kind, number, work))
            with file.open("a") as lines:
                lines.write(json.dumps(trials[-1]) + "\n")
            print(trials[-1], flush=True)
    shutil.rmtree(work, ignore_errors=True)
    write_atomically(out / "summary.txt", summary(trials) + "\n")
    print(summary(trials))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
