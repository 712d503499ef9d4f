"""Sentences to points, near each other where they mean the same: all-MiniLM-L6-v2, which a package ships.

Six layers of BERT; the mean over a sentence's tokens, at length 1. It knows texts only: nothing of a picture enters.

Source: Wang et al., "MiniLM", NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, and their program.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Tools

DIMENSIONS = 384
LONGEST = 256
"""Tokens, the first and the last included."""
NETWORK, TOKENIZER = "minilm-l6", "minilm-l6-tokenizer"
_TEXTS = 64  # at once


class MiniLm:
    """The sentence encoder, with a card."""

    def __init__(self, network: Path, tokenizer: Path, *, sha256: str, device: str = "cpu") -> None:
        try:
            from tokenizers import Tokenizer
            from transformers import BertConfig, BertModel
        except ImportError as error:
            raise WeightsError(
                f"MiniLM needs transformers, which is not installed ({error}): `pip install 'tpbench[published]'`."
            ) from error
        from safetensors.torch import load_file

        config = BertConfig(hidden_size=DIMENSIONS, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
        self._network = BertModel(config, add_pooling_layer=False)
        # Not parameters, or of a layer above the last one that is used here.
        state = {
            name: tensor
            for name, tensor in load_file(network).items()
            if not name.startswith("pooler.") and name != "embeddings.position_ids"
        }
        try:
            self._network.load_state_dict(state)
        except RuntimeError as error:
            raise WeightsError(f"{network} does not hold MiniLM's parameters: {error}") from error
        self._network.eval().requires_grad_(False).to(device)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._device = device
        self.sha256 = sha256

    @property
    def card(self) -> dict[str, object]:
        """What the points depend on beside the texts."""
        return {
            "encoder": "all-MiniLM-L6-v2",
            "encoder_weights": f"sha256 {self.sha256[:12]}",
            "sentence": f"mean over tokens, {DIMENSIONS}-d, at length 1",
        }

    @torch.inference_mode()
    def texts(self, prompts: Sequence[str]) -> np.ndarray:
        """float64 (n, 384), each of length 1, whatever else is among them."""
        numbers = [self._numbers(prompt) for prompt in prompts]
        found = np.zeros((len(numbers), DIMENSIONS))
        by_length = sorted(range(len(numbers)), key=lambda row: len(numbers[row]))  # little to fill up
        for start in range(0, len(numbers), _TEXTS):
            rows = by_length[start : start + _TEXTS]
            found[rows] = self._read([numbers[row] for row in rows])
        return found

    def _read(self, numbers: Sequence[Sequence[int]]) -> np.ndarray:
        """Tokens of n texts to (n, 384)."""
        longest = max(map(len, numbers))
        tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in numbers], device=self._device)
        real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in numbers], device=self._device)
        hidden = self._network(input_ids=tokens, attention_mask=real).last_hidden_state.double()
        means = (hidden * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True)
        found: np.ndarray = (means / means.norm(dim=-1, keepdim=True)).cpu().numpy()
        return found

    def _numbers(self, prompt: str) -> list[int]:
        """A text's tokens; of a longer one the end is cut, the last token kept."""
        numbers: list[int] = self._tokenizer.encode(prompt).ids
        return numbers if len(numbers) <= LONGEST else [*numbers[: LONGEST - 1], numbers[-1]]

    def cut(self, prompts: Sequence[str]) -> int:
        """See :class:`harness.metrics.text.Reader`."""
        return sum(len(self._tokenizer.encode(prompt).ids) > LONGEST for prompt in prompts)


def load(tools: Tools) -> MiniLm:
    """The encoder with the pinned weights from the cache; loaded once per process.

    Raises:
        WeightsError: they are not there, or transformers is not installed; the message names the command.
    """
    return load_on(tools.device)


@lru_cache(maxsize=2)
def load_on(device: str) -> MiniLm:
    """The same by device."""
    network, tokenizer = weights.find(NETWORK), weights.find(TOKENIZER)
    return MiniLm(weights.path(network), weights.path(tokenizer), sha256=network.sha256, device=device)
