"""CLIP by the user's file, in open_clip_torch's program: pictures and texts in one space. No hub is asked.

``clip-vit-b-32`` and ``clip-vit-l-14`` are OpenAI's networks: their own files, or the same parameters as safetensors or
by torch.save. ``open-clip`` is any other file, beside the ``open_clip_config.json`` that is published with it.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from types import ModuleType

import numpy as np
import torch

from harness.errors import WeightsError
from harness.given import GivenFile, find_slot, given
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.checkpoints import read_checkpoint
from harness.metrics.features.clip_architecture import Architecture, of_openai, read_config
from harness.metrics.features.clip_input import ClipInput
from harness.metrics.features.frames import of_each_frame
from harness.metrics.features.network import Network
from harness.metrics.parameters import taking
from harness.metrics.text import FrameText

B_32, L_14, ANY = "clip-vit-b-32", "clip-vit-l-14", "open-clip"
CONFIG = "open-clip-config"
OF_OPENAI = {B_32: "ViT-B-32-quickgelu", L_14: "ViT-L-14-quickgelu"}
"""Slot to architecture in open_clip's words; OpenAI's networks have the quick approximation of GELU."""
_ADDED_BY_TRACING = ("input_resolution", "context_length", "vocab_size")
"""Beside the parameters in OpenAI's archives."""
_TEXTS = 64  # at once


class ClipModel:
    """Both halves of a CLIP network, with a card."""

    def __init__(
        self, slot: str, file: GivenFile, architecture: Architecture, *, input_: ClipInput, device: str = "cpu"
    ) -> None:
        open_clip = import_open_clip()
        try:
            self._network = open_clip.model.CLIP(**architecture.arguments)
        except (TypeError, ValueError, AssertionError) as error:
            raise WeightsError(
                f"open_clip cannot build {architecture.name}: {error}. `tpbench weights add {CONFIG} FILE` takes "
                "another configuration."
            ) from error
        state = {key: value for key, value in read_checkpoint(slot, file).items() if key not in _ADDED_BY_TRACING}
        with taking(f"the parameters of {architecture.name} under open_clip's names", file.path, slot=slot):
            self._network.load_state_dict(state)
        self._network.eval().requires_grad_(False).to(device)
        self._tokens = open_clip.tokenizer.SimpleTokenizer(context_length=architecture.longest_text)
        self._longest = architecture.longest_text
        self._input = input_
        self._device = device
        self.sha256 = file.sha256
        listed = file.sha256 in find_slot(slot).listed
        self._card: dict[str, object] = {
            "extractor": slot,
            "architecture": architecture.name,
            "checkpoint": "as its authors published it" if listed else "a file of the user's, not a known one",
            "weights": f"sha256 {file.sha256[:12]}",
            "features": f"picture embedding, {architecture.dimensions}-d a frame, of no fixed length",
            "input": f"each frame: {input_.card}",
        }

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the frames; part of the cache key and of every protocol."""
        return dict(self._card)

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, T, d)."""
        return of_each_frame(clips, self._seen, size=(clips.shape[2], clips.shape[3]), device=self._device)

    def _seen(self, pictures: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self._network.encode_image(self._input(pictures))
        return embedding

    @torch.inference_mode()
    def texts(self, prompts: Sequence[str]) -> np.ndarray:
        """See :class:`harness.metrics.text.Reader`."""
        found = [
            self._network.encode_text(self._tokens(list(prompts[start : start + _TEXTS])).to(self._device))
            for start in range(0, len(prompts), _TEXTS)
        ]
        return torch.cat(found).double().cpu().numpy()

    def cut(self, prompts: Sequence[str]) -> int:
        """See :class:`harness.metrics.text.Reader`; a text is read between a first and a last token."""
        return sum(len(self._tokens.encode(prompt)) + 2 > self._longest for prompt in prompts)


def import_open_clip() -> ModuleType:
    """open_clip_torch, which an extra installs.

    Raises:
        WeightsError: it is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise WeightsError(
            f"CLIP needs open_clip_torch, which is not installed ({error}): `pip install 'tpbench[clip]'`."
        ) from error
    module: ModuleType = open_clip
    return module


def load(slot: str, tools: Tools, *, as_vbench: bool = False) -> ClipModel:
    """OpenAI's network by the user's file; loaded once per process.

    Args:
        as_vbench: frames are shrunk as VBench shrinks those that it holds as tensors.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    return _load(slot, given(slot), tools.device, as_vbench)


def load_any(tools: Tools) -> ClipModel:
    """Any network of open_clip's plain kind, by the user's two files; loaded once per process.

    Raises:
        WeightsError: a file is missing, or holds something else; the message names the command that takes one.
    """
    return _load_any(given(ANY), given(CONFIG), tools.device)


@lru_cache(maxsize=3)
def _load(slot: str, file: GivenFile, device: str, as_vbench: bool) -> ClipModel:
    architecture = of_openai(import_open_clip(), OF_OPENAI[slot])
    input_ = ClipInput(side=architecture.side, antialias=not as_vbench, whole_levels=not as_vbench)
    return ClipModel(slot, file, architecture, input_=input_, device=device)


@lru_cache(maxsize=1)
def _load_any(file: GivenFile, config: GivenFile, device: str) -> ClipModel:
    architecture, input_ = read_config(config.path, name=f"by the user's configuration, sha256 {config.sha256[:12]}")
    return ClipModel(ANY, file, architecture, input_=input_, device=device)


_SIGHT = Sight(
    cannot_see="the order of frames and any motion; what else it sees is not checked here: the file is the user's to "
    "give"
)

CLIP_VIT_B_32: Network[FrameText] = Network(load=partial(load, B_32), status="needs a file", sight=_SIGHT)
CLIP_VIT_L_14: Network[FrameText] = Network(load=partial(load, L_14), status="needs a file", sight=_SIGHT)
CLIP_VIT_B_32_AS_VBENCH: Network[Extractor] = Network(
    load=partial(load, B_32, as_vbench=True), status="needs a file", sight=_SIGHT
)
OPEN_CLIP: Network[FrameText] = Network(load=load_any, status="needs a file", sight=_SIGHT)
