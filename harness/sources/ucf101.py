"""UCF-101 (Soomro et al., 2012): 13 320 clips of 101 actions, in the three splits of its authors.

UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi ...
ucfTrainTestlist/trainlist01.txt    ``ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1``, a path and a class number
ucfTrainTestlist/testlist01.txt     a path alone
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import MediaError
from harness.sources.entry import Entry
from harness.sources.listed import Listed, find_list, present, require_split

SPLITS = ("train01", "train02", "train03", "test01", "test02", "test03")
CAPTIONS = "names of classes in words; UCF-101 has no captions"

_LISTS = ("ucfTrainTestlist", "annotations", "")
_FOLDERS = ("UCF-101", "videos", ".")
_LINE = re.compile(r"([^/\s]+)/([^/\s]+\.avi)(?: [0-9]+)?")


def entries(place: Path, split: str | None) -> list[Entry]:
    """The clips of a split, in the list's order.

    Raises:
        UsageError: UCF-101 has no such split.
        MediaError: its list is missing or of another form, or none of the clips is there.
    """
    split = require_split("ucf-101", split, SPLITS)
    source = find_list(place, _LISTS, (f"{split[:-2]}list{split[-2:]}.txt",))
    try:
        lines = source.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{source}: cannot be read: {error}") from error
    listed = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise MediaError(f"{source}, line {number}: needed 'Class/clip.avi', with or without the class's number")
        listed.append(
            Listed(
                line=f"line {number}",
                paths=tuple(f"{folder}/{match[1]}/{match[2]}" for folder in _FOLDERS),
                caption=in_words(match[1]),
            )
        )
    return present(place, listed, source)


def in_words(name: str) -> str:
    """
    >>> in_words("ApplyEyeMakeup"), in_words("YoYo")
    ('apply eye makeup', 'yo yo')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
