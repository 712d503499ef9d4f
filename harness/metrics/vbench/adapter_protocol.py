"""What the program that ``TPBENCH_VBENCH`` names is asked and answers: one line of JSON each, version 1.

A request, on stdin; the program reads one after another until stdin ends:

    {"protocol": 1, "dimension": "color", "device": "cpu",
     "videos": [{"file": "FOLDER/0.npy", "prompt": "a red car", "auxiliary": {"color": "red"}}, ...]}

``file`` is uint8 RGB (16, height, width, 3), written by ``numpy.save``: the frames of the video that are to be looked
at, every one of them. ``auxiliary`` is what VBench's list of prompts says under ``auxiliary_info`` for the dimension.

The answer, on stdout, with one item a video in the order of the request. What was seen, where tpbench applies the
formula: for ``object_class``, ``multiple_objects``, ``color`` and ``spatial_relationship`` 16 lists of what is in each
frame (a box is left, top, right, bottom in pixels; ``caption`` is needed for ``color``, ``box`` for
``spatial_relationship``), for ``scene`` 16 captions, for ``human_action`` the likeliest actions with their scores:

    {"videos": [{"frames": [[{"label": "car", "box": [0, 0, 9, 9], "caption": "a red car"}, ...], ...]}, ...]}
    {"videos": [{"captions": ["a street at night", ...]}, ...]}
    {"videos": [{"actions": [{"label": "riding a bike", "score": 0.97}, ...]}, ...]}

Or, for any of the six, the program's own score of each video:

    {"videos": [{"score": 0.75}, ...]}

Every other line on stdout that is no JSON object, and all of stderr, is chatter and goes to the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.metrics.vbench.detections import SAMPLED, Action, Detection, Frames
from harness.program.protocol import AnswerError

PROTOCOL = 1
Kind = Literal["frames", "captions", "actions"]

_Coordinates = Annotated[list[float], Field(min_length=4, max_length=4)]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One video that a program is asked about."""

    file: Path
    prompt: str
    auxiliary: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a program says of one video: what its dimension takes, or a score of its own."""

    frames: Frames = ()
    captions: Sequence[str] = ()
    actions: Sequence[Action] = ()
    score: float | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Found(_Part):
    label: str
    box: _Coordinates | None = None
    caption: str | None = None


class _Action(_Part):
    label: str
    score: float = Field(ge=0, le=1)


class _Video(_Part):
    frames: list[list[_Found]] | None = None
    captions: list[str] | None = None
    actions: list[_Action] | None = None
    score: Annotated[float, Field(ge=0, le=1)] | None = None


class _Answer(_Part):
    videos: list[_Video]


def request_line(dimension: str, questions: Sequence[Question], *, device: str) -> str:
    """The request as one line of JSON, without its end."""
    videos = [
        {"file": str(question.file), "prompt": question.prompt, "auxiliary": dict(question.auxiliary)}
        for question in questions
    ]
    document = {"protocol": PROTOCOL, "dimension": dimension, "device": device, "videos": videos}
    return json.dumps(document, allow_nan=False)


def read_answer(document: Mapping[str, Any], *, kind: Kind, needs: str | None, videos: int) -> list[Seen]:
    """Check an answer about so many ``videos``.

    Args:
        document: the JSON object that the program printed.
        kind: what the dimension's formula takes; a score will do, too.
        needs: which of ``box`` and ``caption`` everything found must have.
        videos: how many were asked about.

    Raises:
        AnswerError: a key is unknown or missing, a value is of the wrong type or range or not finite, there are more
            or fewer videos than asked about or frames than 16, or some videos have a score and some have not.
    """
    try:
        answer = _Answer.model_validate(dict(document))
    except ValidationError as error:
        raise AnswerError(_complaint(error)) from error
    if len(answer.videos) != videos:
        raise AnswerError(f"'videos' has {len(answer.videos)} items, needed {videos}: one per video, in order")
    given = [_kind_of(video, kind, f"videos[{place}]") for place, video in enumerate(answer.videos)]
    if len(set(given)) > 1:
        raise AnswerError(f"some of its videos have '{kind}' and some a 'score', needed one of both for all")
    return [_seen(video, needs, f"videos[{place}]") for place, video in enumerate(answer.videos)]


def _kind_of(video: _Video, kind: Kind, where: str) -> str:
    given = [name for name in _Video.model_fields if getattr(video, name) is not None]
    if given not in ([kind], ["score"]):
        raise AnswerError(f"'{where}' has {' and '.join(given) or 'nothing'}, needed '{kind}' or 'score'")
    return given[0]


def _seen(video: _Video, needs: str | None, where: str) -> Seen:
    for name in ("frames", "captions"):
        listed = getattr(video, name)
        if listed is not None and len(listed) != SAMPLED:
            raise AnswerError(f"'{where}.{name}' has {len(listed)} items, needed {SAMPLED}: one per frame, in order")
    if video.actions is not None and not video.actions:
        raise AnswerError(f"'{where}.actions' is empty, needed the likeliest actions with their scores")
    return Seen(
        frames=[
            [_detection(found, needs, f"{where}.frames[{place}]") for found in frame]
            for place, frame in enumerate(video.frames or ())
        ],
        captions=video.captions or (),
        actions=[Action(label=action.label, score=action.score) for action in video.actions or ()],
        score=video.score,
    )


def _detection(found: _Found, needs: str | None, where: str) -> Detection:
    if needs is not None and getattr(found, needs) is None:
        raise AnswerError(f"'{where}' has a '{found.label:.40}' without '{needs}', which this dimension needs")
    left, top, right, bottom = found.box or (0, 0, 0, 0)
    if right < left or bottom < top:
        raise AnswerError(f"'{where}' has a box {found.box}, needed left, top, right, bottom with the lesser first")
    return Detection(label=found.label, box=(left, top, right, bottom), caption=found.caption or "")


def _complaint(error: ValidationError) -> str:
    """The first complaint in our words; a misspelt key explains a missing one."""
    items = error.errors(include_url=False)
    item = next((one for one in items if one["type"] == "extra_forbidden"), items[0])
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        return f"unknown key '{place:.80}' in its answer"
    if item["type"] == "missing":
        return f"'{place}' is missing in its answer"
    return f"'{place}' in its answer: {item['msg'][:1].lower()}{item['msg'][1:]}, got {item['input']!r:.80}"
