"""Peaks of work that is not done: sums that one can do by hand, sizes that no machine has, and calls once more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.measure.allocations import AllocationCount
from harness.measure.predicted_memory import Built, CallLog, LiveBytes, TensorSpec, fake_copy, predict_peak

UNIT = 4
"""Bytes of a float32."""
ROWS, WIDTH = 8, 512
WEIGHTS = WIDTH * WIDTH * UNIT


def trained(*, device: str = "cpu", foreach: bool = False, layers: int = 1) -> Callable[[], Built]:
    """A stack of square layers with AdamW."""

    def build() -> Built:
        network = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False, device=device) for _ in range(layers)))
        optimiser = torch.optim.AdamW(network.parameters(), foreach=foreach)
        inputs = torch.empty(ROWS, WIDTH, device=device)

        def step() -> None:
            network(inputs).square().mean().backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        return Built(network=network, step=step, optimiser=optimiser)

    return build


def test_a_forward_pass_holds_weights_inputs_and_outputs() -> None:
    def build() -> Built:
        layer, x = nn.Linear(WIDTH, 2 * WIDTH), torch.empty(ROWS, WIDTH)
        return Built(network=layer, step=lambda: layer(x))

    peak = predict_peak(build)
    assert (peak.parameters, peak.activations, peak.held) == (
        2 * WEIGHTS + 2 * WIDTH * UNIT,
        ROWS * 2 * WIDTH * UNIT,
        ROWS * WIDTH * UNIT,
    )
    assert (peak.gradients, peak.optimiser) == (0, 0)
    assert peak.total == peak.parameters + peak.activations + peak.held


def test_buffers_count_with_the_parameters_and_shared_weights_once() -> None:
    def build() -> Built:
        network = nn.Sequential(nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False))
        network[1].weight = network[0].weight
        network.register_buffer("table", torch.empty(10))
        return Built(network=network, step=lambda: None)

    assert predict_peak(build).total == predict_peak(build).parameters == WEIGHTS + 10 * UNIT


def test_training_with_adamw_holds_gradients_and_two_states_for_each_weight() -> None:
    """The peak is in the optimiser, which is beyond gradients and states at the square root and the quotient."""
    peak = predict_peak(trained())
    assert (peak.parameters, peak.gradients) == (WEIGHTS, WEIGHTS)
    assert peak.optimiser == 2 * WEIGHTS + UNIT, "and the number of steps"
    assert WEIGHTS <= peak.activations < 4 * WEIGHTS


def test_all_parameters_at_once_take_more_than_one_after_the_other() -> None:
    """Temporaries of all layers, against those of one."""
    layers = 10
    loop, foreach = (predict_peak(trained(layers=layers, foreach=foreach)) for foreach in (False, True))
    assert loop.activations < 4 * WEIGHTS
    assert foreach.activations > 0.9 * layers * WEIGHTS
    assert foreach.optimiser == loop.optimiser == layers * (2 * WEIGHTS + UNIT)


def test_a_prediction_holds_against_a_step_in_earnest() -> None:
    predicted = predict_peak(trained(layers=3))
    with AllocationCount() as count:
        built = trained(layers=3)()
        built.step()
        count.begin()
        built.step()
        count.cut()
    assert predicted.total == pytest.approx(count.peaks().whole, rel=0.001)


def test_what_an_operator_takes_inside_of_itself_is_not_predicted() -> None:
    """Why a prediction may be too low: a convolution of doubles unfolds its input, 9 times its size."""
    shape, kernel = (1, 16, 64, 64), (16, 16, 3, 3)

    def build() -> Built:
        x, weight = (torch.empty(size, dtype=torch.float64) for size in (shape, kernel))
        return Built(network=nn.Identity(), step=lambda: F.conv2d(x, weight, padding=1))

    with AllocationCount() as count:
        built = build()
        count.begin()
        built.step()
        count.cut()
    assert predict_peak(build).total < 0.5 * (count.peaks().whole or 0)


def test_networks_that_no_machine_holds_are_predicted_on_devices_that_are_not_here() -> None:
    """400 GB of weights."""

    def build() -> Built:
        with torch.device("cuda"):
            layer, x = nn.Linear(10**6, 10**5, bias=False, dtype=torch.float32), torch.empty(1, 10**6)
        assert x.device.type == "cuda"
        return Built(network=layer, step=lambda: layer(x))

    assert predict_peak(build).parameters == 4 * 10**11


def test_a_step_that_asks_for_a_value_cannot_be_predicted() -> None:
    def build() -> Built:
        x = torch.zeros(3)
        return Built(network=nn.Identity(), step=lambda: x.sum().item())

    with pytest.raises(Exception, match="_local_scalar_dense"):
        predict_peak(build)


def test_live_bytes_fall_when_tensors_go_and_the_peak_stays() -> None:
    with LiveBytes() as live:
        for _ in range(3):
            torch.empty(100, dtype=torch.uint8)
        kept = torch.empty(50, dtype=torch.uint8)
        view = kept[10:].view(2, 20)
    assert live.most["activations"] == 100
    assert view.numel() == 40


def test_what_was_made_elsewhere_counts_with_a_label_alone() -> None:
    weight, x = torch.empty(100, 10), torch.empty(10)
    for labelled, expected in ((False, 0), (True, 4000)):
        with LiveBytes() as live:
            if labelled:
                live.label(weight, "parameters")
            weight.t()
            x.zero_()
            weight @ x
        assert live.most["parameters"] == expected
        assert live.most["activations"] == 100 * UNIT, "a view and a write in place make nothing"


def test_a_spec_keeps_the_layout() -> None:
    x = torch.empty(2, 3, 4, 5, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    again = TensorSpec.of(x).empty()
    assert (again.shape, again.stride(), again.dtype) == (x.shape, x.stride(), x.dtype)
    assert TensorSpec.of(again) == TensorSpec.of(x)


class Scaled(nn.Module):
    """Takes a tensor and, by name, a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor, *, scale: float) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) * scale
        return out


