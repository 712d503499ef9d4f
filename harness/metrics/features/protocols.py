"""What programs that compute FVD do before and after the network, each under its name: numbers agree only within one.

A protocol says how the frames of a clip become the input of the network, how many there must be, and how the covariance
of the features is estimated. Each takes the steps of its program in that program's order, rounding included.

Sources: google-research/frechet_video_distance (Unterthiner et al., arXiv 1812.01717); universome/fvd-comparison and
its ports, StyleGAN-V (Skorokhodov et al., CVPR 2022); cd-fvd 0.1.1 (Ge et al., CVPR 2024); hao-ai-lab/FastVideo,
fastvideo/eval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from harness.errors import NotComparableError
from harness.metrics.covariance import BIASED, UNBIASED, Covariance

SIDE = 224
_AT_ONCE = 32
"""Frames resized at a time: memory stays flat in the length of a clip."""

Frames = Callable[[torch.Tensor], torch.Tensor]
"""Pictures, uint8 (n, 3, H, W), to float32 (n, 3, side, side), each on its own."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What one program does around the network."""

    name: str
    input: str
    """In words: how a frame becomes input of the network."""
    frames: Frames
    """The same in numbers."""
    min_frames: int
    clips: str
    """In words: which frames of a video the program takes; here they are those of the clip as given."""
    videos: str
    """In words: of how many videos a side the program speaks."""
    covariance: Covariance


def network_input(clips: np.ndarray, frames: Frames, *, device: str = "cpu") -> torch.Tensor:
    """Clips as a network takes them: uint8 RGB (B, T, H, W, 3) to float32 (B, 3, T, side, side).

    >>> white = np.full((1, 2, 30, 40, 3), 255, np.uint8)
    >>> fed = network_input(white, PROTOCOLS["stylegan-v"].frames)
    >>> tuple(fed.shape), round(fed.min().item(), 6)
    ((1, 3, 2, 224, 224), 1.0)
    """
    pictures = clips.reshape(-1, *clips.shape[2:])
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        part = torch.from_numpy(np.ascontiguousarray(pictures[start : start + _AT_ONCE])).to(device)
        parts.append(frames(part.permute(0, 3, 1, 2)))
    fed = torch.cat(parts).unflatten(0, clips.shape[:2])
    return fed.transpose(1, 2).contiguous()


def require_frames(extractor: str, frames: int, *, least: int, most: int | None = None, why: str) -> None:
    """Refuse clips of the wrong length.

    Raises:
        NotComparableError: fewer frames than ``least``, or more than ``most``; the message names the counts.
    """
    if frames < least or (most is not None and frames > most):
        needed = f"{least} or more" if most is None else f"{least}" if most == least else f"{least} to {most}"
        raise NotComparableError(
            f"cannot extract features of '{extractor}': the clips have {frames} frames, needed are {needed}: {why}. "
            "Give clips of that length; they are neither repeated nor cut here."
        )


def resized(pictures: torch.Tensor, height: int, width: int, *, antialias: bool = False) -> torch.Tensor:
    """Bilinear, pixels' centres aligned: float32 (n, 3, H, W) to (n, 3, height, width)."""
    return functional.interpolate(pictures, (height, width), mode="bilinear", align_corners=False, antialias=antialias)


def resized_from_corner(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Bilinear as TensorFlow 1 does it: output pixel i lies at i * length / side of the input, not half a pixel off.

    >>> ramp = torch.tensor([0.0, 10.0, 20.0, 30.0]).view(1, 1, 1, 4).expand(1, 1, 2, 4)
    >>> resized_from_corner(ramp, 2)[0, 0, 0].tolist()  # centres aligned it would be 5 and 25
    [0.0, 20.0]
    >>> resized_from_corner(ramp, 8)[0, 0, 0].tolist()
    [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 30.0]
    """
    top, bottom, down = (line.to(pictures.device) for line in _lines(pictures.shape[-2], side))
    left, right, across = (line.to(pictures.device) for line in _lines(pictures.shape[-1], side))
    wide = torch.lerp(pictures[..., left], pictures[..., right], across)
    return torch.lerp(wide[..., top, :], wide[..., bottom, :], down[:, None])


def _lines(length: int, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each output line: the input lines before and after it, and the weight of the latter."""
    places = torch.arange(side, dtype=torch.float32) * (length / side)  # rounded as TensorFlow does
    before = places.floor()
    return before.long(), (before.long() + 1).clamp(max=length - 1), places - before


def short_side_resized(pictures: torch.Tensor, side: int, *, antialias: bool = False) -> torch.Tensor:
    """Shorter side to ``side``, the longer one to scale and rounded up; float32 (n, 3, H, W).

    The scale is a rounded number: some lengths come out one too long (a square of 50 becomes 225 x 224). The programs
    do so; their crop takes it away again.
    """
    height, width = pictures.shape[-2:]
    scale = side / min(height, width)
    target = (side, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), side)
    return resized(pictures, *target, antialias=antialias)


