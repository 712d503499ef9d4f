"""The environment says what a timing depends on, and nothing about the person."""

from __future__ import annotations

import getpass
import json
import platform
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fake_nvml import UUID, FakeNvml
from harness import environment
from harness.environment import collect, core_numbers, governor, usable_cores, working_copy


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    return package


def test_what_a_timing_depends_on_is_there() -> None:
    here = collect()
    assert here["cpu"]["usable_cores"] == usable_cores() >= 1
    assert here["memory_bytes"] > 2**28
    assert here["python"].endswith(platform.python_version())
    assert here["packages"]["numpy"]
    assert here["packages"]["tpbench"]


def test_it_is_json_and_names_neither_host_nor_user_nor_home() -> None:
    text = json.dumps(collect())
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert f'"{getpass.getuser()}"' not in text
    assert f"/{getpass.getuser()}/" not in text


def test_a_package_that_is_not_installed_is_none_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "surely-not-installed"))
    assert collect()["packages"]["surely-not-installed"] is None


def test_only_variables_that_change_numbers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    variables = collect()["variables"]
    assert variables["OMP_NUM_THREADS"] == "3"
    assert "hunter2" not in json.dumps(variables)


def test_nothing_heavy_is_imported_for_it() -> None:
    code = (
        "import sys; from harness.environment import collect; collect(); "
        "print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_commit_is_named_and_an_edit_makes_it_dirty(repository: Path) -> None:
    clean = working_copy(repository)
    assert clean is not None
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    assert clean["changes"] is None
    (repository / "new.py").touch()
    dirty = working_copy(repository)
    assert dirty is not None
    assert dirty == {**clean, "dirty": True, "changes": dirty["changes"]}
    assert dirty["changes"]


def test_two_dirty_copies_have_the_same_digest_where_they_hold_the_same_code(repository: Path) -> None:
    def digest() -> str:
        found = working_copy(repository)
        assert found is not None
        return str(found["changes"])

    new, known = repository / "new.py", repository / "__init__.py"
    new.write_text("a = 1\n")
    first = digest()
    assert digest() == first
    new.write_text("a = 2\n")
    second = digest()
    known.write_text("b = 1\n")
    third = digest()
    git(repository, "add", "__init__.py")
    assert digest() == third, "what is staged is the same code"
    (repository.parent / "notes.txt").write_text("no code")
    assert digest() == third, "a run folder or notes are no code"
    new.rename(repository / "newer.py")
    assert len({first, second, third, digest()}) == 4
    (repository / "newer.py").unlink()
    git(repository, "checkout", "HEAD", "--", "__init__.py")
    new.write_text("a = 1\n")
    assert digest() == first


def test_a_package_installed_inside_a_foreign_working_copy_is_not_its_code(repository: Path) -> None:
    installed = repository.parent / ".venv" / "site-packages" / "harness"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert working_copy(installed) is None


def test_without_git_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert working_copy(repository) is None


def test_a_package_without_changes_in_its_code_has_a_digest_that_says_so(repository: Path) -> None:
    (repository.parent / "notes.txt").write_text("one")
    (repository.parent / "other.txt").write_text("two")
    first = working_copy(repository)
    (repository.parent / "other.txt").write_text("three")
    assert first == working_copy(repository)
    assert first is not None
    assert first["dirty"] is True


def test_the_governor_is_of_the_cores_that_may_be_used(tmp_path: Path) -> None:
    usable = core_numbers()
    for core in (*usable, max(usable) + 1):
        folder = tmp_path / "devices" / "system" / "cpu" / f"cpu{core}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text("performance\n" if core in usable else "powersave\n")
    assert governor(tmp_path) == "performance"
    (folder.parent.parent / f"cpu{usable[0]}" / "cpufreq" / "scaling_governor").write_text("schedutil\n")
    expected = {"schedutil", *(["performance"] if len(usable) > 1 else [])}
    assert governor(tmp_path) == ", ".join(sorted(expected))


def test_a_guest_without_a_governor_has_none(tmp_path: Path) -> None:
    assert governor(tmp_path) is None


SETTINGS = {
    "matmul_tf32": "torch.backends.cuda.matmul.allow_tf32 = True",
    "float32_matmul_precision": "torch.set_float32_matmul_precision('medium')",
    "cudnn_tf32": "torch.backends.cudnn.allow_tf32 = False",
    "cudnn_benchmark": "torch.backends.cudnn.benchmark = True",
    "cudnn_deterministic": "torch.backends.cudnn.deterministic = True",
    "deterministic_algorithms": "torch.use_deterministic_algorithms(True)",
    "threads": "torch.set_num_threads(torch.get_num_threads() + 1)",
    "onednn": "torch.backends.mkldnn.set_flags(False)",
}
"""What changes each setting."""


def test_torch_tells_each_setting_that_changes_numbers_once_it_is_there() -> None:
    lines = ["import json", "from harness.environment import collect", "told = [collect()['torch']]", "import torch"]
    for setting in ("pass", *SETTINGS.values()):
        lines += [setting, "told.append(collect()['torch'])"]
    if hasattr(torch.backends, "fp32_precision"):  # the interface of torch 2.9, beside which the older one refuses
        lines += ["torch.backends.cuda.matmul.fp32_precision = 'tf32'"]
    code = "\n".join([*lines, "told.append(collect()['torch'])", "print(json.dumps(told))"])
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    absent, *told, last = json.loads(done.stdout)
    assert absent is None
    for before, after, field in zip(told, told[1:], SETTINGS, strict=False):
        assert before[field] != after[field], field
    assert last["matmul_tf32"] is True


def test_asking_for_gpus_without_torch_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "installed_version", lambda name: None)
    assert environment.gpus() == []


def test_a_gpu_tells_what_its_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU here: torch's and NVML's words are a stand-in's."""
    properties = SimpleNamespace(name="Imaginary G1", total_memory=2**36, major=9, minor=0, uuid=UUID)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: properties)
    (found,) = environment.gpus(nvml=FakeNvml())
    assert found == {
        "name": "Imaginary G1",
        "memory_bytes": 2**36,
        "compute_capability": "9.0",
        "cuda": torch.version.cuda,
        "uuid": UUID,
        "driver": "550.54.15",
        "power_limit_w": 700.0,
        "mig": False,
    }
    (silent,) = environment.gpus(nvml=FakeNvml({}))
    assert (silent["driver"], silent["power_limit_w"], silent["mig"]) == (None, None, None)
