"""VBench's six dimensions of things seen: from what a detector or captioner says of each frame to a video's score.

Words are looked for as the leaderboard's program does: as letters, so that "red" is in "covered" and "bar" in "barn".
Two of its faults are not copied, and move scores: colours of a clip that never shows the object count as 0 instead of
being left out, and a spatial relationship has two sides. The consequences are in ``Dimension.departs``.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics.vbench.asked import Relation

SAMPLED = 16
"""Frames of a video that are looked at."""
COLOURS = (
    "white",
    "red",
    "pink",
    "blue",
    "silver",
    "purple",
    "orange",
    "green",
    "gray",
    "yellow",
    "black",
    "grey",
)
"""Words that make a caption one about colour."""
LIKELIEST = 5
SURE = 0.85
OVERLAP = 0.1
"""Intersection over union from which two boxes count less."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; the vertical axis points down."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One object in one frame."""

    label: str
    box: Box = (0, 0, 0, 0)
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One of the actions that a classifier sees in a video."""

    label: str
    score: float
    """After the sigmoid, 0 to 1."""


Frames = Sequence[Sequence[Detection]]
"""What was found in each frame of a video."""


def sampled_frames(total: int) -> list[int]:
    """Which frames of a video are looked at: the middle ones of 16 equal stretches, the last again if it is short.

    >>> sampled_frames(49)
    [1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 34, 37, 40, 43, 46]
    >>> sampled_frames(3)[:5]
    [0, 1, 2, 2, 2]
    """
    edges = np.linspace(0, total, min(SAMPLED, total) + 1).astype(int)
    middles = [int(edges[place] + edges[place + 1] - 1) // 2 for place in range(len(edges) - 1)]
    return middles + middles[-1:] * (SAMPLED - len(middles))


def object_class(frames: Frames, name: str) -> float:
    """Share of frames in which the object is found; higher is better.

    >>> object_class([[Detection(label="dog"), Detection(label="cat")], []], "cat")
    0.5
    """
    return _share([name in _labels(frame) for frame in frames])


def multiple_objects(frames: Frames, first: str, second: str) -> float:
    """Share of frames in which both objects are found; higher is better.

    >>> cat, dog = Detection(label="cat"), Detection(label="dog")
    >>> multiple_objects([[cat, dog], [cat], [dog], []], "dog", "cat")
    0.25
    """
    return _share([{first, second} <= _labels(frame) for frame in frames])


def human_action(actions: Sequence[Action], name: str) -> float:
    """1 if the action is among the five likeliest and its score, rounded to .0001, is .85 or more, else 0.

    >>> human_action([Action(label="Riding a bike", score=0.84996)], "riding a bike")
    1.0
    """
    likeliest = sorted(actions, key=lambda action: action.score, reverse=True)[:LIKELIEST]
    return float(any(action.label.lower() == name and round(action.score, 4) >= SURE for action in likeliest))


def colour(frames: Frames, thing: str, wanted: str) -> float:
    """Frames that have the object in its colour over those that have it in any colour; higher is better.

    What an object's own caption says is what counts. (The original takes the captions of all objects of a frame whose
    first one is the object, and leaves clips without the object out of the mean; here they are 0.)

    >>> red, blue = (Detection(label="car", caption=f"a {colour} car") for colour in ("red", "blue"))
    >>> colour([[red], [blue, red], [blue], []], "car", "red")
    0.6666666666666666
    """
    of_thing = [[found.caption for found in frame if found.label == thing] for frame in frames]
    right = [any(wanted in caption for caption in captions) for captions in of_thing]
    any_colour = [any(word in caption for caption in captions for word in (wanted, *COLOURS)) for captions in of_thing]
    return sum(right) / sum(any_colour) if any(any_colour) else 0.0


def spatial_relationship(frames: Frames, wanted: Relation) -> float:
    """Mean over frames of the best pair's :func:`side_score`; 0 for a frame without both objects; higher is better.

    >>> left, right = Detection(label="car", box=(0, 0, 10, 10)), Detection(label="bus", box=(20, 0, 30, 10))
    >>> wanted = Relation(first="car", relationship="on the left of", second="bus")
    >>> spatial_relationship([[right, left], [left]], wanted)
    0.5
    """
    best = []
    for frame in frames:
        firsts, seconds = (
            [found.box for found in frame if found.label == name] for name in (wanted.first, wanted.second)
        )
        scores = [side_score(first, second, wanted.relationship) for first in firsts for second in seconds]
        best.append(max(scores, default=0.0))
    return float(np.mean(best))


def side_score(first: Box, second: Box, relationship: str) -> float:
    """How well the first box lies on that side of the second: 1, less where they overlap, else 0.

    It has to lie further off in the asked direction than across it, by the middles. From an intersection over union
    (IoU) of .1 on, ``.1 / IoU``. (The original takes either side for the right one.)

    >>> box, right_of_it = (0, 0, 10, 10), (5, 0, 15, 10)  # IoU 1/3
    >>> round(side_score(box, right_of_it, "on the left of"), 9), side_score(box, right_of_it, "on the right of")
    (0.3, 0.0)
    """
    across, down = ((second[axis] + second[axis + 2]) / 2 - (first[axis] + first[axis + 2]) / 2 for axis in (0, 1))
    ahead, aside = {
        "on the left of": (across, down),
        "on the right of": (-across, down),
        "on the top of": (down, across),
        "on the bottom of": (-down, across),
    }[relationship]
    if ahead <= abs(aside):
        return 0.0
    shared = overlap(first, second)
    return 1.0 if shared < OVERLAP else OVERLAP / shared


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes; 0 where neither has an area.

    >>> overlap((0, 0, 2, 2), (1, 0, 3, 2)), overlap((0, 0, 0, 0), (0, 0, 0, 0))
    (0.3333333333333333, 0.0)
    """
    sides = [max(0.0, min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis])) for axis in (0, 1)]
    shared = sides[0] * sides[1]
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / (areas - shared) if areas else 0.0


def scene(captions: Sequence[str], name: str) -> float:
    """Share of frames whose caption has all words of the scene; higher is better.

    >>> scene(["people in an art gallery", "a gallery"], "art gallery")
    0.5
    """
    return _share([all(word in caption for word in name.split()) for caption in captions])


def _labels(frame: Sequence[Detection]) -> set[str]:
    return {found.label for found in frame}


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits)
