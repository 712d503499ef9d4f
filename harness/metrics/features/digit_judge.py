"""The digit judge: two small networks that read digit and direction off a clip of moving digits.

They are trained here, on the data set's train split only, and tested on clips of handwritten images they
never saw. The digit network looks at the brightest window of each frame and averages its features over the
frames. The direction network sees the first frames stacked: a caption's direction is that of frame 0 to
frame 1, and later frames may already have bounced.

Generators blur, add grain and miss the contrast. Half of the training clips are therefore disturbed, each
by a random blend with its 3x3-blurred self, a contrast of 0.6 to 1.2, and Gaussian grain of up to 0.1 of
the range. A judge names something for every clip: noise scores chance, 1/10 and 1/8, not 0.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import nn
from torch.nn import functional as F

from harness.data.base import Split
from harness.data.digits import DIRECTIONS, MovingDigits
from harness.errors import MediaError
from harness.seeds import derive_seed, torch_generator
from harness.store import write_atomically

VERSION = 1
"""Counts up whenever anything here changes what a judge answers; part of the cache key."""

FIRST_FRAMES = 4
"""Frames that the direction network sees; fewer if the clips are shorter."""

TRAINING_STEPS = 600
TRAINING_BATCH = 96
HELD_OUT_CLIPS = 1024

_RATE = 1e-2
_FEATURES = 32
_WINDOW = 10
_BLUR = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]).div(16)[None, None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How well a judge does on undisturbed real clips of the test split, whose images it never saw."""

    digit: float
    """Share of clips whose digit is named correctly, in [0, 1]."""
    direction: float
    """Share of clips whose direction is named correctly, in [0, 1]."""
    clips: int
    """Clips tested."""


class _DigitNet(nn.Module):
    """Grey frames (B, H, W) to features (B, 32): looks only at the window that a digit fills."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 48, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Conv2d(48, 64, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(64 * 3 * 3, _FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(_FEATURES, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.body(brightest_window(images)[:, None])
        return features


class _DirectionNet(nn.Module):
    """The first frames stacked, (B, frames, H, W), to features (B, 32)."""

    def __init__(self, *, frames: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(frames, 32, 5, padding=2, stride=2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 2 * 2, _FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(_FEATURES, len(DIRECTIONS))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.body(clips)
        return features


class Networks(nn.Module):
    """The two networks of a judge, from decoded frames to features and names."""

    def __init__(self, *, first_frames: int) -> None:
        super().__init__()
        self.first_frames = first_frames
        self.digit = _DigitNet()
        self.direction = _DirectionNet(frames=first_frames)

    @torch.inference_mode()
    def features(self, frames: np.ndarray) -> torch.Tensor:
        """(N, 64) from uint8 (N, T, H, W, C): 32 of the digit, averaged over frames, and 32 of the motion."""
        if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[1] < self.first_frames:
            raise MediaError(
                f"the digit judge cannot read {frames.dtype} frames of shape {frames.shape}; it needs "
                f"decoded clips, uint8 (N, T, H, W, C) with T >= {self.first_frames}."
            )
        rows = [torch.empty(0, 2 * _FEATURES)]
        for at in range(0, len(frames), 64):
            clips = _grey(frames[at : at + 64])
            digit = self.digit(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)
            rows.append(torch.cat([digit, self.direction(clips[:, : self.first_frames])], dim=1))
        return torch.cat(rows)

    @torch.inference_mode()
    def predict(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Digit and direction, (N,) each, from uint8 (N, T, H, W, C)."""
        digit, direction = self.features(frames).split(_FEATURES, dim=1)
        return self.digit.head(digit).argmax(1).numpy(), self.direction.head(direction).argmax(1).numpy()


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Names digit and direction of clips, and gives the features it does so by.

    Made by :func:`load_or_train_judge`.
    """

    networks: Networks
    """In evaluation mode."""
    held_out: HeldOut
    """Accuracy on real clips of unseen handwriting."""
    key: str
    """Identity of data set, seed and version: what the cached files are called by."""
    trained: dict[str, Any]
    """How: ``images`` (handwritten images seen), ``clips``, ``steps``, ``seed``, ``seconds``."""

    name = f"digit-judge-v{VERSION}"

    def predict(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Digit (N,) in 0..9 and direction (N,), an index into ``DIRECTIONS``, of uint8 (N, T, H, W, C)
        frames.

        Raises:
            MediaError: no uint8 video, or fewer frames than the direction network sees.
        """
        return self.networks.predict(frames)

    def features(self, frames: np.ndarray) -> np.ndarray:
        """Features (N, 64), float32, of uint8 (N, T, H, W, C): 32 of the digit over all frames, 32 of the
        first ones.

        Raises:
            MediaError: no uint8 video, or fewer frames than the direction network sees.
        """
        return self.networks.features(frames).numpy()


