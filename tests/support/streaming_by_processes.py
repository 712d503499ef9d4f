"""Metrics that several processes feed with unequal shares of the same videos; a module, since processes import it."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from harness.metrics.base import Extractor, Metric, Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.formula import Formula
from harness.metrics.streaming import Streaming
from harness.registry import find, installed
from moving_pictures import translation

VIDEOS = 9


@cache
def videos(side: str, frames: int) -> np.ndarray:
    """(9, frames, 32, 48, 3) that move, no two alike; made ones and their partners differ by noise."""
    rng = np.random.default_rng(0 if side == "made" else 1)
    moved = np.random.default_rng(2).uniform(-2, 2, (VIDEOS, 3))
    clips = np.stack([translation(frames - 1, by=(x, y), size=(32, 48), brighter=brighter) for x, y, brighter in moved])
    return np.asarray((clips + rng.normal(0, 6, clips.shape)).clip(0, 255), dtype=np.uint8)


def captions() -> list[str]:
    """One for each video, of different lengths and letters."""
    return [f"{'a grey wave' * number} № {number}" for number in range(VIDEOS)]


def mean_colours(of_frames: bool) -> Network[Extractor]:
    """An extractor that costs nothing: six numbers, of each clip or of each frame."""

    def seen(clips: np.ndarray) -> np.ndarray:
        halves = np.concatenate([clips[..., :16, :].mean((2, 3)), clips[..., 16:, :].mean((2, 3))], axis=-1)
        return halves if of_frames else halves.mean(axis=1)

    formula = Formula(name=f"mean colours of halves, {of_frames=}", of=seen)
    return Network(load=lambda tools: formula, status="exact", sight=Sight(cannot_see="all but colours"))


def made(name: str) -> Metric:
    """A metric by its name; ``family[colours]`` is one on :func:`mean_colours`."""
    base, _, member = name.partition("[")
    families = installed("metrics")
    if member != "colours]":
        metric: Metric = find("metrics", name).load()()
        return metric
    of_frames = f"{base}[frame_extractor]" in families
    family = families[f"{base}[{'frame_extractor' if of_frames else 'extractor'}]"].load()
    on_colours: Metric = family("colours", lambda name: mean_colours(of_frames))
    return on_colours


def frames_of(name: str) -> int:
    """Clips for networks are short."""
    return 3 if name == "conse" or name.endswith(("[transnetv2]", "[efficientnet-lite0]", "[rife]")) else 17


def score(rank: int, processes: int, batches: tuple[int, ...], names: tuple[str, ...], place: Path) -> None:
    """Be one of ``processes``: feed each metric what is this one's share, merge, and save what it then has as
    ``RANK-BATCH.json``: name to [value, lo, hi, n], and how many videos it has ``seen``.

    What samplers do to make shares equal is done as well: a video comes twice. With batches of all videos every process
    but the first sees nothing at all."""
    torch.set_num_threads(1)
    if processes > 1:
        meeting = (place / "meeting").as_uri()
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    tools = Tools(cache=place, judges=place)
    ids = [*range(VIDEOS), 0]
    for batch in batches:
        shares = [ids[start : start + batch] for start in range(0, len(ids), batch)][rank::processes]
        found: dict[str, object] = {"seen": sum(map(len, shares))}
        for name in names:
            streaming = Streaming(made(name), tools, fps=8.0)
            for share in shares:
                feed(streaming, share, frames_of(name))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The ``compute`` method of metric", category=UserWarning)
                streaming.compute()  # torchmetrics warns in a process that saw nothing
            assert streaming.answer is not None
            found[name] = [streaming.answer.value, streaming.answer.lo, streaming.answer.hi, streaming.answer.n]
        (place / f"{rank}-{batch}.json").write_text(json.dumps(found))
    if processes > 1:
        distributed.destroy_process_group()


def feed(streaming: Streaming, ids: list[int], frames: int) -> None:
    """Videos of these ids, on both sides."""
    ours, theirs = (videos(side, frames)[ids] for side in ("made", "real"))
    texts = [captions()[number] for number in ids]
    streaming.update(ours, ids, prompts=texts, partners=theirs)
    streaming.update(theirs, ids, real=True)
