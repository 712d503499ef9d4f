"""docs/strips.py draws what it is asked for from a run folder, and says what is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from matplotlib import image

from harness.records import SampleRecord
from harness.store import Run

SCRIPT = Path(__file__).parents[2] / "docs" / "strips.py"


def drawn(run: Run, output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(run.root), "-o", str(output), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def sampled(folder: Path, *, place: str = "") -> Run:
    """Generator a made black clips, b white ones; their files are recorded in ``place``."""
    run = Run(folder)
    (run.root / "study.yaml").touch()
    for label, grey in (("a", 0), ("b", 255)):
        for sample in range(2):
            np.save(folder / f"{label}{sample}.npy", np.full((4, 8, 8, 3), grey, dtype=np.uint8))
            run.append(
                SampleRecord(
                    generator=label,
                    seed=0,
                    sample_id=sample,
                    prompt="the digit 1",
                    file=f"{place}{label}{sample}.npy",
                    sha256="",
                    nfe=1,
                    full_rate_nfe=1.0,
                )
            )
    return run


def dark_share(path: Path) -> float:
    return float((image.imread(path)[..., :3].mean(axis=-1) < 0.1).mean())


def test_each_generator_asked_for_is_a_row(tmp_path: Path) -> None:
    run = sampled(tmp_path)
    shares = {}
    for asked in (("a",), ("b",), ("a", "b")):
        picture = tmp_path / "strips.png"
        done = drawn(run, picture, "--generators", *asked, "--samples", "0", "1")
        assert not done.returncode, done.stderr
        shares[asked] = dark_share(picture)
    assert shares["a",] > 2 * shares["b",]
    assert shares["b",] < shares["a", "b"] < shares["a",]


def test_a_sample_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = drawn(sampled(tmp_path), tmp_path / "strips.png", "--generators", "a", "c", "--samples", "0")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "'c' has no sample 0" in done.stderr
    assert "Generators there: a, b" in done.stderr


def test_a_record_that_points_out_of_the_run_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    np.save(tmp_path / "a0.npy", np.zeros((4, 8, 8, 3), dtype=np.uint8))
    done = drawn(sampled(folder, place="../"), tmp_path / "strips.png", "--generators", "a", "--samples", "0")
    assert done.returncode == 2
    assert "../a0.npy lies outside of the run folder" in done.stderr
    assert not (tmp_path / "strips.png").exists()


def test_a_run_without_samples_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").touch()
    done = drawn(Run(tmp_path), tmp_path / "strips.png", "--generators", "a")
    assert done.returncode == 2
    assert "'a' has no sample 0" in done.stderr
    assert "Generators there: none" in done.stderr
