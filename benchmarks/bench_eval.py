"""One pass for all metrics: what ``tpbench eval`` takes beside its parts, and how much memory. By hand::

    python benchmarks/bench_eval.py [CLIPS]

Clips of 16x128x128 are cut from the fetched real clips and written as mp4. Every metric that needs nothing but the two
folders scores up to CLIPS of them against themselves, in a process of its own with an empty cache. Beside that, in one
process: decoding alone, and every extractor alone on what was decoded. Goals: at most 1.3 times the sum, and memory
that does not grow with the number of clips.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from PIL import Image

from harness import weights
from harness.metrics.base import Extractor, Metric, Tools, is_paired
from harness.metrics.features.cache import extractor_key
from harness.registry import find, names
from harness.video import read_video

FRAMES, SIDE, RATE = 16, 128, 25
SOURCES = ("clip-bikes", "clip-bigbuckbunny", "clip-carphone-pristine", "clip-cockatoo", "clip-city", "clip-realshort")


def write_clips(folder: Path, count: int) -> None:
    """mp4 files of crops, no two alike."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    each = -(-count // len(SOURCES))
    written = 0
    for source in SOURCES:
        film = read_video(weights.path(source)).frames
        for _ in range(min(each, count - written)):
            start = rng.integers(0, len(film) - FRAMES + 1)
            top, left = (rng.integers(0, side - SIDE + 1) for side in film.shape[1:3])
            crop = film[start : start + FRAMES, top : top + SIDE, left : left + SIDE]
            with av.open(str(folder / f"{written:04}.mp4"), "w") as container:
                stream = container.add_stream("libx264", rate=RATE)
                stream.width = stream.height = SIDE
                stream.pix_fmt = "yuv420p"
                for picture in crop:
                    frame = av.VideoFrame.from_ndarray(np.asarray(Image.fromarray(picture)), format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
            written += 1


def offline_metrics() -> list[str]:
    """Those that need nothing but two folders."""
    found = []
    for name in names("metrics"):
        metric: Metric = find("metrics", name).load()()
        judged = name.endswith(("[digit-judge]", "_accuracy"))
        if metric.status in ("exact", "stand-in") and not (judged or metric.needs_prompts or is_paired(metric)):
            found.append(name)
    return found


def in_one_pass(folder: Path, limit: int) -> None:
    """Score and say how long it took and how much memory; run in a process of its own."""
    from harness.evaluate import evaluate

    asked = offline_metrics()
    for name in asked:
        find("metrics", name).load()().extractors(Tools(cache=Path(), judges=Path(), fps=RATE))  # load the networks
    with tempfile.TemporaryDirectory() as cache:
        for source in Path(weights.cache_folder()).glob("weights"):
            (Path(cache) / "weights").symlink_to(source)
        began = time.perf_counter()
        evaluate(folder, folder, asked, limit=limit, cache=Path(cache))
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "metrics": asked}))


def in_parts(folder: Path) -> dict[str, float]:
    """Seconds of decoding and of each extractor alone."""
    files = sorted(folder.iterdir())
    began = time.perf_counter()
    clips = [read_video(file).frames for file in files]
    parts = {"decoding": time.perf_counter() - began}
    extractors: dict[str, Extractor] = {}
    for name in offline_metrics():
        for extractor in find("metrics", name).load()().extractors(Tools(cache=Path(), judges=Path(), fps=RATE)):
            extractors[extractor_key(extractor)] = extractor
    for key, extractor in extractors.items():
        label = str(extractor.card.get("extractor") or extractor.card.get("formula") or key)
        began = time.perf_counter()
        try:
            for start in range(0, len(clips), 4):
                extractor(np.stack(clips[start : start + 4]))
        except Exception as error:  # noqa: BLE001 - a metric that does not take such clips costs nothing in either
            label += f" (refused: {error})"
        parts[label] = parts.get(label, 0.0) + time.perf_counter() - began
    return parts


def main(count: int) -> None:
    for source in SOURCES:
        weights.fetch(source)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "clips"
        write_clips(folder, count)
        passes = {}
        for limit in sorted({16, count // 2, count}):
            command = [sys.executable, __file__, "--pass", str(folder), str(limit)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            passes[limit] = json.loads(done.stdout.splitlines()[-1])
        parts = in_parts(folder)
    total = sum(parts.values())
    for label, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{seconds:8.2f} s  {label[:100]}")
    print(f"{total:8.2f} s  sum of decoding and extractors, {count} clips")
    print(f"{passes[count]['seconds']:8.2f} s  one pass for {len(passes[count]['metrics'])} metrics")
    print(f"ratio {passes[count]['seconds'] / total:.3f} (goal 1.3)")
    for limit, found in passes.items():
        print(f"peak memory, {limit} clips: {found['peak_bytes'] / 2**20:.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pass"]:
        in_one_pass(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
