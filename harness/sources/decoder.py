"""Decode videos one by one, or some ahead in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from types import TracebackType

from harness.sources.entry import Entry
from harness.video import Video


class Decoder:
    """Decodes entries in ``workers`` processes; 0: in this one, each when it is asked for."""

    def __init__(self, workers: int = 0) -> None:
        self.ahead = 2 * workers
        """How many entries to begin before the first is needed."""
        # Spawned: a forked child would share torch's threads and their locks.
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers else None

    def begin(self, entry: Entry) -> Callable[[], Video]:
        """What waits for the video, and raises MediaError where there is none."""
        if self._pool is None:
            return lambda: decoded(entry)
        return self._pool.submit(entry.read).result

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def decoded(entry: Entry) -> Video:
    """A video by its entry; the last one is kept, since its clips are read one after the other."""
    return entry.read()