def load_or_train_judge(dataset: MovingDigits, folder: Path, *, seed: int = 0) -> Judge:
    """The judge of a data set: read from ``folder``, or trained (some 15 CPU seconds) and kept there.

    Weights lie in ``digit-judge-<key>.safetensors``, all else in a ``.json`` of the same name. The key
    covers the data set's options, ``seed`` and the judge's version. Files that do not fit are replaced,
    with a warning in the log. Several processes may ask at once: one trains, the others wait.
    """
    stem = folder / f"digit-judge-{_key(dataset, seed)}"
    weights, card = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(stem.with_suffix(".lock")):
        if card.exists():
            try:
                return _read(dataset, weights, card)
            except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
                _log.warning("%s cannot be used (%s: %s): training again", card, type(error).__name__, error)
        judge = train_judge(dataset, seed=seed)
        content = tensors_to_bytes(dict(judge.networks.state_dict()))
        facts = {
            "key": judge.key,
            "data": dataset.describe(),
            "trained": judge.trained,
            "held_out": asdict(judge.held_out),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        write_atomically(weights, content)
        write_atomically(card, json.dumps(facts, indent=2, sort_keys=True) + "\n")
    return judge


def train_judge(dataset: MovingDigits, *, seed: int = 0) -> Judge:
    """Train a judge on fresh clips of the train split and test it on the test split. Keeps no files.

    One thread, and no global random state: the same data set and seed give the same judge on the same
    machine, whatever runs around it.
    """
    started = time.perf_counter()
    first = min(FIRST_FRAMES, dataset.shape.frames)
    with _one_thread_and_own_randomness(derive_seed("digit-judge", seed)):
        networks = Networks(first_frames=first)
        draws = torch_generator("digit-judge", seed, "training")
        optimiser = torch.optim.AdamW(networks.parameters(), lr=_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=TRAINING_STEPS)
        for step in range(TRAINING_STEPS):
            numbers = np.arange(step * TRAINING_BATCH, (step + 1) * TRAINING_BATCH)
            digit, direction = _truth(dataset, "train", numbers)
            looked_at = torch.randint(dataset.shape.frames, (2,), generator=draws).tolist()
            clips = _grey(dataset.clips("train", numbers).frames[:, [*range(first), *looked_at]])
            clips = _disturbed(clips, draws)
            digits = networks.digit.head(networks.digit(clips[:, first:].flatten(0, 1)))
            directions = networks.direction.head(networks.direction(clips[:, :first]))
            loss = F.cross_entropy(digits, digit.repeat_interleave(2)) + F.cross_entropy(directions, direction)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        networks.eval()
        held_out = _tested(networks, dataset)
    described: Any = dataset.describe()
    trained = {
        "images": described["images"]["train"],
        "clips": TRAINING_STEPS * TRAINING_BATCH,
        "steps": TRAINING_STEPS,
        "seed": seed,
        "seconds": time.perf_counter() - started,
    }
    _log.info("trained %s in %.0f s: %s", Judge.name, trained["seconds"], held_out)
    return Judge(networks=networks, held_out=held_out, key=_key(dataset, seed), trained=trained)


def brightest_window(images: torch.Tensor) -> torch.Tensor:
    """The 10x10 window with the largest sum, from images (B, H, W) of at least 8x8 padded by one black pixel.

    A sum over 100 pixels is hardly moved by grain, unlike a centroid, which background noise draws to the
    middle.
    """
    padded = F.pad(images, (1, 1, 1, 1))
    sums = F.avg_pool2d(padded[:, None], _WINDOW, stride=1)[:, 0]
    best = sums.flatten(1).argmax(1)
    row, column = best // sums.shape[2], best % sums.shape[2]
    reach = torch.arange(_WINDOW)
    batch = torch.arange(len(images))[:, None, None]
    return padded[batch, (row[:, None] + reach)[:, :, None], (column[:, None] + reach)[:, None, :]]


def _key(dataset: MovingDigits, seed: int) -> str:
    described = dataset.describe()
    content = {
        "judge": VERSION,
        "seed": seed,
        "data": described["name"],
        "options": described["options"],
        "split": described["images"],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _read(dataset: MovingDigits, weights: Path, card: Path) -> Judge:
    facts = json.loads(card.read_text())
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != facts["sha256"] or facts["key"] not in card.name:
        raise ValueError(f"{weights.name} is not the file that the card describes")
    networks = Networks(first_frames=min(FIRST_FRAMES, dataset.shape.frames))
    networks.load_state_dict(tensors_from_bytes(content))
    return Judge(
        networks=networks.eval(),
        held_out=HeldOut(**facts["held_out"]),
        key=facts["key"],
        trained=facts["trained"],
    )


def _tested(networks: Networks, dataset: MovingDigits) -> HeldOut:
    numbers = np.arange(HELD_OUT_CLIPS)
    answers = networks.predict(dataset.clips("test", numbers).frames)
    right = [
        float((answer == truth.numpy()).mean())
        for answer, truth in zip(answers, _truth(dataset, "test", numbers), strict=True)
    ]
    return HeldOut(digit=right[0], direction=right[1], clips=len(numbers))


def _truth(dataset: MovingDigits, split: Split, numbers: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    plan = dataset.plan(split, numbers)
    return torch.from_numpy(plan.digit), torch.from_numpy(plan.direction)


def _grey(frames: np.ndarray) -> torch.Tensor:
    """uint8 (N, T, H, W, C) to float (N, T, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).float().mean(-1).div(255)


def _disturbed(clips: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Half of the clips (N, T, H, W), blurred, with another contrast and grain, as the module's head says."""

    def draw() -> torch.Tensor:
        return torch.rand(len(clips), 1, 1, 1, generator=draws)

    touched = (draw() < 0.5).float()
    blurred = F.conv2d(clips.flatten(0, 1)[:, None], _BLUR, padding=1).view_as(clips)
    clips = clips + touched * draw() * (blurred - clips)
    clips = clips * (1 + touched * (0.6 * draw() - 0.4))
    return clips + touched * 0.1 * draw() * torch.randn(clips.shape, generator=draws)


@contextmanager
def _one_thread_and_own_randomness(seed: int) -> Iterator[None]:
    """Sums in one order whatever the caller's threads, and nobody else's random state touched."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
