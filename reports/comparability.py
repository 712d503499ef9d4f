"""Did all generators do the same work under the same conditions? What a reader must know before comparing two columns.

Each line is one condition with its value for every generator. Differences that are the point of a study (other options,
other costs) are not here; what would make a comparison unfair is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

from reports.load import REAL, RunData

State = Literal["same", "differs", "unknown", "note"]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One line of the panel."""

    what: str
    state: State
    """``note``: nothing to compare, but a limit of what the numbers say."""
    values: tuple[tuple[str, str], ...]
    """Whose value it is (several names where they agree) and the value; empty for a note."""
    why: str = ""
    """What it means, where it is not plain."""


def conditions(data: RunData) -> list[Condition]:
    """The lines of the panel, what differs first."""
    order: dict[State, int] = {"differs": 0, "unknown": 1, "note": 2, "same": 3}
    found = [*_work(data), *_videos(data), *_protocols(data), *_surroundings(data)]
    return sorted(found, key=lambda one: order[one.state])


def _work(data: RunData) -> Iterable[Condition]:
    yield _each(data, "Parameters of the network", lambda label: _measured(data, label, "parameters"))
    trained = {(r.generator, r.seed): r for r in data.training}
    sources = {entry["label"]: entry.get("weights_of") or entry["label"] for entry in data.entries}

    def of_training(key: str) -> Callable[[str], str | None]:
        def told(label: str) -> str | None:
            values = {getattr(r, key) for (who, _), r in trained.items() if who == sources.get(label, label)}
            return ", ".join(map(str, sorted(values))) or None

        return told

    if trained:
        yield _each(data, "Training steps", of_training("step"))
        yield _each(data, "Clips seen in training", of_training("samples"))
        seeds = sorted({r.seed for r in data.training})
        if len(seeds) == 1:
            why = "Intervals speak for this training; another one may come out differently."
            yield Condition(what="One training seed", state="note", values=(), why=why)
    yield _each(data, "Network evaluations of a video", lambda label: _measured(data, label, "nfe"))


def _videos(data: RunData) -> Iterable[Condition]:
    ids: dict[str, set[Hashable]] = {}
    prompts: dict[tuple[int, int], set[str]] = {}
    for record in data.samples:
        ids.setdefault(record.generator, set()).add((record.seed, record.sample_id))
        if record.generator != REAL:
            prompts.setdefault((record.seed, record.sample_id), set()).add(record.prompt)
    if not ids:
        return
    same = len({frozenset(ids.get(label, ())) for label in data.generators}) == 1
    counts = [(label, f"{len(ids.get(label, ()))} videos") for label in data.generators]
    yield Condition(
        what="Sample numbers, which fix noise and prompt",
        state="same" if same else "differs",
        values=_together(counts),
        why="" if same else "Pairs are formed of the samples that both sides have.",
    )
    if other := sum(len(several) > 1 for several in prompts.values()):
        why = f"{other} sample numbers stand for different prompts, so their videos are no pairs."
        yield Condition(what="Prompts", state="differs", values=(), why=why)


def _protocols(data: RunData) -> Iterable[Condition]:
    agree, ranks = [], []
    for metric in data.quality_metrics:
        own = {r.generator: r for r in data.measurements if r.metric == metric and r.value is not None}
        own.pop(REAL, None)
        if any(r.protocol.get("order_only") is True for r in own.values()):
            ranks.append(metric)
        if len(own) < 2:
            continue
        keys = sorted({key for r in own.values() for key, value in r.protocol.items() if isinstance(value, str | int)})
        differing = [key for key in keys if len({str(r.protocol.get(key)) for r in own.values()}) > 1]
        for key in differing:
            values = [(label, str(r.protocol.get(key, "not told"))) for label, r in own.items()]
            yield Condition(what=f"{metric}: {key}", state="differs", values=_together(values))
        if len({r.n for r in own.values()}) > 1:
            values = [(label, f"{r.n} videos") for label, r in own.items()]
            why = "Many scores move with the number of videos: distances fall as it grows."
            yield Condition(what=f"{metric}: videos", state="differs", values=_together(values), why=why)
        elif not differing:
            agree.append(metric)
    if agree:
        counts = _together((metric, f"{_videos_of(data, metric)} videos") for metric in agree)
        yield Condition(what="Protocol cards and counts of the scores", state="same", values=counts)
    if ranks:
        why = f"{', '.join(ranks)}: too few videos for the size of the features; its height means little."
        yield Condition(what="Scores that only rank", state="note", values=(), why=why)


def _videos_of(data: RunData, metric: str) -> str:
    counts = {r.n for r in data.measurements if r.metric == metric and r.value is not None and r.generator != REAL}
    return ", ".join(map(str, counts))


def _surroundings(data: RunData) -> Iterable[Condition]:
    earlier = data.environment.get("earlier")
    if not data.environment:
        yield Condition(what="Machine and versions", state="unknown", values=(), why="environment.json is not there.")
    elif isinstance(earlier, list) and earlier:
        told = [str(line) for one in earlier if isinstance(one, dict) for line in one.get("differences", [])]
        why = "Parts of the run were made elsewhere: " + ("; ".join(told) or "what differs was not recorded")
        yield Condition(what="Machine and versions", state="differs", values=(), why=why)
    else:
        why = "All units ran in one environment."
        yield Condition(what="Machine and versions", state="same", values=(), why=why)
    if data.sealed:
        why = "Every line is what it was when the run ended (seal.json)."
        yield Condition(what="Records", state="same", values=(), why=why)
    else:
        why = "No seal: the run has not ended, or an older tpbench made it. An edit would not be seen."
        yield Condition(what="Records", state="unknown", values=(), why=why)
    source = data.environment.get("source")
    if isinstance(source, dict) and source.get("dirty"):
        why = "The code had changes that its commit does not hold: nobody can check this commit out and repeat the run."
        yield Condition(what="Source code", state="note", values=(), why=why)
    if data.timings:
        spoiled = sum(bool(look.warnings) for look in data.hygiene)
        if not data.hygiene:
            why = "Nobody looked at the machine around the timings."
            yield Condition(what="A quiet machine", state="unknown", values=(), why=why)
        elif spoiled:
            why = f"Something else was at work in {spoiled} of {len(data.hygiene)} launches; see the problems."
            yield Condition(what="A quiet machine", state="note", values=(), why=why)
        else:
            why = (
                f"Seen before and after each of {len(data.hygiene)} launches; calls of all generators are interleaved."
            )
            yield Condition(what="A quiet machine", state="same", values=(), why=why)


def _measured(data: RunData, label: str, metric: str) -> str | None:
    values = {r.value for r in data.measurements if (r.generator, r.metric) == (label, metric) and r.value is not None}
    return ", ".join(f"{value:,.10g}".replace(",", "\u202f") for value in sorted(values)) or None


def _each(data: RunData, what: str, told: Callable[[str], str | None]) -> Condition:
    values = [(label, told(label)) for label in data.generators]
    known = {value for _, value in values}
    state: State = "unknown" if None in known else "same" if len(known) == 1 else "differs"
    return Condition(what=what, state=state, values=_together((who, value or "not recorded") for who, value in values))


def _together(values: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Names that share a value in one entry.

    >>> _together([("a", "30"), ("b", "30"), ("c", "20")])
    (('a, b', '30'), ('c', '20'))
    """
    names: dict[str, list[str]] = {}
    for name, value in values:
        names.setdefault(value, []).append(name)
    return tuple((", ".join(several), value) for value, several in names.items())
