"""Kinetics-400, -600 and -700 (Kay et al., 2017, and after): clips of 10 s from public videos, by action.

    train.csv    validate.csv    test.csv    columns label, youtube_id, time_start, time_end, split
    <label>/<youtube_id>_<start>_<end>.mp4    seconds in six digits

The class folder, with spaces or underscores, may lie in a folder named after the split, or be left out.
Lists may have their number before them (``kinetics_700_train.csv``) and lie in ``annotations``. Kinetics-400 calls
``validate`` ``val``. Many of the videos are no longer published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import MediaError
from harness.sources.entry import Entry
from harness.sources.listed import Listed, find_list, present, require_split
from harness.sources.table import Row, rows

SPLITS = ("train", "validate", "test")
CAPTIONS = "names of classes; Kinetics has no captions"

_LISTS = ("", "annotations")
_NUMBERS = ("400", "600", "700", "700_2020")
_COLUMNS = {
    "label": ("label",),
    "youtube_id": ("youtube_id",),
    "time_start": ("time_start",),
    "time_end": ("time_end",),
    "split": ("split",),
}
_SECONDS = re.compile(r"([0-9]{1,6})(?:\.0*)?")


def entries(place: Path, split: str | None) -> list[Entry]:
    """The clips of a split, in the list's order.

    Raises:
        UsageError: Kinetics has no such split.
        MediaError: its list is missing or of another form, or none of the clips is there.
    """
    split = require_split("kinetics", split, SPLITS)
    called = ("validate", "val") if split == "validate" else (split,)
    lists = [f"{number}{name}.csv" for name in called for number in ("", *(f"kinetics_{n}_" for n in _NUMBERS))]
    source = find_list(place, _LISTS, lists)
    return present(place, _listed(source, called), source)


def file_name(youtube_id: str, start: int, end: int) -> str:
    """
    >>> file_name("-3B32lodo2M", 59, 69)
    '-3B32lodo2M_000059_000069.mp4'
    """
    return f"{youtube_id}_{start:06d}_{end:06d}.mp4"


def _listed(source: Path, called: tuple[str, ...]) -> Iterator[Listed]:
    for row in rows(source, _COLUMNS, optional=("label",)):
        if row.cells["split"] in called:
            label = row.cells.get("label", "")
            name = file_name(row.cells["youtube_id"], _seconds(source, row, "start"), _seconds(source, row, "end"))
            classes = dict.fromkeys((f"{label}/", f"{label.replace(' ', '_')}/", "") if label else ("",))
            folders = ("", *(f"{split}/" for split in called))
            paths = tuple(f"./{folder}{part}{name}" for folder in folders for part in classes)
            yield Listed(line=f"line {row.line}", paths=paths, caption=label or None)


def _seconds(source: Path, row: Row, which: str) -> int:
    text = row.cells[f"time_{which}"]
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise MediaError(f"{source}, line {row.line}: time_{which} is '{text:.40}'; needed whole seconds")
    return int(match[1])
