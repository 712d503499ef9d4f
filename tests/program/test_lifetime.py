"""A foreign program never outlives us: not a time-out, not the end of its generator, not kill -9."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from foreign_program import Foreign, Write, order
from harness.errors import UnitError
from harness.generator import NullProbe
from harness.program.watchdog import family

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 10.0
SLEEP = "import time; time.sleep(300)"
FAMILY = """
    child = subprocess.Popen([sys.executable, "-c", {sleep!r}])
    launched = subprocess.Popen([sys.executable, "-c", {sleep!r}], start_new_session=True)  # as torchrun does
    with open({trace!r} + "~", "w") as file:
        json.dump([os.getpid(), child.pid, launched.pid], file)
    os.rename({trace!r} + "~", {trace!r})
    for request in requests():
        {then}
    time.sleep(300)  # it does not end with its stdin
"""
PARENT = """
    import json, os, signal, sys, threading, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs deaf to it
    sys.path.insert(0, {root!r})
    from harness.program.generator import Command
    from harness.generator import ClipShape, Context, NullProbe, Request

    generator = Command()
    generator.load(Context(
        seed=0, shape=ClipShape(frames=4, height=6, width=8), vocabulary=(), caption_length=1,
        options={{"argv": json.loads({argv!r}), "persistent": True}},
    ))
    request = Request(
        prompts=("a",), sample_ids=(0,), study_seed=0, frames=4, height=6, width=8, fps=8.0, steps=2
    )
    {before}
    generator.generate(request, NullProbe())
    {after}
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true before our patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pids: Sequence[int]) -> bool:
    return eventually(lambda: not any(alive(pid) for pid in pids))


