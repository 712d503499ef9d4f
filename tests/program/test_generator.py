"""A foreign program as a generator: what it makes, what is reported of it, and what the seam is told."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from foreign_program import Foreign, context, order
from harness.conformance import check
from harness.errors import UsageError
from harness.generator import Generator, NullProbe, Opaque, Trainable
from harness.measure.probe import TimingProbe
from harness.program.generator import Command
from harness.program.protocol import sample_seed
from harness.registry import find

LOOP = """
    for request in requests():
        say(videos=make(request), nfe=2 * request["steps"], full_rate_nfe=7.5)
"""


class Notebook(NullProbe):
    """Writes down what is noted and reported."""

    def __init__(self) -> None:
        self.notes: dict[str, float] = {}
        self.reports: list[tuple[str, float, dict[str, Any]]] = []

    def note(self, name: str, value: float) -> None:
        self.notes[name] = value

    def report(self, name: str, seconds: float, **attributes: int | float | str) -> None:
        self.reports.append((name, seconds, attributes))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary folders are made in, empty at first."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("persistent", [False, True])
def test_one_script_serves_both_ways_and_each_sample_has_its_seed(foreign: Foreign, persistent: bool) -> None:
    generator = foreign(LOOP, persistent=persistent)
    together = generator.generate(order(5, 6, 7), NullProbe())
    assert (together.frames.shape, together.frames.dtype) == ((3, 4, 6, 8, 3), np.uint8)
    assert together.frames[:, 0, 0, 0, 0].tolist() == [sample_seed(3, sample) % 251 for sample in (5, 6, 7)]
    assert (together.nfe, together.full_rate_nfe) == (10, 7.5)
    alone = generator.generate(order(6), NullProbe())
    assert np.array_equal(alone.frames[0], together.frames[1])


def test_what_the_program_does_not_report_is_missing(foreign: Foreign) -> None:
    notebook = Notebook()
    generation = foreign("say(videos=make(json.load(sys.stdin)))").generate(order(), notebook)
    assert (generation.nfe, generation.full_rate_nfe) == (None, None)
    assert (notebook.notes, notebook.reports) == ({}, [])


def test_spans_and_peak_memory_reach_the_probe(foreign: Foreign) -> None:
    generator = foreign("""
        request = json.load(sys.stdin)
        spans = [{"name": "text", "seconds": 0.001}, {"name": "step", "seconds": 0.002, "stage": 1, "frames": 4}]
        say(videos=make(request), spans=spans, peak_memory_bytes=123)
    """)
    notebook = Notebook()
    generator.generate(order(), notebook)
    assert notebook.reports == [("text", 0.001, {}), ("step", 0.002, {"stage": 1, "frames": 4})]
    assert notebook.notes == {"peak_memory_bytes": 123}
    probe = TimingProbe()
    generator.generate(order(), probe)
    assert probe.seconds() == {"text": [0.001], "denoise_step[stage=1]": [0.002]}


def test_the_program_is_told_the_device_and_a_fresh_empty_folder(foreign: Foreign, temporary: Path) -> None:
    generator = foreign("""
        request = json.load(sys.stdin)
        print(request["device"], os.listdir(request["output"]), request["output"], file=sys.stderr)
        sys.exit(1)
    """)
    with pytest.raises(Exception, match=rf"cpu \[\] {temporary.resolve()}/tpbench-\w+/output-"):
        generator.generate(order(), NullProbe())


@pytest.mark.parametrize("persistent", [False, True])
def test_nothing_is_left_of_the_output_of_a_request(foreign: Foreign, temporary: Path, persistent: bool) -> None:
    generator = foreign(LOOP, persistent=persistent)
    for _ in range(2):
        generator.generate(order(), NullProbe())
        assert list(temporary.glob("*/*")) == []
    generator.close()
    assert list(temporary.iterdir()) == []


def test_nothing_is_left_of_the_output_of_a_request_that_fails(foreign: Foreign, temporary: Path) -> None:
    generator = foreign("make(json.load(sys.stdin)); sys.exit(1)")
    with pytest.raises(Exception, match="exit code 1"):
        generator.generate(order(), NullProbe())
    assert list(temporary.iterdir()) == []


def test_loading_starts_nothing_and_a_persistent_program_starts_once(foreign: Foreign) -> None:
    generator = foreign(LOOP, persistent=True)
    assert generator.process_ids() == ()
    generator.generate(order(), NullProbe())
    (first,) = generator.process_ids()
    generator.generate(order(), NullProbe())
    assert generator.process_ids() == (first,)


def test_a_program_that_answers_once_is_gone_after_the_request(foreign: Foreign) -> None:
    generator = foreign(LOOP)
    generator.generate(order(), NullProbe())
    assert generator.process_ids() == ()


def test_the_process_can_be_seen_while_it_works(foreign: Foreign) -> None:
    generator = foreign("time.sleep(0.1); say(videos=make(json.load(sys.stdin)))")
    seen: set[int] = set()

    done = Event()

    def watch() -> None:
        while not done.wait(0.001):
            seen.update(generator.process_ids())

    watcher = Thread(target=watch)
    watcher.start()
    generator.generate(order(), NullProbe())
    done.set()
    watcher.join()
    assert len(seen) == 1, "a watcher of memory, in a thread of its own, meets the one process"


def test_the_seam_knows_it_as_opaque_and_not_trainable() -> None:
    generator = find("generators", "command").load()()
    assert type(generator) is Command
    assert isinstance(generator, Generator)
    assert isinstance(generator, Opaque)
    assert not isinstance(generator, Trainable)
    assert "another program" in generator.uncountable


def test_a_generator_of_ours_is_not_opaque() -> None:
    assert not isinstance(find("generators", "full-rate").load()(), Opaque)


def test_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a program brings its own weights. Drop weights_of"):
        Command().load(replace(context(argv=["python"]), weights=tmp_path / "denoiser.safetensors"))


def test_check_plugin_says_that_a_program_has_to_be_named() -> None:
    (only,) = check("command")
    assert (only.name, only.passed) == ("it loads without options", False)
    assert only.detail.startswith("UsageError: option argv is missing: the program and its arguments as a list")
