"""report.html as a reader, a browser and an attacker see it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.errors import TpbenchError
from harness.records import Measurement, TrainingRecord, UnitRecord
from harness.sealing import seal
from harness.store import Run
from reports import html
from reports.load import load

SECTIONS = [
    "verdicts",
    "comparability",
    "tradeoff",
    "where",
    "training",
    "quality",
    "samples",
    "ablations",
    "environment",
    "problems",
    "raw",
]


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def render(run: Run) -> tuple[str, Page]:
    source = html.write(run).read_text(encoding="utf-8")
    return source, Page(source)


def active_content(page: Page) -> list[str]:
    """What could run or load something: scripts beyond our own, handlers, styles, foreign addresses."""
    found = [f"<{tag}>" for tag, _ in page.tags if tag in ("iframe", "object", "embed", "link", "base", "form")]
    found += ["second script"] * (len(page.all("script")) - 1)
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            if name.startswith("on") or name == "style":
                found.append(f"{tag} {name}")
            is_address = name in ("src", "href", "poster", "srcset", "action", "data", "xlink:href")
            if is_address and not re.match(r"#|data:(image|video|text/(csv|plain))", value or ""):
                found.append(f"{tag} {name}={value}")
    return found


def test_sections_come_in_the_order_in_which_they_are_asked_about(synthetic_run: Callable[..., Run]) -> None:
    _, page = render(synthetic_run())
    assert [attributes["id"] for attributes in page.all("section")] == SECTIONS


def test_the_page_says_what_the_run_says(synthetic_run: Callable[..., Run]) -> None:
    _, page = render(synthetic_run())
    for words in (
        "SYNTHETIC NUMBERS",
        "tpbench run studies/synthetic.yaml",
        "5 min 12 s",
        "Claimed 2×, tolerance 5 %",
        "1.571 – 1.668",
        "18.4 GFLOP",
        "1.20 GiB",
        "247 ms",
        "412 673",
        "median of block means, 95 % t interval over blocks",
        "digit_accuracy is undecided: about 400 videos would decide it.",
        "Imaginary 3000",
        "out of memory while scoring (attempt 1)",
    ):
        assert words in page.text, words


def test_every_measurement_has_a_place_on_the_page(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run()
    _, page = render(run)
    titles = {attributes.get("title") for attributes in page.all("span")}
    for record in run.read(Measurement):
        if record.value is None:
            assert record.reason is not None
            assert record.reason in page.text
        else:
            exact = repr(record.value) + ("" if record.unit == "1" else f" {record.unit}")
            assert exact in titles, record


def test_a_score_that_only_ranks_says_so_beside_its_number(synthetic_run: Callable[..., Run]) -> None:
    _, page = render(synthetic_run(videos=1))
    assert page.text.count("order only") == 3


def test_a_missing_value_is_words_and_a_reason_and_never_zero(synthetic_run: Callable[..., Run]) -> None:
    _, page = render(synthetic_run())
    assert "not measured" in page.text
    assert "kvd[transnetv2], clips for tpdiff: scoring ran out of memory" in page.text


def test_hostile_text_in_every_field_stays_text(synthetic_run: Callable[..., Run]) -> None:
    source, page = render(synthetic_run(hostile=True, videos=2))
    assert active_content(page) == []
    assert "<script>alert(1)</script>" in page.text
    assert not set(source) & set("\x00\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    "source",
    [
        "<script></script><script>alert(1)</script>",
        "<script></script><img src=x onerror=alert(2)>",
        "<script></script><img src='https://example.org/a.png'>",
        "<script></script><p style='color: red'>",
    ],
)
def test_the_check_for_active_content_can_fail(source: str) -> None:
    assert active_content(Page(source))


def test_the_policy_admits_our_style_and_script_and_nothing_else(synthetic_run: Callable[..., Run]) -> None:
    source, page = render(synthetic_run(videos=1))
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", source, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_holds_no_address_of_the_outside(synthetic_run: Callable[..., Run]) -> None:
    source, page = render(synthetic_run())
    assert active_content(page) == []
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//", source)


def test_sixty_four_videos_of_each_are_written_in_seconds_and_small(
    synthetic_run: Callable[..., Run],
) -> None:
    run = synthetic_run(videos=64)
    start = time.perf_counter()
    size = html.write(run).stat().st_size
    assert time.perf_counter() - start < 10
    assert size < 10_000_000


def test_the_same_samples_of_all_generators_play_side_by_side(synthetic_run: Callable[..., Run]) -> None:
    _, page = render(synthetic_run(videos=64))
    videos = page.all("video")
    assert len(videos) == 12
    for video in videos:
        assert {"controls", "loop", "muted", "playsinline"} <= set(video)  # the script takes the controls away
        assert (video["src"] or "").startswith("data:video/")
    assert "12 of 64 samples; nobody chose them" in page.text


def test_the_table_of_results_is_inside(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    _, page = render(run)
    (link,) = [a["href"] for a in page.all("a") if a.get("download") == "results.csv"]
    assert link is not None
    table = base64.b64decode(link.partition("base64,")[2]).decode()
    assert table.count("\n") == len(run.read(Measurement)) + 1


def test_pictures_have_words_for_those_who_cannot_see_them(synthetic_run: Callable[..., Run]) -> None:
    _, page = render(synthetic_run(videos=2))
    assert all(image.get("alt") for image in page.all("img"))
    assert all(video.get("aria-label") for video in page.all("video"))
    assert all(f.get("aria-label") for f in page.all("figure") if f.get("role") == "img")


def test_identifiers_of_inlined_drawings_do_not_collide(synthetic_run: Callable[..., Run]) -> None:
    source, page = render(synthetic_run(videos=1))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert set(re.findall(r'href="#([^"]+)"', source)) <= set(names)


def test_a_study_that_judges_no_claim_does_not_promise_verdicts(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: bare\nclaims: null\n")
    _, page = render(Run.open(tmp_path))
    assert "This study judges no claim." in page.text
    assert "No verdict yet" not in page.text


def test_trainings_side_by_side_are_said_where_their_seconds_are_shown(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    assert "other trainings" not in render(run)[1].text
    run.append([record.model_copy(update={"beside": 1}) for record in run.read(TrainingRecord)])
    assert "beside up to 1 other trainings, so it does not compare" in render(run)[1].text


def test_a_run_that_has_only_a_study_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: bare\nmetrics: ['fvd[transnetv2]']\n")
    _, page = render(Run.open(tmp_path))
    assert [attributes["id"] for attributes in page.all("section")] == SECTIONS
    for words in (
        "No verdict yet",
        "No cost was recorded",
        "No stage was counted",
        "No call was timed",
        "No training step was recorded",
        "No video was scored. The study asks for fvd[transnetv2]",
        "No sample can be shown",
        "The environment is not known",
        "it has no status yet",
    ):
        assert words in page.text, words


@pytest.mark.parametrize("name", ["environment.json", "status.json", "claims.json", "study.yaml"])
@pytest.mark.parametrize("content", ["{not json: [", "3", "[]", ""])
def test_a_spoiled_file_is_named_or_empty_and_the_rest_is_shown(
    synthetic_run: Callable[..., Run], name: str, content: str
) -> None:
    run = synthetic_run(videos=1)
    (run.root / name).write_text(content)
    _, page = render(run)
    assert "18.4 GFLOP" in page.text
    is_known_shape = content in (("", "[]") if name == "claims.json" else ("",))
    if not is_known_shape:
        assert f"unreadable file {name}" in page.text


def test_a_line_torn_by_a_kill_is_told_and_one_torn_after_the_end_stops_the_report(
    synthetic_run: Callable[..., Run],
) -> None:
    run = synthetic_run(videos=1)
    with open(run.root / "records" / "training.jsonl", "a") as file:
        file.write('{"generator": "tpd')
    with pytest.raises(TpbenchError, match=r"records/training.jsonl:\d+ is cut short"):
        render(run)
    run.write_json("status.json", run.read_json("status.json") | {"state": "running"})
    _, page = render(run)
    assert "records/training.jsonl:" in page.text
    assert "The line was cut short by a kill" in page.text


def test_only_the_last_attempt_of_a_unit_and_of_a_block_counts(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    before = load(run)
    again = before.training[0].model_copy(update={"loss": 123.0})
    run.append(again)
    unit = next(u for u in before.units if u.status == "failed")
    run.append(UnitRecord.model_validate(unit.model_dump() | {"status": "done", "reason": None, "attempt": 2}))
    after = load(run)
    assert len(after.training) == len(before.training)
    assert after.training[0].loss == 123.0
    assert [p.what for p in before.problems] == ["failed unit"]
    assert after.problems == ()
    assert len(run.read(TrainingRecord)) == len(before.training) + 1


def test_a_sample_that_cannot_be_read_is_a_problem_and_the_others_are_shown(
    synthetic_run: Callable[..., Run],
) -> None:
    run = synthetic_run(videos=3)
    (run.root / "videos/generator-0/0/0000.npy").write_bytes(b"no array")
    (run.root / "videos/generator-1/0/0001.npy").unlink()
    _, page = render(run)
    assert len(page.all("video")) == 3
    assert "full-rate, sample 0" in page.text
    assert "tpdiff, sample 1" in page.text


def test_a_sample_outside_of_the_run_folder_is_not_opened(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    path = run.root / "records" / "samples.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    outside = run.root.parent / "outside.npy"
    (run.root / records[0]["file"]).rename(outside)
    records[0]["file"] = "../outside.npy"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    _, page = render(run)
    assert "lies outside of the run folder" in page.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace('"loss":', '"loss": 1', 1), r"training\.jsonl:1 was changed"),
        (lambda text: text[:-200], r"training\.jsonl:48 was changed"),
        (lambda text: text + text.partition("\n")[0] + "\n", r"training\.jsonl:49 was added"),
    ],
)
def test_records_that_were_edited_or_cut_short_after_the_end_stop_the_report(
    synthetic_run: Callable[..., Run], change: Callable[[str], str], told: str
) -> None:
    run = synthetic_run(videos=1)
    seal(run)
    html.write(run)
    file = run.root / "records" / "training.jsonl"
    file.write_text(change(file.read_text()))
    with pytest.raises(TpbenchError, match=told):
        html.write(run)


def test_a_run_of_a_newer_schema_is_refused(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    with open(run.root / "records" / "units.jsonl", "a") as file:
        file.write('{"schema_version": 999}\n')
    with pytest.raises(TpbenchError, match="Upgrade tpbench"):
        html.write(run)


def test_the_reporters_load_no_torch() -> None:
    code = "import sys, reports.html, reports.csv; print(sorted({'torch', 'sklearn'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
