"""A made-up run folder with everything that a report may show.

Every number is SYNTHETIC: invented here, measured by nobody.
"""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.records import (
    Evidence,
    Measurement,
    SampleRecord,
    SampleScores,
    TimingRecord,
    TrainingRecord,
    UnitRecord,
    Verdict,
)
from harness.store import Run
from synthetic_run import timed_block

SYNTHETIC = "SYNTHETIC NUMBERS, made up by a test to try the page; they describe no model and no machine."
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u202eevil\u2066 $x_1$ &amp; \x00"
FORMULA = '=HYPERLINK("x")'
LONG = " a very long prompt" + "X" * 10_000
PAIR = ("full-rate", "tpdiff")


def write_synthetic_run(
    root: Path, *, videos: int = 16, hostile: bool = False, frames: int = 16, claims: int = 3, variant: bool = False
) -> Run:
    """A run folder with everything in it: one failed unit, one missing score, verdicts.

    ``variant`` adds a generator that is the candidate with another option.
    """
    root.mkdir(parents=True)
    extra = HOSTILE if hostile else ""
    control, candidate = (f"{FORMULA}{label}{HOSTILE}" if hostile else label for label in PAIR)
    run = Run(root)
    study = _study(control, candidate, extra, videos)
    if variant:
        study["generators"].append(
            {"name": "tpdiff", "label": "late", "weights_of": candidate, "options": {"stages": 2}}
        )
        run.append(
            [r.model_copy(update={"generator": "late"}) for r in _costs("a", "late", "") if r.generator == "late"]
        )
    (root / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    run.write_json("environment.json", _environment(extra))
    run.write_json("status.json", _status(extra))
    run.append(_units(control, candidate, extra))
    run.append(_training(control, candidate))
    run.append(_timings(control, candidate))
    run.append(_measurements(control, candidate, extra))
    run.append(_samples(root, (control, candidate), extra, videos, frames))
    run.append(_sample_scores(control, candidate, videos))
    verdicts = [v.model_dump(mode="json") for v in _verdicts(control, candidate, extra)]
    run.write_json("claims.json", [verdicts[number % len(verdicts)] for number in range(claims)])
    return run


def _study(control: str, candidate: str, extra: str, videos: int) -> dict[str, Any]:
    return {
        "name": f"synthetic{extra}",
        "description": SYNTHETIC + extra,
        "seeds": [0],
        "device": "cpu",
        "threads": 2,
        "data": {"name": f"moving-squares{extra}", "options": {"fps": 8.0}},
        "generators": [{"name": n, "label": label} for n, label in zip(PAIR, (control, candidate), strict=True)],
        "control": control,
        "training": {"steps": 240, "batch": 24},
        "sampling": {"videos": videos, "steps": 30},
        "latency": {"videos": 4},
        "metrics": [
            "fvd[transnetv2]",
            "kvd[transnetv2]",
            "temporal_flicker",
            "motion_energy_ratio",
            "digit_accuracy",
            f"direction_accuracy{extra}",
        ],
    }


def _environment(extra: str) -> dict[str, object]:
    return {
        "note": SYNTHETIC,
        "command": f"tpbench run synthetic{extra}",
        "hardware": {"cpu": f"Imaginary 3000{extra}", "cores": 2, "memory_bytes": 8 * 2**30, "gpu": None},
        "versions": {"python": "3.11.0", "torch": "0.0-synthetic", "numpy": "0.0-synthetic"},
        f"threads{extra}": {"OMP_NUM_THREADS": "2", "extra": [1, 2, extra]},
    }


def _status(extra: str) -> dict[str, object]:
    return {
        "state": "done",
        "units": {"total": 12, "done": 11, "failed": 1, "missing": 0},
        "command": f"tpbench run studies/synthetic.yaml{extra}",
        "started_at": "2020-01-01T10:00:00+00:00",
        "finished_at": "2020-01-01T10:05:12+00:00",
        "units_s": 312.0,
    }


def _units(control: str, candidate: str, extra: str) -> list[UnitRecord]:
    common = {"started_at": "2020-01-01T10:00:00+00:00", "duration_s": 3.0}
    reason = f"out of memory while scoring{extra}"
    return [
        UnitRecord(unit=f"train/{control}/0", kind="train", generator=control, seed=0, status="done", **common),
        UnitRecord(unit=f"train/{candidate}/0", kind="train", status="failed", reason="killed", **common),
        UnitRecord(unit=f"train/{candidate}/0", kind="train", status="done", attempt=2, **common),
        UnitRecord(unit=f"score/fvd{extra}", kind="score", status="failed", reason=reason, **common),
    ]


def _training(control: str, candidate: str) -> list[TrainingRecord]:
    records = []
    for label, floor, seconds in ((control, 0.12, 4.1), (candidate, 0.2, 2.5)):
        for block in range(1, 25):
            loss = floor + 0.9 * math.exp(-block / 5) + 0.012 * math.sin(7.3 * block)
            spans = {"forward": 0.9 * seconds / 3, "backward": 1.7 * seconds / 3}
            if label == candidate:
                spans["alignment"] = 0.03 * seconds
            records.append(
                TrainingRecord(
                    generator=label,
                    seed=0,
                    step=10 * block,
                    steps=10,
                    loss=loss,
                    seconds=seconds * (1 + 0.05 * math.sin(block)),
                    samples=240 * block,
                    learning_rate=2e-3,
                    spans_s=spans,
                )
            )
    return records


def _timings(control: str, candidate: str) -> list[TimingRecord]:
    rng = np.random.default_rng(0)
    records = []
    for scope, base in (("end_to_end", (1.32, 0.81)), ("training_step", (0.412, 0.247))):
        for launch in range(3):
            for block in range(-1, 3):
                order = "" if block < 0 else ("ABBA", "BAAB")[int(rng.integers(2))]

                def seconds(
                    letter: str, of: tuple[float, float] = base, slow: float = 1.4 if block < 0 else 1
                ) -> float:
                    return of["AB".index(letter)] * float(rng.lognormal(0, 0.03)) * slow

                where = {"scope": scope, "launch": launch, "block": block, "order": order}
                records += timed_block(sides=(control, candidate), seconds=seconds, **where)
    return records


def _measurements(control: str, candidate: str, extra: str) -> list[Measurement]:
    return [*_costs(control, candidate, extra), *_scores(control, candidate, extra)]


def _costs(control: str, candidate: str, extra: str) -> list[Measurement]:
    m = Measurement
    flop = {
        "metric": "flops",
        "unit": "FLOP",
        "seed": 0,
        "method": "counted" + extra,
        "higher_is_better": False,
    }
    time = {"metric": "latency_s", "unit": "s", "seed": 0, "n": 9, "higher_is_better": False}
    time["method"] = "median of block means, 95 % t interval over blocks"
    memory = {"metric": "peak_memory_bytes[resident]", "unit": "byte", "seed": 0, "n": 1, "higher_is_better": False}
    found = [
        m(generator=control, scope="training_step", value=18_421_555_200.0, **flop),
        m(generator=candidate, scope="training_step", value=10_745_907_200.0, **flop),
        m(
            generator=control,
            scope="denoise_step[stage=0]",
            value=255_852_544.0,
            protocol={"steps": 30},
            **flop,
        ),
        m(generator=control, scope="video", value=7_675_576_320.0, **flop),
        m(generator=candidate, scope="video", value=4_477_419_520.0, **flop),
        m(generator=control, scope="end_to_end", value=1.3172, lo=1.29, hi=1.341, **time),
        m(generator=candidate, scope="end_to_end", value=0.8119, lo=0.801, hi=0.8307, **time),
        m(generator=control, scope="training_step", value=0.4121, lo=0.4033, hi=0.4201, **time),
        m(generator=candidate, scope="training_step", value=0.2466, lo=0.2401, hi=0.2533, **time),
        m(generator=control, scope="training_step", value=1_288_490_188.0, **memory),
        m(generator=candidate, scope="training_step", value=934_155_386.0, **memory),
        m(generator=control, scope="end_to_end", value=641_728_512.0, **memory),
        m(generator=candidate, scope="end_to_end", value=640_679_936.0, **memory),
    ]
    for stage, share in enumerate((4, 2, 1)):
        scope = f"denoise_step[stage={stage}]"
        value = 255_852_544.0 / share
        found.append(m(generator=candidate, scope=scope, value=value, protocol={"steps": 10}, **flop))
    for label, nfe in ((control, 30.0), (candidate, 17.5)):
        found.append(m(generator=label, metric="full_rate_nfe", scope="video", unit="1", value=nfe, seed=0))
        found.append(m(generator=label, metric="parameters", scope="denoiser", unit="1", value=412_673.0))
    found.append(m(generator=candidate, metric="alignment_s", unit="s", value=0.00742, seed=0, n=24))
    found.append(m(generator=candidate, metric="alignment_saved", unit="1", value=0.0187, seed=0, n=24))
    parts = {"text": (0.01, 0.01), "denoise": (1.2, 0.7), "decode": (0.1, 0.1), "transition[stage=1]": (None, 0.002)}
    stages = {"denoise[stage=0]": (1.2, 0.1), "denoise[stage=1]": (None, 0.2), "denoise[stage=2]": (None, 0.4)}
    for scope, sides in (parts | stages).items():
        for label, seconds in zip((control, candidate), sides, strict=True):
            if seconds is not None:
                found.append(m(generator=label, scope=scope, value=seconds, **time))
    return found


def _sample_scores(control: str, candidate: str, videos: int) -> list[SampleScores]:
    """The candidate fails on the last two samples, the control on the last one only."""
    ids = list(range(videos))
    return [
        SampleScores(
            generator=label,
            seed=0,
            metric="digit_accuracy",
            sample_ids=ids,
            values=[0.0 if number >= videos - failed else 1.0 for number in ids],
        )
        for label, failed in ((control, 1), (candidate, 2))
    ]


def _scores(control: str, candidate: str, extra: str) -> list[Measurement]:
    scores = {
        "fvd[transnetv2]": (False, (312.4, 298.1, 401.9), (322.7, 301.2, 415.0), (24.8, 22.0, 29.1)),
        "temporal_flicker": (None, (0.9711, 0.969, 0.973), (0.9742, 0.972, 0.976), (0.9655, 0.963, 0.968)),
        "motion_energy_ratio": (None, (0.91, 0.86, 0.97), (0.84, 0.78, 0.9), (1.0, 0.95, 1.06)),
        "digit_accuracy": (True, (0.8594, 0.754, 0.924), (0.8281, 0.718, 0.901), (0.9688, 0.893, 0.991)),
        f"direction_accuracy{extra}": (True, (0.75, 0.63, 0.84), (0.72, 0.6, 0.81), (1.0, 0.94, 1.0)),
    }
    card = {"extractor": "synthetic", "size": [27, 48], "frames": 16, "counts": {"real": 64, "generated": 64}}
    found = []
    for metric, (direction, *triples) in scores.items():
        for label, (value, lo, hi) in zip((control, candidate, "real"), triples, strict=True):
            common = {"metric": metric, "unit": "1", "scope": "clips", "n": 64, "lo": lo, "hi": hi}
            common["seed"] = None if label == "real" else 0
            protocol = card | {"order_only": metric.startswith("fvd"), "note": "synthetic" + extra}
            found.append(
                Measurement(generator=label, value=value, higher_is_better=direction, protocol=protocol, **common)
            )
    common = {
        "metric": "kvd[transnetv2]",
        "unit": "1",
        "seed": 0,
        "scope": "clips",
        "higher_is_better": False,
    }
    found.append(Measurement(generator=control, value=1.3e-5, n=64, **common))
    reason = f"scoring ran out of memory{extra}"
    found.append(Measurement(generator=candidate, value=None, reason=reason, **common))
    return found


def _clip(sample: int, *, blur: int, frames: int) -> np.ndarray:
    grid = np.arange(16)
    video = np.zeros((frames, 16, 16), np.float64)
    for t in range(frames):
        x, y = (3 + 0.6 * t * math.cos(sample)) % 10, (3 + 0.6 * t * math.sin(sample)) % 10
        across = np.clip(1.5 - np.abs(grid - x - 3) / 2, 0, 1)
        down = np.clip(1.5 - np.abs(grid - y - 3) / (2 + blur), 0, 1)
        video[t] = 255 * np.outer(down, across)
    return np.repeat(video.astype(np.uint8)[..., None], 3, axis=-1)


def _samples(root: Path, labels: tuple[str, str], extra: str, videos: int, frames: int) -> list[SampleRecord]:
    records = []
    for index, label in enumerate((*labels, "real")):
        for sample in range(videos):
            file = f"videos/generator-{index}/0/{sample:04d}.npy"
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            np.save(buffer, _clip(sample, blur=(0, 2, 0)[index], frames=frames))
            path.write_bytes(buffer.getvalue())
            records.append(
                SampleRecord(
                    generator=label,
                    seed=0,
                    sample_id=sample,
                    prompt=f"a synthetic square, number {sample}{extra}{LONG if extra else ''}",
                    file=file,
                    sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
                    nfe=30,
                    full_rate_nfe=(30.0, 17.5, 0.0)[index],
                )
            )
    return records


def _verdicts(control: str, candidate: str, extra: str) -> list[Verdict]:
    who = {"control": control, "candidate": candidate, "source": "a made-up paper" + extra, "tolerance": 0.05}
    quality = [
        Evidence(
            name="digit_accuracy, candidate - control" + extra,
            value=-0.0313,
            lo=-0.11,
            hi=0.047,
            n=64,
            outcome="undecided",
            why="margin 0.05: paired difference over the same 64 samples" + extra,
        ),
        Evidence(
            name="direction_accuracy",
            value=-0.03,
            lo=-0.04,
            hi=0.02,
            n=64,
            outcome="not worse",
            why="margin 0.05",
        ),
        Evidence(name="kvd[transnetv2]", value=None, outcome="shown", why="scoring ran out of memory"),
    ]
    latency = Evidence(
        name="end_to_end latency, control / candidate" + extra,
        value=1.622,
        lo=1.571,
        hi=1.668,
        n=9,
        unit="x",
        outcome="met",
    )
    flops = Evidence(
        name="training_step FLOPs, control / candidate",
        value=12 / 7,
        lo=12 / 7,
        hi=12 / 7,
        unit="x",
        outcome="not met",
        why="an exact count; needed at least 1.9",
    )
    seconds = Evidence(
        name="training_step seconds, control / candidate",
        value=1.671,
        lo=1.588,
        hi=1.76,
        n=9,
        unit="x",
        outcome="not met",
    )
    return [
        Verdict(
            claim="infer-1.5x" + extra,
            statement="Synthetic claim: sampling is 1.5 times faster at equal steps, without worse videos." + extra,
            threshold=1.5,
            verdict="inconclusive",
            why="The cost is met; digit_accuracy is undecided: about 400 videos would decide it." + extra,
            cost=[latency],
            quality=quality,
            **who,
        ),
        Verdict(
            claim="train-step-cost",
            statement="Synthetic claim: one training step costs half of the control's.",
            threshold=2.0,
            verdict="refuted",
            why="Both ratios lie below 1.9, whole intervals included.",
            cost=[flops, seconds],
            quality=[],
            **who,
        ),
        Verdict(
            claim="train-50",
            statement="Synthetic claim: equal quality at half of the training cost.",
            threshold=2.0,
            verdict="inconclusive",
            why="Not decided by this run: it takes training curves to equal quality over several seeds.",
            cost=[Evidence(name="cost to equal quality", value=None, unit="x", why="one training length only")],
            quality=[],
            **who,
        ),
    ]
