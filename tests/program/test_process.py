"""One program, asked: what it may print, and every way in which it can fail."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from foreign_program import Foreign, Write, order
from harness.errors import UnitError
from harness.generator import NullProbe
from harness.program.generator import Command
from harness.program.options import CommandOptions, resolve
from harness.program.process import Program

Start = Callable[[str], Program]


@pytest.fixture
def start(write: Write) -> Iterator[Start]:
    """A running script with this body."""
    started: list[Program] = []

    def run(body: str) -> Program:
        started.append(Program(resolve(CommandOptions(argv=write(body)))))
        return started[-1]

    yield run
    for program in started:
        program.end()


def once(program: Program) -> dict[str, Any]:
    return program.ask('{"one": 1}', timeout_s=20.0, once=True)


def again(program: Program) -> dict[str, Any]:
    return program.ask('{"one": 1}', timeout_s=20.0, once=False)


def failing(generator: Command, **changes: Any) -> str:
    """What is said of a request that fails."""
    with pytest.raises(UnitError) as failed:
        generator.generate(order(**changes), NullProbe())
    return str(failed.value)


def test_a_program_reads_a_request_and_answers(start: Start) -> None:
    assert once(start("say(got=json.load(sys.stdin))")) == {"got": {"one": 1}}


def test_the_last_object_of_a_program_that_exits_is_its_answer(start: Start) -> None:
    program = start("""
        print("loading")
        say(level="info")
        sys.stdout.write('{"videos": []}')
    """)
    assert once(program) == {"videos": []}, "its line need not end"


def test_a_program_that_stays_answers_request_after_request_from_one_process(start: Start) -> None:
    program = start("""
        print("loading")
        for number, request in enumerate(requests()):
            print("working")
            say(number=number, pid=os.getpid())
            print("done")
    """)
    (pid,) = program.process_ids
    assert [again(program) for _ in range(3)] == [{"number": number, "pid": pid} for number in range(3)]


def test_a_program_may_answer_without_reading(start: Start) -> None:
    assert once(start("say(videos=[]); os.close(0)")) == {"videos": []}


def test_no_order_of_reading_and_writing_blocks_anyone(start: Start) -> None:
    program = start("""
        sys.stderr.write("e" * 1_000_000)
        print("o" * 1_000_000)
        text = sys.stdin.read()
        sys.stderr.write("e" * 1_000_000)
        say(letters=len(text))
    """)
    answer = program.ask("x" * 1_000_000, timeout_s=20.0, once=True)
    assert answer == {"letters": 1_000_001}


def test_what_else_it_prints_goes_to_our_stderr(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    once(start('print("chatter"); sys.stderr.write("complaint\\n"); say(videos=[])'))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert sorted(captured.err.split()) == ["chatter", "complaint"]


def test_a_log_has_an_end(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    once(start('sys.stderr.write("e" * 6_000_000); say(videos=[])'))
    text = capfd.readouterr().err
    assert 4 << 20 < len(text) < (4 << 20) + 200
    assert text.strip().endswith("is not logged]")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("sys.exit(3)", "ended with exit code 3; it left no word on stderr"),
        ("say(videos=[]); sys.exit(3)", "ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", r"was killed by SIGKILL \(out of memory is the usual sender\)"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "was killed by SIGTERM"),
        ("raise RuntimeError('no such checkpoint')", "exit code 1; its last words .*RuntimeError: no such checkpoint"),
        ("pass", "ended with exit code 0 without an answer; needed one line on stdout like"),
        ("print({'videos': []})", r"without an answer.*its last line on stdout: \{'videos': \[\]\}"),
        ("print('x' * 17_000_000)", "printed more than 16 MiB on stdout"),
        ("sys.stdout.write('x' * 17_000_000)", "printed more than 16 MiB on stdout"),
        ("os.close(1); os.close(2); time.sleep(60)", "closed its stdout without an answer, and went on"),
    ],
)
def test_a_request_that_fails_says_how_with_the_last_words(start: Start, body: str, complaint: str) -> None:
    program = start(body)
    with pytest.raises(UnitError, match=complaint) as failed:
        once(program)
    assert "generate.py: " in str(failed.value), "the program is named"
    assert program.process_ids == ()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("sys.stdin.readline(); print('{}\\n{}', flush=True); time.sleep(60)", "two JSON objects for one request"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("sys.stdin.readline(); os.close(1); time.sleep(60)", "closed its stdout without an answer"),
    ],
)
def test_a_program_that_stays_can_fail_as_well(start: Start, body: str, complaint: str) -> None:
    with pytest.raises(UnitError, match=complaint):
        again(start(body))


@pytest.mark.parametrize(
    ("body", "stays", "timeout_s", "complaint"),
    [
        ("time.sleep(60)", False, 0.5, r"took longer than timeout_s = 0\.5 s and was killed;"),
        ("say(videos=[]); time.sleep(60)", False, 2.0, r"was killed \(it had answered, but did not exit\)"),
        (
            "sys.stdin.read()",
            True,
            0.5,
            r"was killed \(with persistent: true stdin stays open, and a program that reads",
        ),
        ("print('loaded', flush=True); sys.stdin.read()", True, 2.0, "was killed; its last line on stdout: loaded"),
    ],
)
def test_a_program_that_takes_too_long_is_killed_and_told_what_may_have_kept_it(
    start: Start, body: str, stays: bool, timeout_s: float, complaint: str
) -> None:
    program = start(body)
    with pytest.raises(UnitError, match=complaint):
        program.ask("{}", timeout_s=timeout_s, once=not stays)
    assert program.process_ids == ()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            "sys.stdin.readline(); say(videos=[])",
            "ended with exit code 0 behind its last answer. With persistent: true",
        ),
        ("sys.stdin.readline(); say(videos=[]); sys.exit(7)", "ended with exit code 7 behind"),
        ("sys.stdin.readline(); say(videos=[]); time.sleep(0.2); say(late=1); time.sleep(60)", "nobody had asked for"),
    ],
)
def test_a_program_must_wait_for_the_next_request(start: Start, body: str, complaint: str) -> None:
    program = start(body)
    assert again(program) == {"videos": []}
    time.sleep(0.5)
    with pytest.raises(UnitError, match=complaint):
        again(program)


def test_last_words_are_few_short_and_fit_to_be_printed(start: Start) -> None:
    program = start(r"""
        sys.stderr.write("".join(f"line {number}\n" for number in range(100)))
        sys.stderr.write("10%\r50%\r\x1b[31m" + "x" * 1000 + "\n")
        sys.stderr.buffer.write(b"\xff\xfe\n")
        sys.exit(1)
    """)
    with pytest.raises(UnitError) as failed:
        once(program)
    words = str(failed.value).partition("on stderr: ")[2].split(" | ")
    assert (words[0], words[1:3], len(words[3]), len(words)) == ("line 99", ["10%", "50%"], 300, 5)
    assert all(word.isprintable() for word in words)
    assert "line 0" not in str(failed.value)


def test_a_program_that_cannot_be_executed_is_a_failed_unit(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_bytes(b"\x7fnothing a kernel knows")
    file.chmod(0o755)
    before = psutil.Process().children()
    with pytest.raises(UnitError, match=r"cannot start .*script.* error.*its interpreter before it in argv"):
        Program(resolve(CommandOptions(argv=[str(file)])))
    assert psutil.Process().children() == before, "the watchdog has gone, too"


def test_arguments_are_handed_over_as_they_are_without_a_shell(write: Write, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = ["$HOME", "a b", f"; touch {shlex.quote(str(trace))}", "*", "'"]
    argv = [*write("say(argv=sys.argv[1:], cwd=os.getcwd(), added=os.environ['ADDED'])"), *arguments]
    program = Program(resolve(CommandOptions(argv=argv, cwd=str(tmp_path), env={"ADDED": "$HOME"})))
    assert once(program) == {"argv": arguments, "cwd": os.path.realpath(tmp_path), "added": "$HOME"}
    assert not trace.exists()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("say(videos=[])", "'videos' lists 0 files, needed 2"),
        ("say(videos=make(request)[:1])", "'videos' lists 1 files, needed 2"),
        ("say(video=make(request))", "unknown key in its answer 'video'. Did you mean 'videos'"),
        ("say(videos=['0.npy', '1.npy'])", "video '0.npy' is not in the output folder; there: nothing"),
        ("say(videos=['0.npy', '../1.npy'])", "video '0.npy'"),
        ("make(request); say(videos=['0.npy', '/etc/passwd'])", "video '/etc/passwd' is no path inside the output"),
        ("say(videos=make({**request, 'frames': 5}))", r"has the shape \(5, 6, 8, 3\), needed \(4, 6, 8, 3\)"),
        ("say(videos=make(request), spans=[{'name': 'text', 'seconds': float('nan')}])", "finite"),
        (
            "say(videos=make(request), spans=[{'name': 'text', 'seconds': 100}])",
            "'text' take 100 s, but the whole call",
        ),
    ],
)
@pytest.mark.parametrize("persistent", [False, True])
def test_an_answer_that_is_wrong_is_a_failed_unit_and_the_end_of_the_program(
    foreign: Foreign, body: str, complaint: str, persistent: bool
) -> None:
    generator = foreign(
        f"""
        for request in requests():
            print("cold feet", file=sys.stderr)
            {body}
        """,
        persistent=persistent,
    )
    said = failing(generator)
    assert said.count("generate.py: ") == 1
    assert complaint.replace("\\", "") in said
    assert said.endswith("its last words on stderr: cold feet")
    assert generator.process_ids() == ()


def test_after_a_failure_the_next_request_starts_a_new_program(foreign: Foreign, tmp_path: Path) -> None:
    generator = foreign(
        f"""
        first = not os.path.exists({str(tmp_path / "seen")!r})
        open({str(tmp_path / "seen")!r}, "w").close()
        for request in requests():
            if first:
                sys.exit("first")
            say(videos=make(request))
        """,
        persistent=True,
    )
    assert "its last words on stderr: first" in failing(generator)
    assert generator.generate(order(), NullProbe()).frames.shape == (2, 4, 6, 8, 3)


def test_a_process_that_a_program_leaves_behind_neither_lasts_nor_holds_the_answer_up(start: Start) -> None:
    program = start("""
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        say(pid=left.pid)
    """)
    start_s = time.monotonic()
    left = once(program)["pid"]
    assert time.monotonic() - start_s < 5, "it holds stdout open for a minute"
    program.end()
    deadline = time.monotonic() + 5  # a signal that was sent takes its time to arrive
    while psutil.pid_exists(left) and psutil.Process(left).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it was not ended"
        time.sleep(0.01)
