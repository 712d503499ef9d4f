"""The two documents: what is asked, and which answers are believed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_program import order
from harness.program.protocol import Answer, AnswerError, answer_in, read_answer, request_line, sample_seed

VIDEOS = ["0.npy", "1.npy"]


def read(seconds: float = 10.0, **answer: Any) -> Answer:
    return read_answer({"videos": VIDEOS, **answer}, videos=2, seconds=seconds)


def test_a_request_is_one_line_that_says_everything() -> None:
    line = request_line(order(4, 9, guidance=2.0, solver="ddim", eta=0.5), device="cuda:1", output=Path("/tmp/out"))
    assert "\n" not in line
    assert json.loads(line) == {
        "protocol": 1,
        "prompts": ["prompt 4", "prompt 9"],
        "sample_ids": [4, 9],
        "seeds": [sample_seed(3, 4), sample_seed(3, 9)],
        "frames": 4,
        "height": 6,
        "width": 8,
        "fps": 8.0,
        "steps": 5,
        "guidance": 2.0,
        "solver": "ddim",
        "eta": 0.5,
        "device": "cuda:1",
        "output": "/tmp/out",
    }


def test_a_prompt_may_hold_line_ends_and_any_letter() -> None:
    line = request_line(order(0, prompts=("a\nb \u2028 \u00e9 \U0001f600",)), device="cpu", output=Path("/tmp"))
    assert len(line.splitlines()) == 1
    assert json.loads(line)["prompts"] == ["a\nb \u2028 \u00e9 \U0001f600"]


def test_a_seed_depends_on_study_and_sample_alone_and_fits_numpy() -> None:
    one = json.loads(request_line(order(5, 6, 7), device="cpu", output=Path("/tmp")))["seeds"]
    other = json.loads(request_line(order(7), device="cpu", output=Path("/tmp")))["seeds"]
    assert one[2] == other[0]
    assert sample_seed(0, 1) != sample_seed(1, 1)
    seeds = {sample_seed(0, sample) for sample in range(1000)}
    assert len(seeds) == 1000
    np.random.RandomState(max(seeds))  # refuses 2**32 and more
    assert max(seeds) > 2**31, "all 32 bits are used"


def test_numbers_of_numpy_are_numbers_in_json() -> None:
    request = order(0, sample_ids=(np.int64(0),))
    assert json.loads(request_line(request, device="cpu", output=Path("/tmp")))["sample_ids"] == [0]


def test_a_full_answer_is_read() -> None:
    answer = read(
        nfe=60,
        full_rate_nfe=35,
        spans=[{"name": "text", "seconds": 0.25}, {"name": "step", "seconds": 1, "stage": 0, "frames": 4}],
        peak_memory_bytes=10**10,
    )
    assert (answer.videos, answer.nfe, answer.full_rate_nfe, answer.peak_memory_bytes) == (VIDEOS, 60, 35.0, 10**10)
    assert [(span.name, span.seconds, span.attributes()) for span in answer.spans] == [
        ("text", 0.25, {}),
        ("step", 1.0, {"stage": 0, "frames": 4}),
    ]


def test_what_is_not_reported_is_missing_and_not_zero() -> None:
    for answer in (read(), read(nfe=None, full_rate_nfe=None, peak_memory_bytes=None)):
        assert (answer.nfe, answer.full_rate_nfe, answer.peak_memory_bytes, answer.spans) == (None, None, None, [])


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"videos": None}, "'videos' in its answer: .* list, got None"),
        ({"videos": "0.npy"}, "'videos' in its answer: .* list, got '0.npy'"),
        ({"videos": ["0.npy", 1]}, r"'videos\[1\]' in its answer: .* string, got 1"),
        ({"videos": ["0.npy"]}, "lists 1 files, needed 2: one per prompt, in order"),
        ({"videos": ["0.npy", "0.npy"]}, "lists a file twice"),
        ({"nfe": -1}, "'nfe' in its answer: .*greater than or equal to 1, got -1"),
        ({"nfe": 0}, "'nfe'"),
        ({"nfe": 30.5}, "'nfe' in its answer: .*integer, got 30.5"),
        ({"nfe": True}, "'nfe' in its answer: .*integer, got True"),
        ({"nfe": "30"}, "'nfe' in its answer: .*integer, got '30'"),
        ({"full_rate_nfe": math.nan}, "'full_rate_nfe' in its answer: .*finite"),
        ({"full_rate_nfe": 0.0}, "'full_rate_nfe'"),
        ({"peak_memory_bytes": 0}, "'peak_memory_bytes'"),
        ({"spans": {}}, "'spans' in its answer: .* list"),
        ({"spans": [{"name": "text"}]}, r"'spans\[0\].seconds' is missing"),
        ({"spans": [{"name": "text", "seconds": math.nan}]}, r"'spans\[0\].seconds' in its answer: .*finite"),
        ({"spans": [{"name": "text", "seconds": math.inf}]}, r"'spans\[0\].seconds' in its answer: .*finite"),
        ({"spans": [{"name": "text", "seconds": -0.1}]}, "greater than or equal to 0, got -0.1"),
        ({"spans": [{"name": "text", "seconds": "1"}]}, "number, got '1'"),
        ({"spans": [{"name": "text", "seconds": 1, "stage": -1}]}, r"'spans\[0\].stage'"),
        ({"spans": [{"name": "a[stage=0]", "seconds": 1}]}, r"'spans\[0\].name'"),
        ({"spans": [{"name": "text", "second": 1}]}, "unknown key in its answer 'second'. Did you mean 'seconds'"),
        ({"span": []}, "unknown key in its answer 'span'. Did you mean 'spans'"),
        ({"spans": [{"name": "text", "seconds": 11}]}, "'text' take 11 s, but the whole call took 10 s"),
        ({"spans": [{"name": "step", "seconds": 0.6}] * 20}, "'step' take 12 s, but the whole call took 10 s"),
    ],
)
def test_an_answer_that_cannot_be_believed_is_refused(answer: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AnswerError, match=complaint):
        read(**answer)


def test_an_answer_without_videos_is_refused() -> None:
    with pytest.raises(AnswerError, match="'videos' is missing in its answer"):
        read_answer({}, videos=1, seconds=1.0)


def test_spans_may_nest_and_two_clocks_may_disagree_a_little() -> None:
    spans = [{"name": "denoise", "seconds": 10.05}, *[{"name": "step", "seconds": 0.5}] * 20]
    assert len(read(spans=spans).spans) == 21


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"loading 100%",
        b"42",
        b"null",
        b'"videos"',
        b'["0.npy"]',
        b"{'videos': ['0.npy']}",
        b'{"videos": [',
        b'{"videos": []} done',
        b'{"videos": ["\xff"]}',
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_line_that_is_no_json_object_is_chatter(line: bytes) -> None:
    assert answer_in(line) is None


def test_a_json_object_may_have_space_around_it() -> None:
    assert answer_in(b'  {"videos": []} \r') == {"videos": []}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["videos", "nfe", "full_rate_nfe", "spans", "peak_memory_bytes", "seconds", "name", "other"])
SPANS = st.lists(st.dictionaries(st.sampled_from(["name", "seconds", "stage", "frames"]), JSON, max_size=4), max_size=3)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_an_object_or_chatter(line: bytes) -> None:
    found = answer_in(line)
    assert found is None or isinstance(found, dict)


@given(st.dictionaries(KEYS, JSON | SPANS, max_size=6), st.integers(0, 3))
def test_any_document_is_an_answer_or_refused(document: dict[str, Any], videos: int) -> None:
    try:
        answer = read_answer(document, videos=videos, seconds=1.0)
    except AnswerError:
        return
    assert len(set(answer.videos)) == videos
    assert all(0 <= span.seconds <= 1.01 for span in answer.spans)
    assert answer.nfe is None or answer.nfe >= 1


@given(
    nfe=st.none() | st.integers(1, 10**6),
    weighted=st.none() | st.floats(1e-3, 1e6),
    peak=st.none() | st.integers(1, 2**50),
    spans=st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["text", "denoise", "decode", "step"]), "seconds": st.floats(0, 1)},
            optional={"stage": st.integers(0, 5), "frames": st.integers(1, 500)},
        ),
        max_size=5,
    ),
)
def test_every_right_answer_survives_its_way_through_a_pipe(
    nfe: int | None, weighted: float | None, peak: int | None, spans: list[dict[str, Any]]
) -> None:
    said = {"videos": VIDEOS, "nfe": nfe, "full_rate_nfe": weighted, "spans": spans, "peak_memory_bytes": peak}
    document = answer_in(json.dumps(said).encode())
    assert document is not None
    assert read_answer(document, videos=2, seconds=10.0).model_dump(exclude_defaults=True) == {
        key: [{**span, "seconds": float(span["seconds"])} for span in spans] if key == "spans" else value
        for key, value in said.items()
        if value not in (None, [])
    }
