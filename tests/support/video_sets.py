"""Clips in memory as the metrics take them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from harness.metrics.base import VideoSet


def video_set(
    clips: np.ndarray,
    label: str = "ours",
    *,
    fps: float | None = 8.0,
    prompts: Sequence[str] | None = None,
) -> VideoSet:
    """Clips (N, T, H, W, 3); what is no uint8 comes through, to be refused."""
    return VideoSet(
        label=label,
        names=tuple(f"{label}-{number}" for number in range(len(clips))),
        read=lambda index: clips[index],
        frames=clips.shape[1],
        size=(clips.shape[2], clips.shape[3]),
        digests=tuple(
            hashlib.sha256(repr((clip.shape, clip.dtype)).encode() + np.ascontiguousarray(clip).tobytes()).hexdigest()
            for clip in clips
        ),
        fps=fps,
        prompts=None if prompts is None else tuple(prompts),
        sample_ids=tuple(range(len(clips))),
    )
