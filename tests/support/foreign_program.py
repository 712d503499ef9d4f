"""Foreign programs: real scripts in plain Python, started by a path, that know nothing of tpbench."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from harness.generator import ClipShape, Context, Request
from harness.program.generator import Command

FRAMES, HEIGHT, WIDTH = 4, 6, 8
PRELUDE = '''
import json, os, signal, subprocess, sys, time

def save(path, shape, value=0):
    """A .npy file of uint8, without numpy."""
    head = str({"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}).ljust(117) + "\\n"
    size = 1
    for length in shape:
        size *= length
    with open(path, "wb") as file:
        file.write(b"\\x93NUMPY\\x01\\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes([value]) * size)

def make(request):
    """One video per prompt; its grey says which seed it came from."""
    names = []
    for number, seed in enumerate(request["seeds"]):
        names.append(f"{number}.npy")
        shape = (request["frames"], request["height"], request["width"], 3)
        save(os.path.join(request["output"], names[-1]), shape, seed % 251)
    return names

def requests():
    for line in sys.stdin:
        yield json.loads(line)

def say(**answer):
    print(json.dumps(answer), flush=True)
'''
PYTHON = (sys.executable, "-I", "-S")
"""Without site-packages: nothing of ours can be imported."""

Write = Callable[[str], list[str]]
Foreign = Callable[..., Command]


def context(**options: Any) -> Context:
    return Context(
        seed=0,
        shape=ClipShape(frames=FRAMES, height=HEIGHT, width=WIDTH),
        vocabulary=(),
        caption_length=1,
        options=options,
    )


def order(*sample_ids: int, **changes: Any) -> Request:
    ids = sample_ids or (0, 1)
    given: dict[str, Any] = {
        "prompts": tuple(f"prompt {sample}" for sample in ids),
        "sample_ids": ids,
        "study_seed": 3,
        "frames": FRAMES,
        "height": HEIGHT,
        "width": WIDTH,
        "fps": 8.0,
        "steps": 5,
        **changes,
    }
    return Request(**given)
