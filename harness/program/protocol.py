"""Protocol version 1: one JSON document on stdin asks, one on stdout answers. docs/command.md is its description."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import unknown_name
from harness.generator import Request
from harness.seeds import derive_seed

PROTOCOL = 1
SEED_BITS = 32
"""A seed that numpy takes, too. Of 1000 samples, two share one with a probability of 1 in 8600."""
CLOCK_TOLERANCE = 0.01
"""By so much two clocks may disagree: a GPU's events tick by themselves."""


class AnswerError(Exception):
    """The program answered, but not what was asked; the message says what was needed."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Span(_Part):
    """A stretch of work that the program timed itself."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """``text``, ``denoise``, ``decode`` ..., or ``step`` for one solver step. Spans of one name do not overlap."""
    seconds: float = Field(ge=0)
    """Wall clock, with the device synchronised at both ends."""
    stage: int | None = Field(default=None, ge=0)
    """Which stage of several, from 0."""
    frames: int | None = Field(default=None, ge=1)
    """Latent frames that the network saw."""

    def attributes(self) -> dict[str, int]:
        """What a probe is told beside name and seconds."""
        return {name: value for name in ("stage", "frames") if (value := getattr(self, name)) is not None}


class Answer(_Part):
    """What the program says it did."""

    videos: list[str]
    """One file per prompt, in order, relative to the output folder."""
    nfe: Annotated[int, Field(ge=1)] | None = None
    """Network evaluations per video; guidance counts two a step. None: not reported."""
    full_rate_nfe: Annotated[float, Field(gt=0)] | None = None
    """The same weighted by the share of full-rate tokens. None: not reported."""
    spans: list[Span] = Field(default_factory=list)
    """What was timed inside, in any order."""
    peak_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    """Peak on the program's GPU during this request, by its own measure. None: not reported."""


def request_line(request: Request, *, device: str, output: Path) -> str:
    """The order as one line of JSON, without its end."""
    return json.dumps(
        {
            "protocol": PROTOCOL,
            "prompts": request.prompts,
            "sample_ids": [int(sample) for sample in request.sample_ids],
            "seeds": [sample_seed(request.study_seed, sample) for sample in request.sample_ids],
            "frames": request.frames,
            "height": request.height,
            "width": request.width,
            "fps": request.fps,
            "steps": request.steps,
            "guidance": request.guidance,
            "solver": request.solver,
            "eta": request.eta,
            "device": device,
            "output": str(output),
        },
        allow_nan=False,
    )


def sample_seed(study_seed: int, sample: int) -> int:
    """The seed of one sample, in [0, 2**32), whatever the batch.

    >>> sample_seed(0, 17) == sample_seed(0, 17) != sample_seed(0, 18)
    True
    """
    return derive_seed(study_seed, "command", sample) % 2**SEED_BITS


def answer_in(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a line of stdout is, or None if it is anything else: then it is chatter."""
    if not line.strip().startswith(b"{"):
        return None
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number of thousands of digits, a thousand brackets
        return None
    return found if isinstance(found, dict) else None


def read_answer(document: dict[str, Any], *, videos: int, seconds: float) -> Answer:
    """Check an answer to a request for so many ``videos``, which took so many ``seconds`` from outside.

    Raises:
        AnswerError: a key is unknown or missing, a value is of the wrong type or range, there are more or fewer
            videos than prompts, or spans of one name take longer than the whole call.
    """
    try:
        answer = Answer.model_validate(document)
    except ValidationError as error:
        raise AnswerError(_complaint(error)) from error
    if len(answer.videos) != videos:
        raise AnswerError(f"'videos' lists {len(answer.videos)} files, needed {videos}: one per prompt, in order")
    if len(set(answer.videos)) != videos:
        raise AnswerError("'videos' lists a file twice, needed one file per prompt")
    totals: dict[str, float] = defaultdict(float)
    for span in answer.spans:
        totals[span.name] += span.seconds
    for name, total in totals.items():
        if total > seconds * (1 + CLOCK_TOLERANCE):
            raise AnswerError(
                f"its spans '{name}' take {total:g} s, but the whole call took {seconds:.4g} s; needed seconds, and "
                "spans of one name that do not overlap"
            )
    return answer


def _complaint(error: ValidationError) -> str:
    """One complaint in our words: place, what we got, what would do. A misspelt key explains a missing one."""
    items = error.errors(include_url=False)
    item = next((one for one in items if one["type"] == "extra_forbidden"), items[0])
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        model = Span if item["loc"][0] == "spans" else Answer
        return str(unknown_name("key in its answer", str(item["loc"][-1])[:80], model.model_fields)).removesuffix(".")
    if item["type"] == "missing":
        return f"'{place}' is missing in its answer"
    wanted = f"{item['msg'][:1].lower()}{item['msg'][1:]}"
    return f"'{place}' in its answer: {wanted}, got {item['input']!r:.80}"
