"""Peaks from sheets, held to relations that misread sheets break; and peaks measured on this CPU."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from harness.doctor import peaks_findings
from harness.measure import hygiene, peaks
from harness.measure.hardware import DTYPES, HARDWARE, Peak, hardware, mfu, peak
from harness.measure.peaks import MeasuredPeaks, device_name, keep_peaks, measure_peaks, peaks_file, stored_peaks

NAMES = {
    "NVIDIA H100 80GB HBM3": "h100",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H200": "h200",
    "NVIDIA A100-SXM4-80GB": "a100",
    "NVIDIA A100 80GB PCIe": "a100-pcie",
    "NVIDIA A100-SXM4-40GB": "a100-40gb",
    "A100-SXM4-40GB": "a100-40gb",
    "NVIDIA A100-PCIE-40GB": "a100-40gb",
    "NVIDIA GeForce RTX 4090": "4090",
    "NVIDIA L40S": "l40s",
}
"""What drivers call the cards."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    return tmp_path


@dataclass(frozen=True)
class Quick:
    """A measurement that takes a moment: small matrices, short copies."""

    @staticmethod
    def install(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(peaks, "_CPU_SIDES", (64, 128))
        monkeypatch.setattr(peaks, "_COPY_BYTES", (2**20,))
        monkeypatch.setattr(peaks, "SHORTEST_S", 0.002)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    Quick.install(monkeypatch)


@pytest.mark.parametrize(("device", "short"), NAMES.items())
def test_a_card_is_found_by_the_name_its_driver_gives_it(device: str, short: str) -> None:
    found = hardware(device)
    assert found is not None
    assert found.name == short


@pytest.mark.parametrize(
    "device",
    [
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA GH200 480GB",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA L40",
        "NVIDIA A100X",
        "Tesla V100-SXM2-16GB",
        "AMD EPYC 9654 96-Core Processor",
        "",
    ],
)
def test_a_part_of_a_card_or_a_relative_is_not_the_card(device: str) -> None:
    assert hardware(device) is None
    assert peak(device, "bfloat16") is None


def test_the_short_names_that_planning_offers_are_there() -> None:
    assert {"h100", "h200", "a100", "4090", "l40s"} <= HARDWARE.keys()
    assert {name: card.name for name, card in HARDWARE.items()} == {name: name for name in HARDWARE}


@pytest.mark.parametrize(
    ("device", "dtype", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.4),
        ("NVIDIA H100 80GB HBM3", "tf32", 494.7),
        ("NVIDIA H100 PCIe", "float16", 756.5),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156.0),
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312.0),
        ("NVIDIA GeForce RTX 4090", "float16", 165.2),
        ("NVIDIA L40S", "bfloat16", 362.05),
    ],
)
def test_peaks_are_dense_and_accumulate_in_float32(device: str, dtype: str, tera: float) -> None:
    found = peak(device, dtype)
    assert found is not None
    assert found.flop_per_s == tera * 1e12


@pytest.mark.parametrize("name", HARDWARE)
def test_every_card_says_where_its_figures_are_from(name: str) -> None:
    card = HARDWARE[name]
    assert "NVIDIA" in card.source
    assert "sheet" in card.source or "paper" in card.source
    assert set(card.peak_flops) <= set(DTYPES)
    assert min(card.memory_bytes, card.bandwidth_bytes_s, *card.peak_flops.values()) > 0


@pytest.mark.parametrize("name", HARDWARE)
def test_formats_of_half_the_width_are_twice_as_fast(name: str) -> None:
    """One figure with sparsity among dense ones, or one accumulated in float16, breaks these ratios."""
    flops = HARDWARE[name].peak_flops
    assert flops["bfloat16"] == flops["float16"]
    assert flops["bfloat16"] == pytest.approx(2 * flops["tf32"], rel=0.02)
    if "float8_e4m3fn" in flops:
        # The L40S's sheet prints 362.05 and 733.
        assert flops["float8_e4m3fn"] == pytest.approx(2 * flops["bfloat16"], rel=0.02)


UNITS = {
    "h100": (528, 1024, 1.83),
    "h200": (528, 1024, 1.83),
    "a100": (432, 512, 1.41),
    "a100-40gb": (432, 512, 1.41),
    "4090": (512, 128, 2.52),
    "l40s": (568, 256, 2.52),
}
"""Tensor cores, dense float16 FLOP a core and clock, GHz at boost: the white papers' tables."""


