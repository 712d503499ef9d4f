"""What CLIP and its relatives are shown of a frame: its middle, at their size, normalised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of RGB in [0, 1], of the pictures that OpenAI's networks learned from."""


@dataclass(frozen=True, kw_only=True)
class ClipInput:
    """How pictures are brought to a network; published programs differ in more than the size."""

    side: int
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION
    antialias: bool = True
    """Bicubic as Pillow shrinks. Without: as torch's interpolation does by itself, which passes pixels over."""
    whole_levels: bool = True
    """What was resized is cut to 0..255 and rounded, as files of pictures would hold it."""

    @property
    def card(self) -> str:
        """In words."""
        how = "with antialiasing" if self.antialias else "without antialiasing"
        levels = ", whole grey levels" if self.whole_levels else ""
        return f"shorter side resized to {self.side}, bicubic {how}{levels}, the middle {self.side}x{self.side}"

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """float32 RGB (n, 3, H, W), 0 to 255, to what the network takes, (n, 3, side, side).

        >>> grey = ClipInput(side=4, mean=(0.5,) * 3, deviation=(0.25,) * 3)(torch.full((1, 3, 6, 9), 255.0))
        >>> tuple(grey.shape), grey.unique().tolist()
        ((1, 3, 4, 4), [2.0])
        """
        pictures = middle(shorter_side_to(pictures, self.side, antialias=self.antialias), self.side)
        if self.whole_levels:
            pictures = pictures.clamp(0, 255).round()
        mean, deviation = (pictures.new_tensor(numbers).view(1, 3, 1, 1) for numbers in (self.mean, self.deviation))
        return (pictures / 255 - mean) / deviation

    def of_frames(self, clips: np.ndarray, *, device: str) -> torch.Tensor:
        """uint8 RGB (B, T, H, W, 3) to (B, T, 3, side, side) on the device, in float32."""
        pictures = torch.from_numpy(np.ascontiguousarray(clips)).to(device).flatten(0, 1).permute(0, 3, 1, 2).float()
        return self(pictures).unflatten(0, clips.shape[:2])


def shorter_side_to(pictures: torch.Tensor, side: int, *, antialias: bool) -> torch.Tensor:
    """Pictures (n, c, H, W) with their shorter side resized to ``side``, bicubic; the longer one rounded down.

    >>> tuple(shorter_side_to(torch.zeros(1, 3, 50, 99), 10, antialias=True).shape)
    (1, 3, 10, 19)
    """
    height, width = pictures.shape[-2:]
    shorter = min(height, width)
    size = (side * height // shorter, side * width // shorter)
    if size == (height, width):
        return pictures
    return functional.interpolate(pictures, size, mode="bicubic", antialias=antialias, align_corners=False)


def middle(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """The middle of pictures (n, c, H, W), (n, c, side, side); half a pixel goes to the even number.

    >>> middle(torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 4, 5), 4)[0, 0, 0].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    top, left = (round((length - side) / 2) for length in pictures.shape[-2:])
    return pictures[..., top : top + side, left : left + side]