def centre(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """The middle ``side`` x ``side`` of (n, 3, H, W); of an odd margin the larger half is right and below.

    >>> centre(torch.arange(5.0).expand(1, 1, 2, 5), 2)[0, 0, 0].tolist()
    [1.0, 2.0]
    """
    top, left = ((length - side) // 2 for length in pictures.shape[-2:])
    return pictures[..., top : top + side, left : left + side]


def as_cd_fvd_reads(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Frames as cd-fvd's data loader hands them on: uint8 (n, 3, H, W) to float32 (n, 3, side, side), whole numbers.

    In [0, 1]: shorter side to ``side``, bilinear with antialiasing, middle square; then to 0..255, cut to integers.
    """
    square = centre(short_side_resized(pictures.float() / 255, side, antialias=True), side)
    return (square * 255).to(torch.uint8).float()


def _google_direct(pictures: torch.Tensor) -> torch.Tensor:
    return 2 * resized_from_corner(pictures.float(), SIDE) / 255 - 1


def _stylegan_v(pictures: torch.Tensor) -> torch.Tensor:
    return (centre(short_side_resized(pictures.float() / 255, SIDE), SIDE) - 0.5) * 2


def _cd_fvd(pictures: torch.Tensor, *, side: int) -> torch.Tensor:
    return 2 * resized(as_cd_fvd_reads(pictures, side), SIDE, SIDE) / 255 - 1


def _fastvideo(pictures: torch.Tensor) -> torch.Tensor:
    return resized(pictures.float() / 255 * 2 - 1, SIDE, SIDE)


CD_FVD_CLIPS = "the clip as given (cd-fvd: 16 frames from a random start)"
CD_FVD_VIDEOS = "2048 generated ones, real ones all; where there are fewer, cd-fvd draws some again"


def _cd_fvd_protocol(name: str, side: int) -> Protocol:
    return Protocol(
        name=name,
        input=f"shorter side to {side}, bilinear with antialiasing, middle square, cut to uint8; then {SIDE}x{SIDE}, "
        "bilinear without antialiasing; [-1, 1]",
        frames=partial(_cd_fvd, side=side),
        min_frames=9,
        clips=CD_FVD_CLIPS,
        videos=CD_FVD_VIDEOS,
        covariance=BIASED,
    )


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="google-direct",
            input=f"{SIDE}x{SIDE}, bilinear from the corner (TensorFlow 1), whatever the shape; [-1, 1]",
            frames=_google_direct,
            min_frames=9,
            clips="the clip as given (the program leaves it to the caller)",
            videos="the program leaves it to the caller",
            covariance=UNBIASED,
        ),
        Protocol(
            name="stylegan-v",
            input=f"shorter side to {SIDE}, bilinear without antialiasing, middle square; [-1, 1]",
            frames=_stylegan_v,
            min_frames=10,
            clips="the clip as given (StyleGAN-V: 16 frames)",
            videos="2048 in its paper; the program leaves it to the caller",
            covariance=UNBIASED,
        ),
        _cd_fvd_protocol("cd-fvd", 256),
        _cd_fvd_protocol("cd-fvd-128", 128),
        Protocol(
            name="fastvideo",
            input=f"{SIDE}x{SIDE}, bilinear without antialiasing, whatever the shape; [-1, 1]",
            frames=_fastvideo,
            min_frames=10,
            clips="the whole video",
            videos="warns below 256",
            covariance=Covariance(denominator="N-1", ridge=1e-6),
        ),
    )
}
"""By name. Nine frames are what I3D can halve three times and still average in pairs; ten is what two programs ask."""
