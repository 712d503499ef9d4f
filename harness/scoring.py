"""Score what a run has generated: records in, records out. No video is ever generated here."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from harness.assembly import build_dataset
from harness.errors import MediaError, NotComparableError, UnitError
from harness.metrics.base import SCOPE, Tools, VideoSet, content_hash, is_paired, measurement
from harness.plan import REAL
from harness.records import Measurement, Record, SampleRecord, SampleScores
from harness.registry import find
from harness.study import Study

if TYPE_CHECKING:
    from harness.data.base import Dataset, Split
    from harness.metrics.base import Metric
    from harness.store import Run


def score(run: Run, study: Study, *, metric: str, generator: str, seed: int) -> list[Record]:
    """One metric of one generator, or of held-out real clips (``generator="real"``).

    Returns a :class:`Measurement` with scope ``clips``, and a :class:`SampleScores` where the metric has one
    value per video; both call the metric what the study calls it, also where that is ``file.py:Class``.
    Fewer videos than ``study.sampling.videos``, whose set metrics are not comparable, and sides that a metric refuses
    to compare make a measurement without a value, with the reason. The reference is the first N clips of the split
    ``reference``, of a paired metric the same samples of the generator whose weights this one takes; ``real`` are the
    clips of the split ``test`` whose indices are the sample ids.

    Raises:
        MediaError: a sample's file is gone or is not the one that was recorded; the file is named.
        UsageError: nobody knows ``metric``.
        WeightsError: a network's weights are missing.
        UnitError: the metric returned nan or infinity.
    """
    judge = _metric(metric)
    tools = tools_of(run, study)
    assert tools.dataset is not None
    wanted = tuple(range(study.sampling.videos))
    try:
        if generator == REAL:
            videos = real_videos(tools.dataset, "test", wanted, label=REAL)
        else:
            videos = _all_videos(run, wanted, generator=generator, seed=seed, fps=tools.dataset.fps)
        reference = None
        if is_paired(judge):
            partner = _partner(study, metric, generator)
            reference = _all_videos(run, wanted, generator=partner, seed=seed, fps=tools.dataset.fps)
        elif judge.needs_reference:
            reference = real_videos(tools.dataset, "reference", wanted, label="reference")
        answer = judge.score(videos, reference, tools)
    except NotComparableError as error:
        return [_missing(judge, metric, generator, seed, " ".join(str(error).split()))]
    if answer.value is not None and not math.isfinite(answer.value):
        raise UnitError(f"metric '{metric}' of '{generator}' is {answer.value}: it must be finite or have a reason.")
    of_real = None if generator == REAL else seed
    out: list[Record] = [measurement(answer, metric=judge, name=metric, generator=generator, seed=of_real)]
    if answer.per_sample is not None:
        ids = videos.sample_ids or ()
        values = [float(value) for value in answer.per_sample]
        out.append(SampleScores(generator=generator, seed=seed, metric=metric, sample_ids=list(ids), values=values))
    return out


def _all_videos(run: Run, wanted: Sequence[int], *, generator: str, seed: int, fps: float) -> VideoSet:
    """The generator's videos with these sample ids.

    Raises:
        NotComparableError: not all of them were generated.
    """
    records = latest_samples(run, generator=generator, seed=seed)
    ids = [number for number in wanted if number in records]
    if len(ids) < len(wanted):
        raise NotComparableError(
            f"{len(ids)} of {len(wanted)} videos of '{generator}' (seed {seed}) were generated; a set "
            "metric at another count is not comparable. The same command again makes the missing ones"
        )
    return generated_videos(run, [records[number] for number in ids], fps=fps)


def _partner(study: Study, metric: str, generator: str) -> str:
    """Whose videos those of ``generator`` are held against: the generator whose weights it takes.

    Raises:
        NotComparableError: it takes nobody's.
    """
    shared = None if generator == REAL else study.generator(generator).weights_of
    if shared is None:
        raise NotComparableError(
            f"'{generator}' takes the weights of no other generator, so its videos have no partners: '{metric}' "
            "compares with the same network's output without the method under test. `weights_of` in the study names it"
        )
    return shared


def tools_of(run: Run, study: Study) -> Tools:
    """Where the metrics of a run keep features and judges: inside its folder."""
    dataset = _dataset(study.model_dump_json())
    return Tools(cache=run.features, judges=run.root / "judges", dataset=dataset, device=study.device)


def latest_samples(run: Run, *, generator: str, seed: int) -> dict[int, SampleRecord]:
    """The last record of each sample id: a redone batch replaces what it made before."""
    found = {}
    for record in run.read(SampleRecord):
        if record.generator == generator and record.seed == seed:
            found[record.sample_id] = record
    return found


def generated_videos(run: Run, records: Sequence[SampleRecord], *, fps: float) -> VideoSet:
    """The recorded videos, each checked against its recorded hash whenever it is read.

    Raises:
        MediaError: a file is gone, changed, or no uint8 RGB video; the file is named.
    """
    shapes = {record.sample_id: _read_sample(run, record).shape for record in records}
    first = records[0]
    for record in records:
        if shapes[record.sample_id] != shapes[first.sample_id]:
            raise MediaError(
                f"videos of one generator differ in shape: {first.file} is {shapes[first.sample_id]}, "
                f"{record.file} is {shapes[record.sample_id]}. Sample this generator again."
            )
    frames, height, width, _ = shapes[first.sample_id]
    return VideoSet(
        label=first.generator,
        names=tuple(record.file for record in records),
        read=lambda index: _read_sample(run, records[index]),
        frames=frames,
        size=(height, width),
        digests=tuple(record.sha256 for record in records),
        fps=fps,
        prompts=tuple(record.prompt for record in records),
        sample_ids=tuple(record.sample_id for record in records),
    )


def real_videos(dataset: Dataset, split: Split, indices: Sequence[int], *, label: str) -> VideoSet:
    """Real clips of a split as a video set; sample ids are the indices."""
    clips = dataset.clips(split, np.asarray(indices, dtype=np.int64))
    frames = clips.rgb()
    _, length, height, width, _ = frames.shape
    return VideoSet(
        label=label,
        names=tuple(f"{split}[{index}]" for index in indices),
        read=lambda index: frames[index],
        frames=length,
        size=(height, width),
        digests=tuple(content_hash(clip) for clip in frames),
        fps=dataset.fps,
        prompts=clips.captions,
        sample_ids=tuple(indices),
        scenes=dataset.scenes(split, np.asarray(indices, dtype=np.int64)),
    )


def _read_sample(run: Run, record: SampleRecord) -> np.ndarray:
    path = run.root / record.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MediaError(
            f"cannot read the sample {path}: {error.strerror}. Its record is there, the file is not: "
            "delete the run folder and run the study again."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise MediaError(
            f"the sample {path} changed after it was generated: recorded sha256 {record.sha256}, "
            f"found {found}. Restore the file, or delete the run folder and run the study again."
        )
    frames = np.load(io.BytesIO(content), allow_pickle=False)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise MediaError(f"the sample {path} is {frames.dtype} {frames.shape}; expected uint8 (T, H, W, 3).")
    return np.asarray(frames)


def _missing(judge: Metric, metric: str, generator: str, seed: int, reason: str) -> Measurement:
    return Measurement(
        generator=generator,
        seed=seed,
        metric=metric,
        scope=SCOPE,
        unit=judge.unit,
        value=None,
        higher_is_better=judge.higher_is_better,
        reason=reason,
    )


@lru_cache(maxsize=16)
def _metric(name: str) -> Metric:
    """One instance per process: it may keep its network."""
    judge: Metric = find("metrics", name).load()()
    return judge


@lru_cache(maxsize=4)
def _dataset(study: str) -> Dataset:
    """One instance per process and study, by the study's JSON: options are not hashable."""
    return build_dataset(Study.model_validate_json(study))
