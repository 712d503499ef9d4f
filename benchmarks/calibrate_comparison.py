"""Do the test and the interval of two Frechet distances keep their word? Simulated features, the truth known exactly.

Two questions, one trial a seed. ``same``: A and B have one distribution, and what is judged is whether the permutation
test calls them different at 5 %, with labels swapped freely and within pairs. ``different``: A and B differ, and what
is judged is whether the jackknife's interval holds the true difference.

Fixed before the first trial, never tuned on results: the sizes, the seeds 200 to 399, one trial each, none repeated.
(The seeds 0 to 199 judged an interval about the plain difference, whose bias does not cancel where A and B vary
unlike: it held the truth 181 times of 200 and was rejected. The interval since lies about the difference without it.)
False rejections may be as many as an exact binomial test at 5 % allows of a true rate of 5 %, covering intervals as few
as it allows of a true rate of 95 %. By hand, resumable, about a quarter of an hour on one core::

    python benchmarks/calibrate_comparison.py OUT_DIR
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from harness.environment import collect
from harness.metrics.comparison import compare_sets
from harness.metrics.frechet import frechet_distance
from harness.store import write_atomically

TRIALS = 200
FIRST_SEED = 200
VIDEOS, DIMENSIONS = 200, 32
LEVEL, COVERAGE, SIGNIFICANCE = 0.05, 0.95, 0.05
KINDS = ("same, free labels", "same, paired", "different")

Law = tuple[np.ndarray, np.ndarray]
"""Mean (d,) and standard deviation of each feature (d,)."""


def laws() -> tuple[Law, Law, Law]:
    """The reference, A and B: features of unequal scale, as networks give; A is off by its mean, B by its scale."""
    scale = 1 / np.sqrt(1 + np.arange(DIMENSIONS))
    zero = np.zeros(DIMENSIONS)
    return (zero, scale), (zero + 0.3 * scale, scale), (zero, 1.5 * scale)


def drawn(law: Law, rng: np.random.Generator, *, shared: np.ndarray | None = None) -> np.ndarray:
    """Features (N, d); with ``shared`` half of the variance is common to all sets that share it."""
    noise = rng.normal(size=(VIDEOS, DIMENSIONS))
    if shared is not None:
        noise = np.sqrt(0.5) * (noise + shared)
    return law[0] + law[1] * noise


def distance(one: Law, other: Law) -> float:
    return frechet_distance(one[0], np.diag(one[1] ** 2), other[0], np.diag(other[1] ** 2))


def carry_out(kind: str, seed: int) -> dict[str, Any]:
    """One trial."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    real, a, b = laws()
    reference = drawn(real, rng)
    shared = None if kind == "same, free labels" else rng.normal(size=(VIDEOS, DIMENSIONS))
    first = drawn(a, rng, shared=shared)
    second = drawn(b if kind == "different" else a, rng, shared=shared)
    found = compare_sets(first, second, reference, paired=shared is not None, seed=seed)
    return {
        "kind": kind,
        "seed": seed,
        "difference": found.difference,
        "corrected": found.corrected,
        "lo": found.lo,
        "hi": found.hi,
        "p_value": found.p_value,
        "truth": distance(real, a) - distance(real, b) if kind == "different" else 0.0,
    }


def summary(trials: list[dict[str, Any]]) -> str:
    """The verdict on the test and on the interval, in a few lines."""
    lines = []
    for kind in KINDS:
        own = [trial for trial in trials if trial["kind"] == kind]
        covered = sum(trial["lo"] <= trial["truth"] <= trial["hi"] for trial in own)
        rejected = sum(trial["p_value"] <= LEVEL for trial in own)
        if kind == "different":
            judged = f"intervals that hold the truth: {covered} of {len(own)} (nominal {COVERAGE:.0%})"
            p_value = float(binom.cdf(covered, len(own), COVERAGE))
            beside = f"rejected: {rejected}"
        else:
            judged = f"rejections of A/A: {rejected} of {len(own)} (nominal {LEVEL:.0%})"
            p_value = float(binom.sf(rejected - 1, len(own), LEVEL))
            beside = f"intervals that hold 0: {covered}"
        word = "accepted" if p_value >= SIGNIFICANCE else "REJECTED"
        if len(own) < TRIALS:
            word = f"unfinished, {TRIALS - len(own)} trials to go"
        lines.append(f"{kind}: {judged}, exact binomial p = {p_value:.3f}: {word} ({beside})")
    return "\n".join(lines)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    file = out / "trials.jsonl"
    trials = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(trial["kind"], trial["seed"]) for trial in trials}
    write_atomically(out / "environment.json", json.dumps(collect(), indent=2))
    for seed in range(FIRST_SEED, FIRST_SEED + TRIALS):
        for kind in KINDS:
            if (kind, seed) in done:
                continue
            trials.append(carry_out(kind, seed))
            with file.open("a") as lines:
                lines.write(json.dumps(trials[-1]) + "\n")
    write_atomically(out / "summary.txt", summary(trials) + "\n")
    print(summary(trials))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