@pytest.mark.parametrize("name", UNITS)
def test_units_times_clock_make_the_peak(name: str) -> None:
    cores, flop, gigahertz = UNITS[name]
    made = cores * flop * gigahertz * 1e9
    # The L40S's sheet prints 362.05 where its units make 366.4.
    assert HARDWARE[name].peak_flops["float16"] == pytest.approx(made, rel=0.013)


def test_a_format_without_units_has_no_peak_and_an_unknown_one_is_refused() -> None:
    assert peak("NVIDIA A100-SXM4-80GB", "float8_e4m3fn") is None
    with pytest.raises(ValueError, match="dtype is 'fp16'"):
        peak("NVIDIA A100-SXM4-80GB", "fp16")


def test_half_of_the_peak_is_a_half() -> None:
    assert mfu(flops=1e15, seconds=2.0, peak=1e15) == 0.5
    assert mfu(flops=0, seconds=2.0, peak=1e15) == 0.0


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_share_of_the_peak_in_no_time_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        mfu(1e12, wrong, 1e12)
    with pytest.raises(ValueError, match="positive finite"):
        mfu(1e12, 1.0, wrong)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_share_of_the_peak_of_no_work_that_is_a_number_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="FLOP must be"):
        mfu(wrong, 1.0, 1e12)


def test_what_is_measured_here_can_be_and_is_kept() -> None:
    found = measure_peaks("cpu", 1, budget_s=1.5)
    assert found.seconds < 6
    assert found.reasons == {}
    # A core that multiplies a billion times a second is slow, one that does it 10^13 times does not exist.
    assert 1e9 < found.flop_per_s["float32"] < 1e13
    assert found.bandwidth_bytes_s is not None
    assert 1e8 < found.bandwidth_bytes_s < 1e12
    assert stored_peaks("cpu", 1).peaks is None
    keep_peaks(found)
    assert stored_peaks("cpu", 1).peaks == found
    measured = found.peak("float32")
    assert measured == Peak(
        name=device_name("cpu"),
        dtype="float32",
        flop_per_s=found.flop_per_s["float32"],
        bandwidth_bytes_s=found.bandwidth_bytes_s,
        source=f"measured: product of side {found.sizes['float32']}, 1 CPU threads, torch {torch.__version__}",
    )
    assert found.peak("float8_e4m3fn") is None


@pytest.mark.usefixtures("quick")
def test_the_fastest_stretch_of_the_fastest_size_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By made-up times: a slow start, one stretch that is undisturbed, and a larger size that is slower."""
    times = {64: [0.02, *[0.008] * 4, 0.004, *[0.008] * 5], 128: [0.04] * 11}

    def timed(work: Callable[[], object], *, device: str) -> float:
        made.append(work)
        return left[len(made) - 1] if len(made) <= len(left) else 1e-3

    made: list[object] = []
    left = times[64] + times[128]
    monkeypatch.setattr(peaks, "timed", timed)
    found = measure_peaks("cpu", 1, budget_s=60)
    assert found.flop_per_s["float32"] == 2 * 64**3 / 0.004
    assert found.sizes["float32"] == 64


@pytest.mark.usefixtures("quick")
def test_settings_are_as_they_were_afterwards() -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    measure_peaks("cpu", before[0] + 1, budget_s=0.1)
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


@pytest.mark.usefixtures("quick")
def test_a_format_without_kernels_is_a_reason_and_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def mm(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'\nmore")
        return torch.matmul(left, right, out=out)

    monkeypatch.setattr(torch, "mm", mm)
    found = measure_peaks("cpu", 1, budget_s=0.1)
    assert set(found.flop_per_s) == {"float32"}
    assert found.reasons == {"bfloat16": "RuntimeError: not implemented for 'BFloat16'"}
    assert found.peak("bfloat16") is None


@pytest.mark.usefixtures("quick")
def test_sizes_for_which_there_is_no_time_are_left_out() -> None:
    found = measure_peaks("cpu", 1, budget_s=1e-9)
    assert set(found.sizes.values()) == {64, 2**20}


def test_what_was_not_measured_is_none_with_a_reason() -> None:
    found = stored_peaks("cpu", 3)
    assert found.peaks is None
    assert "was not measured with 3 threads" in (found.reason or "")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Path:
    """File of a measurement with two threads."""
    Quick.install(monkeypatch)
    keep_peaks(measure_peaks("cpu", 2, budget_s=0.1))
    return peaks_file(device_name("cpu"), 2, torch.__version__)


def test_another_number_of_threads_is_another_measurement(kept: Path) -> None:
    assert stored_peaks("cpu", 2).peaks is not None
    assert stored_peaks("cpu", 1).peaks is None


@pytest.mark.parametrize(
    "change",
    [
        {"flop_per_s": {"float32": 0.0}},
        {"flop_per_s": {"float32": -1.0}},
        {"bandwidth_bytes_s": "fast"},
        {"threads": 0},
        {"surprise": 1},
        {"schema_version": 99},
    ],
)
def test_a_file_that_holds_no_measurement_is_ignored_with_a_reason(kept: Path, change: dict[str, object]) -> None:
    kept.write_text(json.dumps({**json.loads(kept.read_text()), **change}))
    found = stored_peaks("cpu", 2)
    assert found.peaks is None
    assert kept.name in (found.reason or "")
    assert str(kept.parent) not in (found.reason or "")
    assert "ignored" in (found.reason or "")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"flop_per_s": NaN}'])
def test_a_torn_file_is_ignored_with_a_reason(kept: Path, content: bytes) -> None:
    kept.write_bytes(content)
    found = stored_peaks("cpu", 2)
    assert found.peaks is None
    assert "ignored" in (found.reason or "")


def test_a_measurement_of_another_machine_under_this_ones_name_is_ignored(kept: Path) -> None:
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "name": "Imaginary 3000"}))
    found = stored_peaks("cpu", 2)
    assert found.peaks is None
    assert "something else" in (found.reason or "")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine that nobody else uses, until something is put into the list."""
    told: list[str] = []
    monkeypatch.setattr(hygiene, "look", lambda device: {})
    monkeypatch.setattr(hygiene, "warnings", lambda before, after, threads: told)
    return told


