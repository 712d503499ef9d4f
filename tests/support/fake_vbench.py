"""A program that plays VBench's environment: plain Python, nothing of tpbench, no numpy.

    python -I -S fake_vbench.py HOW

It really reads the frames that it is given: the first byte of each says what is in it, by :data:`WORLD`. HOW is
``well``, or what it does wrong.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Callable
from typing import Any

Environment = Callable[..., None]
"""Names this program, told what to do, as the user's environment of VBench."""

NOTHING, CAR_LEFT, CAR_RIGHT, RED_CAR, BLUE_CAR, BUS_ONLY = 0, 10, 20, 30, 40, 50
BUS = {"label": "bus", "box": [40, 0, 60, 20], "caption": "a bus"}
WORLD: dict[int, list[dict[str, Any]]] = {
    NOTHING: [],
    CAR_LEFT: [BUS, {"label": "car", "box": [0, 0, 20, 20], "caption": "a car"}],
    CAR_RIGHT: [BUS, {"label": "car", "box": [80, 0, 100, 20], "caption": "a car"}],
    RED_CAR: [{"label": "car", "box": [0, 0, 20, 20], "caption": "a red car"}],
    BLUE_CAR: [{"label": "car", "box": [0, 0, 20, 20], "caption": "a blue car"}],
    BUS_ONLY: [BUS],
}
"""Grey to what is seen."""


def first_bytes(path: str) -> list[int]:
    """The first byte of each frame of a .npy of uint8 (T, H, W, 3)."""
    with open(path, "rb") as file:
        content = file.read()
    start = 10 + int.from_bytes(content[8:10], "little")
    shape = ast.literal_eval(content[10:start].decode())["shape"]
    assert len(shape) == 4
    assert shape[3] == 3
    size = shape[1] * shape[2] * 3
    assert len(content) == start + shape[0] * size
    return [content[start + frame * size] for frame in range(shape[0])]


def look(dimension: str, video: dict[str, Any]) -> dict[str, Any]:
    """What is in one video, as the dimension takes it."""
    greys = first_bytes(video["file"])
    if dimension == "scene":
        return {"captions": [f"a street with {len(WORLD[grey])} cars at night" for grey in greys]}
    if dimension == "human_action":
        sure = 0.9 if greys[0] else 0.5
        return {"actions": [{"label": "Riding A Bike", "score": sure}, {"label": "jogging", "score": 0.1}]}
    return {"frames": [WORLD[grey] for grey in greys]}


def answer(how: str, request: dict[str, Any]) -> str:
    """One line, right or wrong."""
    assert request["protocol"] == 1
    videos = [look(request["dimension"], video) for video in request["videos"]]
    if how == "score":
        videos = [{"score": float(first_bytes(video["file"])[0] > 0)} for video in request["videos"]]
    elif how == "a video less":
        videos.pop()
    elif how == "a frame less":
        videos[0]["frames"] = videos[0]["frames"][1:]
    elif how == "some scores":
        videos[0] = {"score": 0.5}
    elif how == "both":
        videos[0]["score"] = 0.5
    elif how == "nothing":
        videos[0] = {}
    elif how == "nan":
        videos = [{"score": float("nan")} for _ in videos]
    elif how == "infinite box":
        videos[0]["frames"][0] = [{"label": "car", "box": [0, 0, float("inf"), 1], "caption": "a car"}]
    elif how == "turned box":
        videos[0]["frames"][0] = [{"label": "car", "box": [9, 0, 1, 1], "caption": "a car"}]
    elif how == "no box":
        videos[0]["frames"][0] = [{"label": "car", "caption": "a car"}]
    elif how == "in percent":
        videos = [{"score": 75} for _ in videos]
    elif how == "another key":
        return json.dumps({"results": videos})
    elif how == "garbage":
        return "tensor([0.5])"
    return json.dumps({"videos": videos})


def main(how: str) -> None:
    """Answer requests until stdin ends."""
    print("loading GRiT", flush=True)
    for number, line in enumerate(sys.stdin):
        if how == "crash" or (how == "second crash" and number == 1):
            raise RuntimeError("CUDA out of memory")
        if how == "hang":
            time.sleep(60)
        print(answer(how, json.loads(line)), flush=True)
        if how == "garbage":
            return


if __name__ == "__main__":
    main(sys.argv[1])
