"""Any metric as a torchmetrics metric: fed in batches by any number of processes, the same number when merged.

    fvd = Streaming(Fvd("transnetv2"), tools)
    fvd.update(real_clips, ids, real=True)    # uint8 RGB (B, T, H, W, 3); ids: which video is which, in all processes
    fvd.update(made_clips, ids)
    fvd.compute()                             # merges over torch.distributed where it is initialised
    fvd.answer                                # the whole score: interval, protocol card, reason

A video is looked at when it comes and is not kept: its features are, and its content hash. Samplers that hand out some
videos twice to make shares equal do no harm: a video counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
import torch
from torchmetrics import Metric as StreamingMetric
from torchmetrics.utilities.distributed import gather_all_tensors

from harness.errors import MediaError, NotComparableError, TpbenchError, UsageError
from harness.metrics.base import Extractor, Metric, Score, Tools, VideoSet, content_hash
from harness.metrics.features.cache import extractor_key
from harness.metrics.paired import Difference, Paired
from harness.metrics.temporal import require_decoded

SIDES = ("ours", "theirs")
_DIGEST_BYTES = 32
_PARTS = {
    "ids": (torch.int64, 1),
    "digests": (torch.uint8, 2),
    "shapes": (torch.int64, 2),
    "prompts": (torch.uint8, 1),
    "lengths": (torch.int64, 1),
    "pairs": (torch.float64, 1),
}
"""What is kept of one side beside features, with the type and the number of axes; all grow along the first.
Texts are bytes one behind the other, with their lengths."""
_FEATURES = (torch.float64, 2)
_WIDTHS = (torch.int64, 1)
"""The axes of a video's features, which are kept flat."""