@pytest.mark.usefixtures("quick")
def test_peaks_of_a_machine_that_others_use_are_a_problem(quiet: list[str]) -> None:
    assert "machine" not in {one.subject for one in peaks_findings("cpu", 2)[0]}
    of_a_quiet_machine = stored_peaks("cpu", 2).peaks
    assert of_a_quiet_machine is not None
    quiet.append("Other processes used 40% of the 2 usable cores.")
    findings, data = peaks_findings("cpu", 2)
    (machine,) = [one for one in findings if one.subject == "machine"]
    assert machine.state == "problem"
    assert "measure again" in machine.detail
    assert data["warnings"] == quiet
    assert stored_peaks("cpu", 2).peaks == of_a_quiet_machine, "what is too low is not kept, and costs nothing kept"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("spoiled", [False, True])
def test_a_cache_that_cannot_be_written_costs_the_file_and_not_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: list[str], spoiled: bool
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "file"))
    if spoiled:
        quiet.append("Other processes used 40% of the 2 usable cores.")
    findings, data = peaks_findings("cpu", 1)
    assert data["measured"]["flop_per_s"]["float32"] > 0
    problems = {one.subject: one.detail for one in findings if one.state == "problem"}
    assert list(problems) == ["machine" if spoiled else "cache"]
    assert spoiled or "could not be kept" in problems["cache"]


@pytest.mark.usefixtures("quick", "quiet")
def test_the_doctor_tells_what_was_measured_as_findings_and_as_json() -> None:
    findings, data = peaks_findings("cpu", 2)
    assert [one.subject for one in findings] == ["device", "float32", "bfloat16", "copy"]
    assert {one.state for one in findings} == {"info", "ok"}
    assert "FLOP/s" in findings[1].detail
    assert data["sheet"] is None
    assert MeasuredPeaks.model_validate(json.loads(json.dumps(data))["measured"]).threads == 2


@pytest.mark.usefixtures("quiet")
def test_the_doctor_sets_a_known_card_beside_its_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU here: the measurement is made up, what is said of it is not."""
    made_up = MeasuredPeaks(
        name="NVIDIA H100 80GB HBM3",
        threads=2,
        torch="2.14.1",
        flop_per_s={"bfloat16": 742.05e12},
        bandwidth_bytes_s=3.015e12,
        sizes={"bfloat16": 8192, "copy": 2**28},
        reasons={"tf32": "RuntimeError: out of memory"},
        seconds=8.0,
    )
    monkeypatch.setattr(peaks, "measure_peaks", lambda device, threads: made_up)
    findings, data = peaks_findings("cuda", 2)
    said = {one.subject: (one.state, one.detail) for one in findings}
    assert said["bfloat16"] == ("ok", "742 TFLOP/s in a product of side 8192, 75% of its sheet")
    assert said["copy"] == ("ok", "3.02 TB/s read and written, 90% of its sheet")
    assert said["tf32"] == ("missing", "RuntimeError: out of memory")
    assert json.loads(json.dumps(data))["sheet"]["name"] == "h100"
