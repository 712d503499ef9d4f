"""Files that only the user has: kept, found by their hash, refused where they are code that nobody listed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from harness import given
from harness.errors import UsageError, WeightsError
from harness.given_catalogue import Slot

CONTENT = b"parameters " * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def slot(name: str, *, listed: tuple[str, ...] = (), runs_code: bool = False) -> Slot:
    return Slot(
        name=name,
        what="numbers for a test",
        where="nowhere.example",
        licence="MIT",
        citation="none",
        listed=listed,
        runs_code=runs_code,
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    toys = (slot("toy"), slot("code", listed=(SHA256,), runs_code=True))
    monkeypatch.setattr(given, "SLOTS", toys)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.pth"
    file.write_bytes(CONTENT)
    return file


def test_a_file_that_was_given_is_found_by_its_hash(mine: Path) -> None:
    assert given.state(given.find_slot("toy")) == "missing"
    added = given.add("toy", mine)
    mine.unlink()
    assert given.given("toy") == added
    assert added.sha256 == SHA256
    assert added.path.read_bytes() == CONTENT
    assert added.path.name == "weights.pth"
    assert given.state(given.find_slot("toy")) == "ok"


def test_another_file_takes_its_place_and_leaves_nothing_of_the_first(mine: Path, tmp_path: Path) -> None:
    first = given.add("toy", mine)
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other")
    second = given.add("toy", other)
    assert not first.path.exists()
    assert given.given("toy") == second
    assert sorted(file.name for file in second.path.parent.iterdir()) == ["given.json", "weights.safetensors"]


def test_what_was_not_given_names_who_publishes_it_and_the_command() -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.example publishes it.*tpbench weights add toy FILE") as caught:
        given.given("toy")
    assert caught.value.exit_code == 3
    with pytest.raises(UsageError, match="Did you mean 'toy'"):
        given.given("toys")


def test_a_file_that_changed_is_named_with_both_hashes(mine: Path) -> None:
    place = given.add("toy", mine).path
    place.write_bytes(b"torn")
    with pytest.raises(WeightsError, match=SHA256) as caught:
        given.given("toy")
    assert hashlib.sha256(b"torn").hexdigest() in str(caught.value)
    assert given.state(given.find_slot("toy")) == "wrong"
    place.unlink()
    with pytest.raises(WeightsError, match="found no file"):
        given.given("toy")


@pytest.mark.parametrize("note", [b"", b"[]", b"\xff", b'{"file": "x"}'])
def test_a_torn_note_is_an_error_and_no_crash(mine: Path, note: bytes) -> None:
    place = given.add("toy", mine).path
    (place.parent / "given.json").write_bytes(note)
    with pytest.raises(WeightsError, match="cannot be read"):
        given.given("toy")
    assert given.state(given.find_slot("toy")) == "wrong"


def test_code_is_taken_only_if_its_hash_is_listed(mine: Path, tmp_path: Path) -> None:
    assert given.add("code", mine).sha256 == SHA256
    other = tmp_path / "other.pt"
    other.write_bytes(b"other")
    with pytest.raises(WeightsError, match=f"runs the code inside.*listed: {SHA256}") as caught:
        given.add("code", other)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert given.given("code").sha256 == SHA256


def test_a_file_that_is_not_there_changes_nothing(mine: Path, tmp_path: Path) -> None:
    before = given.add("toy", mine)
    with pytest.raises(WeightsError, match=r"cannot take .*gone"):
        given.add("toy", tmp_path / "gone.pth")
    assert given.given("toy") == before


def test_two_processes_give_at_once_and_one_of_the_files_is_there_whole(tmp_path: Path) -> None:
    files = []
    for letter in "ab":
        files.append(tmp_path / f"{letter}.bin")
        files[-1].write_bytes(letter.encode() * 200_000)
    code = (
        "import sys; from pathlib import Path; from harness import given; from harness.given_catalogue import Slot\n"
        "given.SLOTS = (Slot(name='toy', what='', where='', licence='', citation=''),)\n"
        "for _ in range(20): given.add('toy', Path(sys.argv[1]))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for file in files]
    assert [process.wait() for process in both] == [0, 0]
    assert given.given("toy").path.read_bytes() in {file.read_bytes() for file in files}
