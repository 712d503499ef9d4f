"""The conformance suite passes what is right, and each of its checks can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.conformance import SAMPLING, TRAINING, check
from harness.errors import UsageError

FILE = Path(__file__).with_name("generators_on_trial.py")

BREAKS = {
    "CannotLoad": "it loads without options",
    "IgnoresOptions": "an unknown option is refused by name",
    "FloatFrames": "videos are uint8 RGB of the shape asked for",
    "HalfTheFrames": "videos are uint8 RGB of the shape asked for",
    "CountsItsCalls": "the same request gives the same videos",
    "OneNoiseForAll": "another sample id gives another video",
    "NormalisesOverTheBatch": "a sample does not depend on its batch",
    "SortsItsSamples": "videos come in the order of the request",
    "DeafToPrompts": "another prompt gives another video",
    "OwnNoise": "the noise comes from the request",
    "HidesEvaluations": "the probe is told of every evaluation",
    "TellsNoSteps": "the probe is told of every evaluation",
    "GlobalTorchNoise": "global random state is left alone",
    "DrawsFromPython": "global random state is left alone",
    "DrawsFromNumpy": "global random state is left alone",
    "InitialisesFromTheGlobalSeed": "the same request gives the same videos",
    "LossPerClip": "the loss is a finite scalar with a gradient for every parameter",
    "NotANumber": "the loss is a finite scalar with a gradient for every parameter",
    "DetachedLoss": "the loss is a finite scalar with a gradient for every parameter",
    "HasASilentParameter": "the loss is a finite scalar with a gradient for every parameter",
    "OwnTrainingNoise": "a training step depends on nothing but the batch",
    "ScalesTheBatch": "a training step does not change the batch",
    "ClimbsTheLoss": "training reduces the loss",
    "ForgetsItsWeights": "weights survive saving and loading",
    "UntrainedCopySamples": "weights survive saving and loading",
}


def failures(name: str) -> dict[str, str]:
    return {item.name: item.detail for item in check(name) if not item.passed}


@pytest.mark.parametrize("name", ["full-rate", "tpdiff", f"{FILE}:Good", f"{FILE}:CannotBeTrained"])
def test_a_generator_that_keeps_its_promises_passes(name: str) -> None:
    assert failures(name) == {}


@pytest.mark.parametrize(("cls", "promise"), BREAKS.items())
def test_a_broken_promise_is_found(cls: str, promise: str) -> None:
    assert promise in failures(f"{FILE}:{cls}")


def test_every_check_is_shown_to_fail() -> None:
    shown = {*BREAKS.values(), "it does not import reports"}
    assert shown == {"it loads without options", *SAMPLING, *TRAINING}


def test_an_import_of_reports_is_found(tmp_path: Path) -> None:
    path = tmp_path / "imports_reports.py"
    path.write_text(FILE.read_text() + "\n\ndef later() -> None:\n    from reports import csv\n")
    assert "imports reports" in failures(f"{path}:Good")["it does not import reports"]


def test_the_training_checks_are_asked_of_trainable_generators_only() -> None:
    assert set(TRAINING) <= {item.name for item in check(f"{FILE}:Good")}
    assert not set(TRAINING) & {item.name for item in check(f"{FILE}:CannotBeTrained")}


def test_a_generator_that_does_not_load_is_asked_nothing_else() -> None:
    (only,) = check(f"{FILE}:CannotLoad")
    assert not only.passed
    assert "on another machine" in only.detail


def test_an_unknown_generator_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Did you mean 'tpdiff'"):
        check("tpdif")


def test_checking_leaves_the_global_random_state_as_it_was() -> None:
    before = torch.get_rng_state()
    check(f"{FILE}:Good")
    assert torch.equal(before, torch.get_rng_state())
