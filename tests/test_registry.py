"""Plugins are found by name and imported only when used."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness import listing, registry
from harness.errors import UsageError
from harness.registry import KINDS, Plugin, find, installed, names


def write_plugin(folder: Path, text: str) -> str:
    file = folder / "plugin.py"
    file.write_text(text)
    return str(file)


def test_every_kind_has_at_least_one_plugin_and_finding_it_imports_nothing() -> None:
    before = set(sys.modules)
    for kind in KINDS:
        assert installed(kind)
    assert set(sys.modules) == before


def test_an_unknown_name_is_a_usage_error_that_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError, match=r"unknown generator 'tpdif' \(here\). Did you mean 'tpdiff'\?") as caught:
        find("generators", "tpdif", where="here")
    assert "Known: command, full-rate, tpdiff" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_family_has_a_member_for_each_plugin_of_the_kind_in_its_brackets() -> None:
    offered = names("metrics")
    assert {f"fvd[{name}]" for name in installed("extractors")} < set(offered)
    assert "fvd[extractor]" not in offered
    assert "fvd[extractor]" in installed("metrics")
    made = find("metrics", "kvd[transnetv2]").load()()
    assert made.name == "kvd[transnetv2]"


def test_a_member_that_nobody_provides_is_unknown() -> None:
    with pytest.raises(UsageError, match=r"unknown metric 'fvd\[transnet\]'.*Did you mean 'fvd\[transnetv2\]'"):
        find("metrics", "fvd[transnet]")


def test_a_plugin_of_its_own_name_goes_before_a_family(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "tpbench.metrics": [("fvd[extractor]", "m:Family"), ("fvd[one]", "m:Own"), ("flat[unheard-of]", "m:Flat")],
        "tpbench.extractors": [("one", "m:one"), ("two", "m:two")],
    }
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: [EntryPoint(name=name, value=value, group=group) for name, value in points.get(group, [])],
    )
    registry._installed.cache_clear()
    try:
        found = {name: (plugin.target, plugin.member) for name, plugin in names("metrics").items()}
    finally:
        registry._installed.cache_clear()
    assert found == {
        "fvd[one]": ("m:Own", None),
        "fvd[two]": ("m:Family", "two"),
        "flat[unheard-of]": ("m:Flat", None),
    }


def test_a_class_in_a_file_needs_no_packaging(tmp_path: Path) -> None:
    file = write_plugin(tmp_path, "class Mine:\n    answer = 42\n")
    plugin = find("generators", f"{file}:Mine")
    assert plugin.distribution == "file"
    assert plugin.load().answer == 42


def test_a_file_is_imported_once(tmp_path: Path) -> None:
    file = write_plugin(tmp_path, "class One: ...\nclass Two: ...\n")
    one, two = find("generators", f"{file}:One").load(), find("generators", f"{file}:Two").load()
    assert sys.modules[one.__module__] is sys.modules[two.__module__]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import surely_not_installed", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("class Other: ...", "AttributeError"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named_with_its_cause(tmp_path: Path, text: str, said: str) -> None:
    name = f"{write_plugin(tmp_path, text)}:Mine"
    with pytest.raises(UsageError, match=f"cannot load generator .*{said}"):
        find("generators", name).load()


def test_a_missing_file_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no such file: nowhere\.py"):
        find("generators", "nowhere.py:Mine").load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(7)", "exited with code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("import sys; print('noise', file=sys.stderr); 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_checking_survives_a_plugin_that_does_its_worst(tmp_path: Path, text: str, said: str) -> None:
    target = f"{write_plugin(tmp_path, text)}:Mine"
    (checked,) = listing.check([Plugin(kind="generators", name="bad", target=target, distribution="file")])
    assert checked.error == said


def test_checking_gives_up_on_a_plugin_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "CHECK_TIMEOUT_S", 0.5)
    target = f"{write_plugin(tmp_path, 'import time; time.sleep(30)')}:Mine"
    (checked,) = listing.check([Plugin(kind="generators", name="slow", target=target, distribution="file")])
    assert checked.error == "did not load within 0.5 s"


def test_checking_says_nothing_against_a_good_plugin(tmp_path: Path) -> None:
    target = f"{write_plugin(tmp_path, 'class Mine: ...')}:Mine"
    (checked,) = listing.check([Plugin(kind="generators", name="good", target=target, distribution="file")])
    assert checked.error is None
