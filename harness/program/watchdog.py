"""A process that does nothing but outlive its parent for a moment, and take a group of processes with it.

Run as a file: ``python -P watchdog.py PARENT FOLDER``, leading a process group of its own. It waits until its stdin
closes, which the kernel sees to even when the parent is killed with SIGKILL, kills its group, and removes the folder.
A foreign program joins that group when it is started, so from its first instruction on it cannot outlive us. It may
not be in the group of a worker, because a time-out has to kill the program without the worker.

The group is not all: launchers such as torchrun start their workers in sessions of their own. Descendants of the
group's members are therefore killed as well, wherever they moved. Out of reach is only what did both: leave the group
and outlive all of its ancestors there.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from contextlib import suppress

import psutil

DEAF_TO = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
"""Blocked from the start, by whoever starts it: a program that signals its group does not lose its watchdog by that."""
POLL_S = 1.0
STDIN = 0


def family(group: int) -> list[int]:
    """The members of a process group and all of their descendants, elders first."""
    parents = {process.pid: process.info["ppid"] for process in psutil.process_iter(["ppid"])}
    found = []
    for pid in parents:
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == group:
                found.append(pid)
    for elder in found:  # grows while it is walked
        found += [pid for pid, parent in parents.items() if parent == elder and pid not in found]
    return found


def kill_family(group: int) -> None:
    """SIGKILL for the members of a process group and all of their descendants, but not for the caller."""
    for pid in family(group):
        if pid != os.getpid():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def kill_group(group: int) -> None:
    """SIGKILL for a process group."""
    with suppress(ProcessLookupError, PermissionError):  # nothing, or only the dead, are left of it
        os.killpg(group, signal.SIGKILL)


def wait_for_end(parent: int) -> None:
    """Return when the parent is gone.

    Its end closes our stdin, unless a fork of it holds that open: so it is looked at, too.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([STDIN], [], [], POLL_S)
        if readable and not os.read(STDIN, 1):
            return


if __name__ == "__main__":
    wait_for_end(int(sys.argv[1]))
    try:
        kill_family(os.getpgrp())
        shutil.rmtree(sys.argv[2], ignore_errors=True)
    finally:
        kill_group(os.getpgrp())  # with ourselves
