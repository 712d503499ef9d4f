"""MSR-VTT (Xu et al., CVPR 2016): 10 000 clips with 20 sentences each, in the split of its authors.

    train_val_videodatainfo.json    test_videodatainfo.json    or MSRVTT_data.json, which has all
    TrainValVideo/video0.mp4 ...    TestVideo/video7010.mp4 ...    or all in videos/

The lists hold ``videos`` (``video_id``, ``split``) and ``sentences`` (``video_id``, ``sen_id``, ``caption``).
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import MediaError
from harness.sources.entry import Entry
from harness.sources.json_file import Pairs, load_json, objects
from harness.sources.listed import Listed, find_list, present, require_split

SPLITS = ("train", "validate", "test")
CAPTIONS = "of each video's 20 sentences the one with the lowest sen_id"

_LISTS = ("", "annotation", "annotations")
_FOLDERS = ("TrainValVideo", "TestVideo", "videos", "videos/all", "video", "all", ".")


def entries(place: Path, split: str | None) -> list[Entry]:
    """The clips of a split, in the list's order.

    Raises:
        UsageError: MSR-VTT has no such split.
        MediaError: its list is missing or of another form, or none of the clips is there.
    """
    split = require_split("msr-vtt", split, SPLITS)
    part = "test_videodatainfo.json" if split == "test" else "train_val_videodatainfo.json"
    source = find_list(place, _LISTS, (part, "MSRVTT_data.json"))
    document = load_json(source)
    try:
        if not isinstance(document, Pairs):
            raise ValueError("needed an object with videos and sentences")
        captions = _captions(document)
        listed = []
        for number, video in enumerate(objects(document.one("videos"), "videos"), start=1):
            name = video.one("video_id")
            if not isinstance(name, str):
                raise ValueError(f"videos, entry {number}: video_id is no text")
            if video.one("split") == split:
                paths = tuple(f"{folder}/{name}.mp4" for folder in _FOLDERS)
                listed.append(Listed(line=f"entry {number}", paths=paths, caption=captions.get(name)))
    except ValueError as error:
        raise MediaError(f"{source}: {error}") from error
    return present(place, listed, source)


def _captions(document: Pairs) -> dict[str, str]:
    """By video, the sentence that was written first."""
    first: dict[str, tuple[int, str]] = {}
    for number, sentence in enumerate(objects(document.one("sentences"), "sentences"), start=1):
        name, order, text = (sentence.one(key) for key in ("video_id", "sen_id", "caption"))
        if not isinstance(name, str) or not isinstance(text, str) or not isinstance(order, int):
            raise ValueError(f"sentences, entry {number}: needed video_id and caption as text, sen_id as a number")
        if name not in first or order < first[name][0]:
            first[name] = (order, text.strip())
    return {name: text for name, (_, text) in first.items()}