def test_calls_are_noted_with_their_place_and_repeated_without_their_values() -> None:
    network, log, place = Scaled(), CallLog(), 0
    with log.of(network, lambda: place):
        network(torch.ones(2, 3), scale=2.0)
        place = 1
        with torch.no_grad():
            network(torch.ones(7, 3), scale=2.0)
    network(torch.ones(9, 3), scale=2.0)
    first, second = log.calls
    assert [(call.place, call.graph) for call in log.calls] == [(0, True), (1, False)]
    assert (first.repeat(network).shape, first.repeat(network).requires_grad) == ((2, 5), True)
    assert (second.repeat(network).shape, second.repeat(network).requires_grad) == ((7, 5), False)
    assert log.reason is None


def test_a_log_that_fails_does_not_fail_the_network() -> None:
    def lost() -> int:
        raise LookupError("no place")

    network, log = Scaled(), CallLog()
    with log.of(network, lost):
        assert network(torch.ones(2, 3), scale=1.0).shape == (2, 5)
    assert (log.calls, log.reason) == ([], "LookupError: no place")


def test_a_fake_copy_has_the_structure_of_the_network_and_none_of_its_memory() -> None:
    network = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH))
    network[0].bias.requires_grad_(False)
    network[1].weight = network[0].bias
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copies = []

    def build() -> Built:
        copy = fake_copy(network)
        copies.append(copy)
        return Built(network=copy, step=lambda: copy(torch.empty(4, WIDTH)))

    assert predict_peak(build).parameters == WEIGHTS + 4 * WIDTH * UNIT + 8
    (copy,) = copies
    assert copy[1].weight is copy[0].bias
    assert [p.requires_grad for p in copy.parameters()] == [p.requires_grad for p in network.parameters()]
    assert isinstance(copy[0].weight, nn.Parameter)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
