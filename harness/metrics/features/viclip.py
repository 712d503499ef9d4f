"""ViCLIP by the user's file: eight frames of a video and a text in one space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch

from harness.given import GivenFile, given
from harness.metrics.base import Tools
from harness.metrics.features.checkpoints import read_checkpoint
from harness.metrics.features.clip_input import ClipInput
from harness.metrics.features.open_clip_model import import_open_clip
from harness.metrics.features.viclip_network import Sizes, ViClipNetwork
from harness.metrics.parameters import taking

SLOT = "viclip"
_UNDER = "model"
_TEXTS = 64  # at once


def sampled(frames: int, wanted: int) -> list[int]:
    """The frame in the middle of each of ``wanted`` parts of a clip; a shorter clip's last frame is repeated.

    >>> sampled(16, 8), sampled(49, 8), sampled(3, 8)
    ([0, 2, 4, 6, 8, 10, 12, 14], [2, 8, 14, 20, 26, 32, 38, 45], [0, 1, 2, 2, 2, 2, 2, 2])
    """
    parts = min(frames, wanted)
    bounds = [int(bound) for bound in np.linspace(0, frames, parts + 1)]
    middles = [(start + stop - 1) // 2 for start, stop in pairwise(bounds)]
    return middles + [middles[-1]] * (wanted - parts)


class ViClip:
    """The network with a card; clips and texts to embeddings."""

    def __init__(self, file: GivenFile, *, device: str = "cpu", sizes: Sizes | None = None) -> None:
        sizes = sizes or Sizes()
        network = ViClipNetwork(sizes)
        with taking("ViCLIP's parameters under their published names", file.path, slot=SLOT):
            network.load_state_dict(read_checkpoint(SLOT, file, under=_UNDER))
        self._network = network.eval().requires_grad_(False).to(device)
        self._tokens = import_open_clip().tokenizer.SimpleTokenizer(context_length=sizes.tokens)
        self._input = ClipInput(side=sizes.side, antialias=False)
        self._sizes = sizes
        self._device = device
        self.sha256 = file.sha256

    @property
    def card(self) -> dict[str, object]:
        """What the embeddings depend on beside the videos; part of the cache key and of every protocol."""
        return {
            "extractor": SLOT,
            "weights": f"sha256 {self.sha256[:12]}",
            "features": f"video embedding, {self._sizes.dimensions}-d, of no fixed length",
            "input": f"{self._sizes.frames} frames, the middle one of as many equal parts, a shorter clip's last one "
            f"repeated; each frame: {self._input.card}",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, d)."""
        frames = clips[:, sampled(clips.shape[1], self._sizes.frames)]
        shown = self._input.of_frames(frames, device=self._device)
        embeddings = torch.cat([self._network.vision_encoder(clip[None]) for clip in shown])
        return embeddings.double().cpu().numpy()

    @torch.inference_mode()
    def texts(self, prompts: Sequence[str]) -> np.ndarray:
        """See :class:`harness.metrics.text.Reader`."""
        found = [
            self._network.text_encoder(self._tokens(list(prompts[start : start + _TEXTS])).to(self._device))
            for start in range(0, len(prompts), _TEXTS)
        ]
        return torch.cat(found).double().cpu().numpy()

    def cut(self, prompts: Sequence[str]) -> int:
        """See :class:`harness.metrics.text.Reader`; a text is read between a first and a last token."""
        return sum(len(self._tokens.encode(prompt)) + 2 > self._sizes.tokens for prompt in prompts)


def load(tools: Tools) -> ViClip:
    """The network by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    return load_file(given(SLOT), tools.device)


@lru_cache(maxsize=1)
def load_file(file: GivenFile, device: str) -> ViClip:
    """The same by file and device."""
    return ViClip(file, device=device)
