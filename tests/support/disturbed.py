"""Real clips and what the five disturbances make of them: what a metric says of each is what it sees."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from harness import weights
from harness.metrics.base import Disturbance
from harness.video import read_video

FRAMES = 16
SIZE = (64, 96)
CLIPS = ("clip-bikes", "clip-bigbuckbunny", "clip-carphone-pristine")


@lru_cache(maxsize=1)
def real_clips() -> np.ndarray:
    """Windows of 16 frames of the fetched clips, middle part of each picture, uint8 (N, 16, 64, 96, 3)."""
    windows = []
    for name in CLIPS:
        frames = read_video(weights.path(name)).frames
        pictures = np.stack([_fitted(frame) for frame in frames])
        windows += [pictures[start : start + FRAMES] for start in range(0, len(pictures) - FRAMES + 1, FRAMES)]
    return np.stack(windows)


def _fitted(frame: np.ndarray) -> np.ndarray:
    height, width = SIZE
    scale = max(height / frame.shape[0], width / frame.shape[1])
    picture = Image.fromarray(frame).resize(
        (max(width, round(frame.shape[1] * scale)), max(height, round(frame.shape[0] * scale))), Image.Resampling.BOX
    )
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return np.asarray(picture.crop((left, top, left + width, top + height)))


def disturbed(clips: np.ndarray, how: Disturbance) -> np.ndarray:
    """The clips, uint8 (N, T, H, W, 3), after a disturbance; see :data:`harness.metrics.base.Disturbance`."""
    rng = np.random.default_rng(0)
    if how == "clean":
        return clips
    if how == "shuffled":
        return np.stack([clip[rng.permutation(len(clip))] for clip in clips])
    if how == "frozen":
        return np.repeat(clips[:, :1], clips.shape[1], axis=1)
    if how == "interpolated":
        out = clips.astype(np.float64)
        out[:, 1:-1:2] = (out[:, :-2:2] + out[:, 2::2]) / 2
        return out.round().astype(np.uint8)
    if how == "doubled":
        return np.repeat(clips[:, ::2], 2, axis=1)[:, : clips.shape[1]]
    noise = rng.normal(0, 25, clips.shape)
    return (clips + noise).clip(0, 255).round().astype(np.uint8)
