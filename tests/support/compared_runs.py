"""Two small runs to set side by side: numbers of every kind, as far apart as a test wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.records import Measurement, SampleRecord, SampleScores, TimingRecord
from harness.store import Run

ENVIRONMENT = {
    "cpu": {"model": "A", "governor": "performance"},
    "packages": {"torch": "2.6"},
    "source": {"commit": "c0ffee", "dirty": False},
    "study": "0badcafe",
}
STUDY: dict[str, Any] = {
    "name": "synthetic",
    "seed": 0,
    "data": {"name": "moving-digits", "options": {"frames": 16}},
    "generators": [{"name": "tpdiff", "label": "tpdiff"}],
    "sampling": {"steps": 30},
    "reports": ["csv"],
}


def calls(generator: str, seconds: float, *, launches: int = 3, blocks: int = 3) -> list[TimingRecord]:
    """Blocks of two calls of one generator, some per cent apart."""
    rng = np.random.default_rng(17)
    return [
        TimingRecord(
            generator=generator,
            seed=0,
            scope="end_to_end",
            launch=launch,
            block=block,
            position=position,
            order="AA",
            warmup=False,
            seconds=seconds * float(rng.lognormal(0, 0.02)),
        )
        for launch in range(launches)
        for block in range(blocks)
        for position in range(2)
    ]


def write_run(
    root: Path,
    *,
    ratio: float = 1.6,
    shift: float = 0.0,
    videos: int = 40,
    flops: float = 7e9,
    generator: str = "tpdiff",
    prompt: str = "a digit",
    card: dict[str, Any] | None = None,
    study: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
) -> Run:
    """A run of ``generator``: calls take ``ratio`` seconds, every score is ``shift`` higher."""
    root.mkdir(parents=True)
    (root / "study.yaml").write_text(yaml.safe_dump(STUDY | (study or {})))
    run = Run(root)
    run.write_json("environment.json", ENVIRONMENT | (environment or {}))
    common = {"generator": generator, "seed": 0}
    values = [float(value) + shift for value in np.random.default_rng(0).normal(0.5, 0.1, videos)]
    frames = {"frames": 16, **(card or {})}
    mean = sum(values) / videos
    run.append(
        [
            Measurement(metric="latency_s", scope="end_to_end", unit="s", value=ratio, n=9, **common),
            Measurement(metric="flops", scope="video", unit="FLOP", value=flops, **common),
            Measurement(metric="peak_memory_bytes[resident]", scope="end_to_end", unit="byte", value=2e9, **common),
            Measurement(metric="sharpness", scope="clips", unit="1", value=mean, n=videos, protocol=frames, **common),
            Measurement(metric="fvd[x]", scope="clips", unit="1", value=300 + shift, protocol=frames, **common),
            Measurement(metric="energy_j[gpu]", scope="video", unit="J", value=None, reason="no GPU", **common),
        ]
    )
    run.append(calls(generator, ratio))
    ids = list(range(videos))
    run.append(SampleScores(metric="sharpness", sample_ids=ids, values=values, **common))
    run.append(
        [
            SampleRecord(sample_id=i, prompt=prompt, file="x.npy", sha256="", nfe=30, full_rate_nfe=30.0, **common)
            for i in ids
        ]
    )
    return run