class Household:
    """A program with a child in its group and one in a session of its own."""

    def __init__(self, folder: Path) -> None:
        self.trace = folder / "pids.json"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def body(self, *, then: str) -> str:
        return FAMILY.format(sleep=SLEEP, trace=str(self.trace), then=then)

    def pids(self) -> list[int]:
        """Program, child, launched; waits for them."""
        assert eventually(self.trace.exists)
        found: list[int] = json.loads(self.trace.read_text())
        return found


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    """Whatever a test leaves alive is killed."""
    home = Household(tmp_path)
    yield home
    for pid in home.pids():
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def parent(write: Write, household: Household, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process that runs the household as its generator."""
    started = []

    def run(
        *, then: str = "time.sleep(300)", before: str = "pass", after: str = "pass", new_session: bool = False
    ) -> subprocess.Popen[bytes]:
        argv = json.dumps(write(household.body(then=then)))
        code = PARENT.format(root=str(ROOT), argv=argv, before=before, after=after)
        with open(tmp_path / "parent.log", "wb") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", textwrap.dedent(code)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | {"TMPDIR": str(household.temporary)},
                    start_new_session=new_session,
                )
            )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


Parent = Callable[..., subprocess.Popen[bytes]]


def test_kill_9_of_the_parent_in_the_middle_of_a_request_ends_the_program(parent: Parent, household: Household) -> None:
    process = parent()
    pids = household.pids()
    assert all(alive(pid) for pid in pids)
    (output,) = household.temporary.glob("tpbench-*/output-*")
    (output / "half.npy").touch()
    process.kill()
    assert gone(pids)
    assert eventually(lambda: not any(household.temporary.iterdir())), "what it wrote is gone, too"


def test_kill_9_of_the_parent_between_two_requests_ends_the_program(parent: Parent, household: Household) -> None:
    process = parent(then="say(videos=make(request))", after="print('idle', flush=True); time.sleep(300)")
    pids = household.pids()
    log = household.trace.parent / "parent.log"
    assert eventually(lambda: "idle" in log.read_text()), log.read_text()
    assert alive(pids[0])
    process.kill()
    assert gone(pids)


def test_the_driver_kills_the_group_of_a_worker_and_the_program_ends_with_it(
    parent: Parent, household: Household
) -> None:
    worker = parent(new_session=True)
    pids = household.pids()
    assert os.getpgid(pids[0]) != worker.pid, "the program is in a group of its own, which the driver does not kill"
    os.killpg(worker.pid, signal.SIGKILL)
    assert gone(pids)


def test_a_worker_that_leaves_without_any_clean_up_takes_the_program_along(
    parent: Parent, household: Household
) -> None:
    process = parent(before="threading.Timer(1.0, lambda: os._exit(0)).start()")
    assert gone(household.pids())
    assert process.wait() == 0


def test_a_fork_of_the_parent_that_lives_on_does_not_save_the_program(parent: Parent, household: Household) -> None:
    trace = household.trace.parent / "fork"
    fork = f"pid = os.fork(); pid or time.sleep(300); open({str(trace)!r}, 'w').write(str(pid))"
    process = parent(before=f"threading.Timer(1.0, lambda: exec({fork!r})).start()")
    pids = household.pids()
    assert eventually(lambda: trace.exists() and bool(trace.read_text())), "it forks while the program runs"
    forked = int(trace.read_text())
    try:
        process.kill()
        assert gone(pids)
        assert alive(forked), "the fork holds the pipe of the watchdog open"
    finally:
        os.kill(forked, signal.SIGKILL)


def test_without_a_watchdog_a_program_survives_kill_9_of_its_parent(household: Household, write: Write) -> None:
    argv = write(household.body(then="time.sleep(300)").replace("for request in requests()", "while True"))
    code = f"import subprocess, time; subprocess.Popen({argv!r}, process_group=0); time.sleep(300)"
    process = subprocess.Popen([sys.executable, "-c", code])
    pids = household.pids()
    process.kill()
    process.wait()
    time.sleep(1.5)
    assert all(alive(pid) for pid in pids), "what the tests above see is the work of the watchdog"


def test_a_time_out_ends_the_whole_household(foreign: Foreign, household: Household) -> None:
    generator = foreign(household.body(then="time.sleep(300)"), timeout_s=2.0)
    start = time.monotonic()
    with pytest.raises(UnitError, match="took longer than timeout_s = 2 s and was killed"):
        generator.generate(order(), NullProbe())
    assert time.monotonic() - start < 2.0 + PATIENCE_S
    assert gone(household.pids())


def test_closing_ends_the_program_and_may_be_done_twice(foreign: Foreign, household: Household) -> None:
    before = psutil.Process().children()  # of other tests' doing
    generator = foreign(household.body(then="say(videos=make(request))"), persistent=True)
    generator.generate(order(), NullProbe())
    (pid,) = generator.process_ids()
    assert pid == household.pids()[0]
    generator.close()
    generator.close()
    assert generator.process_ids() == ()
    assert gone(household.pids())
    assert psutil.Process().children() == before, "neither program nor watchdog is left, not even as a zombie"


def test_a_generator_that_nobody_holds_any_more_ends_its_program(write: Write, household: Household) -> None:
    from foreign_program import context
    from harness.program.generator import Command

    generator = Command()
    generator.load(context(argv=write(household.body(then="say(videos=make(request))")), persistent=True))
    generator.generate(order(), NullProbe())
    assert alive(household.pids()[0])
    del generator
    gc.collect()
    assert gone(household.pids())


def test_an_interrupt_ends_the_program(parent: Parent, household: Household) -> None:
    process = parent()
    pids = household.pids()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert gone(pids)
    assert process.wait() != 0


def test_a_program_that_signals_its_group_does_not_lose_its_watchdog(parent: Parent, household: Household) -> None:
    process = parent(then="signal.signal(15, signal.SIG_IGN); os.killpg(os.getpgrp(), 15); time.sleep(300)")
    pids = household.pids()
    assert eventually(lambda: not alive(pids[1])), "its child is gone by that signal"
    process.kill()
    assert gone(pids)


def test_a_family_is_the_group_and_all_who_descend_from_it(household: Household, write: Write) -> None:
    argv = write(household.body(then="time.sleep(300)").replace("for request in requests()", "while True"))
    with subprocess.Popen(argv, process_group=0) as process:
        pids = household.pids()
        assert sorted(family(process.pid)) == sorted(pids)
        assert os.getpid() not in family(process.pid)
        process.kill()