class Streaming(StreamingMetric):
    """One metric of ours, fed batch by batch.

    Args:
        metric: the metric. One that looks at videos in another program (status ``adapter``) cannot be fed.
        tools: data set, device and judges; nothing is cached.
        fps: of the videos on both sides, None if unknown.
        options: torchmetrics' own, e.g. ``process_group``.

    Raises:
        UsageError: the metric reads the videos in a way of its own, so that no features could be merged.
    """

    full_state_update = True

    def __init__(self, metric: Metric, tools: Tools, *, fps: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.metric, self.tools, self.fps = metric, tools, fps
        self.answer: Score | None = None
        """The last score that was computed."""
        self._look: Difference | None = metric.look(tools) if isinstance(metric, Paired) else None
        self._extractors: dict[str, Extractor] = {
            extractor_key(one): one for one in metric.extractors(replace(tools, fps=fps))
        }
        if not self._extractors and self._look is None:
            raise UsageError(f"'{metric.name}' reads the videos in a way of its own and cannot be fed in batches.")
        self.refusals: dict[str, TpbenchError] = {}
        """By extractor key: those that do not take such videos."""
        self._kinds: dict[str, tuple[torch.dtype, int]] = {}
        for side in SIDES:
            for part, kind in (*_PARTS.items(), *((key, _FEATURES) for key in self._extractors)):
                self._kinds[_state(side, part)] = kind
                self.add_state(_state(side, part), [], dist_reduce_fx=self._join(_state(side, part)))
        for key in self._extractors:
            self._kinds[f"shape_{key}"] = _WIDTHS
            self.add_state(f"shape_{key}", [], dist_reduce_fx=self._join(f"shape_{key}"))

    def update(
        self,
        clips: np.ndarray | torch.Tensor,
        ids: Sequence[int],
        *,
        real: bool = False,
        prompts: Sequence[str] | None = None,
        partners: np.ndarray | torch.Tensor | None = None,
    ) -> None:
        """Look at videos.

        Args:
            clips: uint8 RGB (B, T, H, W, 3).
            ids: of each video, the same in every process that sees it.
            real: whether they are of the reference.
            prompts: what each video should show.
            partners: of each, the one made without the method, for metrics of pairs.

        Raises:
            MediaError: not uint8 RGB, or an extractor gave nan or infinity.
            NotComparableError: no extractor of the metric takes such videos, or they differ in frames or size from
                earlier ones of their side.
            UsageError: counts of videos, ids, prompts or partners differ.
        """
        frames = _array(clips)
        for what, given in (("ids", ids), ("prompts", prompts), ("partners", partners)):
            if given is not None and len(given) != len(frames):
                raise UsageError(f"'{self.metric.name}' was fed {len(frames)} videos and {len(given)} {what}.")
        require_decoded(frames)
        side = SIDES[real]
        earlier = getattr(self, _state(side, "shapes"))
        if earlier and tuple(earlier[0][0].tolist()) != frames.shape[1:4]:
            raise NotComparableError(
                f"cannot score '{self.metric.name}': it was fed videos of {earlier[0][0].tolist()} and now of "
                f"{list(frames.shape[1:4])} (frames, height, width)."
            )
        if self._look is not None and not real:
            self._take_pairs(frames, partners)
        for key, extractor in self._extractors.items():
            if key not in self.refusals:
                self._take(side, key, extractor, frames)
        if self._extractors and len(self.refusals) == len(self._extractors):
            raise next(iter(self.refusals.values()))
        digests = [bytes.fromhex(content_hash(clip)) for clip in frames]
        self._append(side, "ids", np.array(ids, dtype=np.int64))
        self._append(side, "digests", np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST_BYTES))
        self._append(side, "shapes", np.array([frames.shape[1:4]] * len(frames), dtype=np.int64))
        if prompts is not None:
            texts = [prompt.encode() for prompt in prompts]
            self._append(side, "prompts", np.frombuffer(b"".join(texts), np.uint8))
            self._append(side, "lengths", np.array([len(text) for text in texts], dtype=np.int64))

    def reset(self) -> None:
        """Forget all videos."""
        super().reset()
        self.refusals = {}

    def compute(self) -> torch.Tensor:
        """The metric's value; :attr:`answer` is the whole score.

        Raises:
            NotComparableError: there is no value; the message is the reason. Or the metric refuses.
        """
        ours, theirs = (self._videos(side) for side in SIDES)
        if ours is None:
            raise NotComparableError(f"'{self.metric.name}' has seen no video.")
        if self._look is not None and isinstance(self.metric, Paired):
            values = self._values("ours_pairs")[_once(self._values("ours_ids"))]
            answer = self.metric.summed_up(values, ours, replace(ours, label="partners"), self._look)
        else:
            answer = self.metric.score(ours, theirs if self.metric.needs_reference else None, self.tools)
        self.answer = answer
        if answer.value is None:
            raise NotComparableError(f"'{self.metric.name}' has no value: {answer.reason}.")
        return torch.tensor(answer.value, dtype=torch.float64)

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any = None) -> None:
        """Every process hands over one tensor a state, an empty one of its kind where it has seen nothing: else the
        others would wait for it for ever."""
        for name, (dtype, axes) in self._kinds.items():
            parts = getattr(self, name)
            nothing = torch.empty((0, 1)[:axes], dtype=dtype, device=self.device)
            setattr(self, name, [self._join(name)(parts) if parts else nothing])
        super()._sync_dist(dist_sync_fn, process_group)

    def _join(self, name: str) -> Callable[[Sequence[torch.Tensor]], torch.Tensor]:
        return _first if name.startswith("shape_") else _whole

    def _take(self, side: str, key: str, extractor: Extractor, frames: np.ndarray) -> None:
        try:
            features = np.asarray(extractor(frames), dtype=np.float64)
        except NotComparableError as error:
            self.refusals[key] = error
            return
        if not np.isfinite(features).all():
            raise MediaError(f"'{extractor.card.get('extractor', key)}' gave nan or infinity; look at these videos.")
        self._append(side, key, features.reshape(len(features), -1))
        getattr(self, f"shape_{key}")[:] = [torch.tensor(features.shape[1:], dtype=torch.int64, device=self.device)]

    def _take_pairs(self, frames: np.ndarray, partners: np.ndarray | torch.Tensor | None) -> None:
        assert self._look is not None
        if partners is None:
            raise UsageError(f"'{self.metric.name}' holds each video against its partner: give `partners`.")
        others = _array(partners)
        require_decoded(others)
        if others.shape != frames.shape:
            raise NotComparableError(
                f"cannot score '{self.metric.name}': videos are {frames.shape[1:]}, partners {others.shape[1:]}."
            )
        values = [self._look(one, other) for one, other in zip(frames, others, strict=True)]
        self._append("ours", "pairs", np.array(values, dtype=np.float64))

    def _append(self, side: str, part: str, numbers: np.ndarray) -> None:
        getattr(self, _state(side, part)).append(torch.from_numpy(np.array(numbers)).to(self.device))

    def _values(self, name: str) -> np.ndarray:
        """A state, whether it is merged or not."""
        state, (dtype, axes) = getattr(self, name), self._kinds[name]
        parts = [state] if isinstance(state, torch.Tensor) else state
        whole = self._join(name)(parts) if parts else torch.empty((0, 1)[:axes], dtype=dtype)
        return np.asarray(whole.cpu().numpy())

    def _videos(self, side: str) -> VideoSet | None:
        """What was seen on one side, in the order of ids, each once."""
        ids, digests = self._values(_state(side, "ids")), self._values(_state(side, "digests"))
        if not len(ids):
            return None
        kept = _once(ids)
        own = digests[kept[np.searchsorted(ids[kept], ids)]]
        different = ids[(digests != own).any(axis=1)]
        if len(different):
            raise UsageError(f"'{self.metric.name}' was fed two different videos of the id {different[0]}.")
        shapes = np.unique(self._values(_state(side, "shapes")), axis=0)
        if len(shapes) > 1:
            raise NotComparableError(f"cannot score '{self.metric.name}': it was fed videos of {len(shapes)} shapes.")
        length, height, width = shapes[0].tolist()
        return VideoSet(
            label="generated" if side == "ours" else "reference",
            names=tuple(str(number) for number in ids[kept]),
            read=_refuse,
            frames=length,
            size=(height, width),
            digests=tuple(digest.tobytes().hex() for digest in digests[kept]),
            fps=self.fps,
            prompts=self._prompts(side, len(ids), kept),
            sample_ids=tuple(ids[kept].tolist()),
            features=dict(self._features(side, kept)),
        )

    def _features(self, side: str, kept: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        for key in self._extractors:
            flat = self._values(_state(side, key))
            if len(flat):
                yield key, flat[kept].reshape(len(kept), *self._values(f"shape_{key}"))

    def _prompts(self, side: str, count: int, kept: np.ndarray) -> tuple[str, ...] | None:
        ends = np.cumsum(self._values(_state(side, "lengths")))
        if not len(ends):
            return None
        if len(ends) != count:
            raise UsageError(f"'{self.metric.name}' was fed {count} videos and {len(ends)} prompts.")
        letters = self._values(_state(side, "prompts")).tobytes()
        texts = [letters[start:end].decode() for start, end in pairwise([0, *ends])]
        return tuple(texts[number] for number in kept)


def _state(side: str, part: str) -> str:
    return f"{side}_{part}"


def _whole(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """One tensor of several, without those of processes that have seen nothing."""
    return torch.cat([part for part in parts if len(part)] or list(parts[:1]))


def _first(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """What all agree on, from one that has seen something."""
    return next((part for part in parts if len(part)), parts[0])


def _once(ids: np.ndarray) -> np.ndarray:
    """Where each id stands first, in the order of ids.

    >>> _once(np.array([3, 1, 3, 2])).tolist()
    [1, 3, 0]
    """
    return np.unique(ids, return_index=True)[1]


def _array(clips: np.ndarray | torch.Tensor) -> np.ndarray:
    return clips.cpu().numpy() if isinstance(clips, torch.Tensor) else clips


def _refuse(index: int) -> NoReturn:
    raise NotComparableError("the videos were looked at as they came and are not here any more.")
