"""OpenVid-1M (Nan et al., ICLR 2025): a million clips with long captions, and the 1080p part of them, OpenVidHD.

    data/train/OpenVid-1M.csv    data/train/OpenVidHD.csv    columns video, caption and others
    video_folder/<video>         what the parts of the archive hold

It has no split into training and test; its two lists take that place.
"""

from __future__ import annotations

from pathlib import Path

from harness.sources.entry import Entry
from harness.sources.listed import Listed, find_list, present, require_split
from harness.sources.table import rows

SPLITS = ("OpenVid-1M", "OpenVidHD")
CAPTIONS = "its own"

_LISTS = ("data/train", "")
_FOLDERS = ("video_folder", "video", "videos", ".")


def entries(place: Path, split: str | None) -> list[Entry]:
    """The clips of a list, in its order.

    Raises:
        UsageError: OpenVid-1M has no such list.
        MediaError: it is missing or of another form, or none of the clips is there.
    """
    split = require_split("openvid-1m", split, SPLITS)
    source = find_list(place, _LISTS, (f"{split}.csv",))
    listed = (
        Listed(
            line=f"line {row.line}",
            paths=tuple(f"{folder}/{row.cells['video']}" for folder in _FOLDERS),
            caption=row.cells["caption"].strip() or None,
        )
        for row in rows(source, {"video": ("video",), "caption": ("caption",)})
    )
    return present(place, listed, source)
