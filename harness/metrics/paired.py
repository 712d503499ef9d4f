"""What metrics share that hold each video against one partner: the same prompt from the same noise, made without the
method under test. They tell how far a method departs from what it replaces, and nothing about which of both is better.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.intervals import bootstrap_interval, interval_method
from harness.metrics.temporal import require_decoded

_NAMED = 5
_WINDOW = re.compile(r"(?P<file>.*?)(?P<window>\[\d+:\d+\])?")


class Difference(Protocol):
    """What gives a pair of videos one number, with its card."""

    @property
    def card(self) -> Mapping[str, object]:
        """Everything beside the videos that the number depends on; JSON."""
        ...

    def __call__(self, ours: np.ndarray, theirs: np.ndarray) -> float:
        """Two videos of one shape, uint8 RGB (T, H, W, 3).

        Raises:
            NotComparableError: it does not take such videos; the message says what it takes.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PairFormula:
    """A difference that needs no network.

    >>> farthest = PairFormula(name="max |x - y|", of=lambda ours, theirs: float(np.abs(ours - theirs).max()))
    >>> farthest(np.array([1.0, 5.0]), np.array([1.0, 2.0])), farthest.card
    (3.0, {'formula': 'max |x - y|'})
    """

    name: str
    """The formula in words or symbols, with its parameters."""
    of: Callable[[np.ndarray, np.ndarray], float]

    @property
    def card(self) -> Mapping[str, object]:
        """See :class:`Difference`."""
        return {"formula": self.name}

    def __call__(self, ours: np.ndarray, theirs: np.ndarray) -> float:
        """See :class:`Difference`."""
        return self.of(ours, theirs)


class Paired(ABC):
    """The mean over pairs of what a difference gives each; the interval resamples pairs (BCa).

    ``reference`` of :meth:`score` is the set of partners. Both sides are read pair by pair.
    """

    paired: ClassVar[bool] = True
    """Tells who hands out references that this metric takes partners."""
    name: str
    unit: str
    higher_is_better: bool | None
    needs_reference = True
    needs_prompts = False
    status: Status
    sight: Sight

    @abstractmethod
    def look(self, tools: Tools) -> Difference:
        """What gives each pair its number."""

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """None: nothing is computed of a video on its own."""
        return []

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against its partners ``reference``.

        Raises:
            NotComparableError: no partners; a video lacks its partner (each is named); frames or size differ.
            MediaError: a video is not uint8 RGB.
            WeightsError: a network's weights are missing.
        """
        partners, order = require_partners(self.name, generated, reference)
        look = self.look(tools)
        values = []
        for index, other in enumerate(order):
            pair = generated.read(index), partners.read(other)
            for frames in pair:
                require_decoded(frames[None])
            values.append(look(*pair))
        return self.summed_up(np.array(values), generated, partners, look)

    def summed_up(self, values: np.ndarray, generated: VideoSet, partners: VideoSet, look: Difference) -> Score:
        """The score of the values (N,) that ``look`` gave the pairs, in the order of ``generated``."""
        protocol = {
            **look.card,
            "partner": partners.label,
            "partner_digest": partners.digest[:12],
            "paired_by": "name" if _by_name(generated, partners) else "sample id",
            "frames": generated.frames,
            "size": list(generated.size),
            "fps": generated.fps,
            "n_generated": len(values),
        }
        return self.score_of(values, generated.scenes, protocol)

    def score_of(self, values: np.ndarray, scenes: Sequence[str] | None, protocol: dict[str, Any]) -> Score:
        """The mean of the values with its interval, unless a metric says otherwise."""
        lo, hi = bootstrap_interval(values, scenes=[scenes])
        return Score(
            value=float(values.mean()),
            n=len(values),
            lo=lo,
            hi=hi,
            method=interval_method("mean over pairs", values, scenes=[scenes]),
            per_sample=values,
            protocol=protocol,
        )


def require_partners(metric: str, generated: VideoSet, reference: VideoSet | None) -> tuple[VideoSet, list[int]]:
    """The partners, and the index among them of each generated video's: by sample id, or by name without suffix.

    Raises:
        NotComparableError: there are none, a video on either side lacks its partner, or the sides differ in frames
            or size.
    """
    if reference is None:
        raise NotComparableError(
            f"cannot score '{metric}': it holds each video against its partner, the one made without the method, and "
            "there are none. Give the folder of partners with `--reference`."
        )
    keys, others = (_keys(metric, side, by_name=_by_name(generated, reference)) for side in (generated, reference))
    ours, theirs = f"'{generated.label}'", f"'{reference.label}'"
    alone = [
        f"{who} has {_listed([key for key in side if key not in other])}, which {whom} lacks"
        for who, whom, side, other in ((ours, theirs, keys, others), (theirs, ours, others, keys))
        if not side.keys() <= other.keys()
    ]
    if alone:
        raise NotComparableError(
            f"cannot score '{metric}': each video is held against the one of the same name or sample id. "
            f"{'; '.join(alone)}. Give both sides of every pair and nothing else."
        )
    shapes = [f"{side.frames} frames of {side.size[0]}x{side.size[1]}" for side in (generated, reference)]
    if shapes[0] != shapes[1]:
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {shapes[0]} (height x width), {theirs} {shapes[1]}. Pixels are "
            "compared with pixels: partners have equal frames and size, and nothing is cut or resized to make them so."
        )
    return reference, [others[key] for key in keys]


def _by_name(generated: VideoSet, reference: VideoSet) -> bool:
    return generated.sample_ids is None or reference.sample_ids is None


def _keys(metric: str, videos: VideoSet, *, by_name: bool) -> dict[str, int]:
    """What a video and its partner share, to the video's index."""
    names = [_stem(name) for name in videos.names] if by_name else [str(number) for number in videos.sample_ids or ()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NotComparableError(
            f"cannot score '{metric}': '{videos.label}' has several videos called {_listed(twice)}, so that their "
            "partners cannot be told apart. Names count without folder and suffix."
        )
    return {name: index for index, name in enumerate(names)}


def _stem(name: str) -> str:
    """A video's name without folder and suffix, with its window if it is one.

    >>> _stem("control/0001.mp4"), _stem("0001.webm[16:32]")
    ('0001', '0001[16:32]')
    """
    found = _WINDOW.fullmatch(name)
    assert found is not None
    return Path(found["file"]).stem + (found["window"] or "")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
