"""What metrics share that hold each video against its prompt."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet, without_value
from harness.metrics.per_video import PerVideo
from harness.metrics.text import Reader


class Prompted(ABC):
    """The mean over videos of how well each fits its prompt; the interval resamples videos (BCa).

    Each distinct text is read once. Without prompts there is no value.
    """

    name: str
    unit = "1"
    higher_is_better: bool | None = True
    needs_reference = False
    needs_prompts = True
    status: Status
    sight: Sight

    @abstractmethod
    def look(self, tools: Tools) -> Extractor:
        """Clips to what :meth:`agreement` takes."""

    @abstractmethod
    def reader(self, tools: Tools) -> Reader:
        """What reads the texts."""

    @abstractmethod
    def agreement(self, seen: np.ndarray, texts: np.ndarray, tools: Tools) -> np.ndarray:
        """What ``look`` gives, (N, ...), and what ``reader`` makes of each video's text, (N, d), to values (N,)."""

    @abstractmethod
    def card(self, generated: VideoSet) -> dict[str, Any]:
        """What the protocol says beside the networks' cards, frames, size, rate, count and texts."""

    def text(self, prompt: str) -> str | None:
        """What of a prompt the video is held against; None if it holds no such thing. All of it, unless it says so."""
        return prompt

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [self.look(tools)]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`; ``reference`` is not used."""
        if generated.prompts is None or not any(generated.prompts):
            return without_value(generated, f"it needs the prompt of each video, and '{generated.label}' has none")
        texts: list[str] = []
        for name, prompt in zip(generated.names, generated.prompts, strict=True):
            text = self.text(prompt)
            if not text:
                return without_value(generated, f"it needs another kind of prompt than that of {name}: '{prompt}'")
            texts.append(text)
        return _AgainstTexts(self, texts, tools).score(generated, None, tools)


class _AgainstTexts(PerVideo):
    """A prompted metric for one set of texts: then each video has a value of its own."""

    def __init__(self, metric: Prompted, texts: Sequence[str], tools: Tools) -> None:
        self._metric = metric
        self._texts = texts
        self._tools = tools
        self._reader = metric.reader(tools)

    def look(self, tools: Tools) -> Extractor:
        return self._metric.look(tools)

    def values(self, seen: np.ndarray) -> np.ndarray:
        distinct = list(dict.fromkeys(self._texts))
        place = {text: row for row, text in enumerate(distinct)}
        read = self._reader.texts(distinct)
        return self._metric.agreement(seen, read[[place[text] for text in self._texts]], self._tools)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        return {
            **self._metric.card(generated),
            "texts": len(set(self._texts)),
            "texts_digest": hashlib.sha256("\n".join(self._texts).encode()).hexdigest()[:12],
            "texts_cut": self._reader.cut(self._texts),
        }
