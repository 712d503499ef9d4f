"""Look at reference videos once and keep what metrics need of them in a file: what ``tpbench reference`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import reference_file
from harness.errors import MediaError, NotComparableError, TpbenchError, UsageError
from harness.looking import Phases, joined, naming, require_limit, sides
from harness.metrics.base import Extractor, Tools
from harness.metrics.features.cache import extractor_key, features_of
from harness.progress import Progress
from harness.registry import find
from harness.sources.decoder import Decoder
from harness.sources.place import Place
from harness.sources.sampling import ClipRule, OnBad
from harness.survey import Surveyor
from harness.video import Problem
from harness.weights import cache_folder

if TYPE_CHECKING:
    from harness.metrics.base import Metric


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is in the file, and what was left out."""

    card: reference_file.Card
    problems: tuple[Problem, ...]
    """Files that could not be read."""
    refusals: tuple[str, ...]
    """Of extractors that do not take such clips; metrics that need them will say so."""


def keep_reference(
    place: Place,
    file: Path,
    metrics: Sequence[str],
    *,
    limit: int | None = None,
    rule: ClipRule | None = None,
    on_bad: OnBad = OnBad.SKIP,
    workers: int = 0,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Phases | None = None,
) -> Kept:
    """Write what the metrics need of the videos of a place; arguments are those of :func:`harness.evaluate.evaluate`.

    Raises:
        UsageError: the file is not called ``.safetensors``, or a metric takes no reference or looks at the reference
            videos themselves, so that no file can stand for them.
        MediaError: no video can be read, or ``on_bad`` is ``FAIL`` and one cannot be.
        NotComparableError: lengths or sizes differ, or no extractor takes such clips.
        WeightsError: a metric lacks its weights.
    """
    require_limit(limit)
    if file.suffix.lower() != reference_file.SUFFIX:
        raise UsageError(f"{file}: a reference is kept in a file called *{reference_file.SUFFIX}.")
    root = cache or cache_folder()
    tools = Tools(cache=root / "features", judges=root / "judges", device=device)
    extractors: dict[str, Extractor] = {}
    for name in metrics:
        judge: Metric = find("metrics", name).load()()
        asked = judge.extractors(tools)
        if not judge.needs_reference or not asked:
            why = "looks at the reference videos themselves" if judge.needs_reference else "takes no reference"
            raise UsageError(f"'{name}' {why}: there is nothing to keep for it.")
        extractors |= {extractor_key(extractor): extractor for extractor in asked}
    problems: list[Problem] = []
    phases = progress or Progress(quiet=True)
    with naming(problems), Decoder(workers) as decoder:
        surveyor = Surveyor(
            lambda fps: list(extractors.values()), rule=rule or ClipRule(), limit=limit, cache=root, decoder=decoder
        )
        [side] = sides([place], surveyor, problems, phases)
        if problems and on_bad is OnBad.FAIL:
            raise MediaError("some files cannot be read, and `--on-bad fail` keeps all or none.")
        videos, features, refusals = side.videos, {}, list[TpbenchError]()
        for key, extractor in extractors.items():
            try:
                features[key] = features_of(videos, extractor, tools.cache).array()
            except NotComparableError as error:
                refusals.append(error)
        if not features:
            raise joined(refusals)
    card = reference_file.Card(
        label=videos.label,
        names=videos.names,
        digests=videos.digests,
        scenes=videos.scenes,
        frames=videos.frames,
        size=videos.size,
        fps=videos.fps,
        about=side.about("reference"),
        extractors={key: {**extractors[key].card, "sha256": extractors[key].sha256} for key in features},
    )
    reference_file.write(file, card, features)
    return Kept(card=card, problems=tuple(problems), refusals=tuple(" ".join(str(error).split()) for error in refusals))
