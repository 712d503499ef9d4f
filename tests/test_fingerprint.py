"""Which difference spoils which comparison: known answers, and properties of every field."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.environment import PACKAGES, VARIABLES, collect
from harness.errors import UsageError
from harness.fingerprint import EFFECTS, EVERYTHING, SPOILS, compare, fields, fingerprint, spoils

HERE: dict[str, Any] = {
    "cpu": {
        "model": "Imaginary 3000",
        "architecture": "x86_64",
        "physical_cores": 4,
        "logical_cores": 8,
        "usable_cores": 8,
        "governor": "performance",
    },
    "memory_bytes": 2**34,
    "os": "Linux 6.1",
    "python": "CPython 3.11.7",
    "packages": dict.fromkeys(PACKAGES, "1.0"),
    "source": {"commit": "a" * 40, "dirty": True, "changes": "0123456789ab"},
    "variables": dict.fromkeys(VARIABLES, "1"),
    "gpus": [
        {
            "name": f"Imaginary G{number}",
            "memory_bytes": 2**36,
            "compute_capability": "9.0",
            "cuda": "13.0",
            "uuid": f"8b1c0d3e-{number}",
            "driver": "550.54",
            "power_limit_w": 700.0,
            "mig": False,
        }
        for number in range(2)
    ],
    "torch": {
        "threads": 2,
        "cpu_capability": "AVX512",
        "onednn": True,
        "onednn_matmul": "none",
        "float32_matmul_precision": "highest",
        "matmul_tf32": False,
        "cudnn_tf32": True,
        "cudnn_benchmark": False,
        "cudnn_deterministic": False,
        "deterministic_algorithms": False,
    },
    "dataset": {"name": "moving-digits", "size": [27, 48], "fps": 8},
    "study": "0a1b2c3d",
}
"""Every field that there is, known."""

LEAVES = [
    (path, name)
    for name, path in (
        (name, tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", name)))
        for name, _ in fields(HERE)
        if not name.startswith("python.")
    )
]
"""Where each field lies, and its name."""


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    environment: Any = copy.deepcopy(HERE)
    place = environment
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found: dict[str, Any] = environment
    return found


def effects(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    """For which purposes the fingerprints differ."""
    return {what for what in EFFECTS if fingerprint(a, what=what) != fingerprint(b, what=what)}


COST, SCORED = {"timings", "energy"}, {"timings", "energy", "scores"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("cpu", "model"), "Imaginary 4000", COST),
        (("cpu", "usable_cores"), 2, COST),
        (("cpu", "governor"), "powersave", COST),
        (("variables", "OMP_NUM_THREADS"), "8", COST),
        (("torch", "threads"), 8, COST),
        (("gpus", 0, "name"), "Imaginary G9", COST),
        (("gpus", 1, "driver"), "560.10", COST),
        (("gpus", 0, "power_limit_w"), 350.0, COST),
        (("packages", "torch"), "2.0", EVERYTHING),
        (("torch", "matmul_tf32"), True, SCORED),
        (("packages", "torchmetrics"), "2.0", {"scores"}),
        (("packages", "pandas"), "2.0", set()),
        (("memory_bytes",), 2**35, set()),
        (("python",), "CPython 3.11.9", set()),
        (("python",), "CPython 3.12.7", COST),
        (("source", "commit"), "b" * 40, EVERYTHING),
        (("source", "changes"), "ffffffffffff", EVERYTHING),
        (("study",), "ffffffff", EVERYTHING),
        (("dataset", "size"), [54, 96], EVERYTHING),
    ],
)
def test_each_change_spoils_what_depends_on_it(path: tuple[Any, ...], value: Any, expected: set[str]) -> None:
    other = changed(path, value)
    (found,) = compare(HERE, other)
    assert set(found.spoils) == expected
    assert not found.unknown
    assert effects(HERE, other) == expected


def test_a_dirty_copy_of_the_source_spoils_everything() -> None:
    clean = changed(("source",), {"commit": "a" * 40, "dirty": False, "changes": None})
    found = compare(HERE, clean)
    assert [one.field for one in found] == ["source.changes", "source.dirty"]
    assert all(one.spoils == EVERYTHING and not one.unknown for one in found)


def test_two_dirty_copies_that_nobody_can_tell_apart_are_not_taken_for_the_same() -> None:
    dirty = changed(("source",), {"commit": "a" * 40, "dirty": True, "changes": None})
    (found,) = compare(dirty, dirty)
    assert found.unknown
    assert found.spoils == EVERYTHING


def test_equal_environments_do_not_differ() -> None:
    assert compare(HERE, copy.deepcopy(HERE)) == []
    assert compare(HERE, json.loads(json.dumps(HERE))) == []
    assert effects(HERE, json.loads(json.dumps(HERE))) == set()


VALUES = st.one_of(st.text(max_size=5), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, width=16))


@given(leaf=st.sampled_from(LEAVES), value=VALUES)
def test_a_change_of_one_field_changes_exactly_the_fingerprints_that_it_spoils(
    leaf: tuple[tuple[Any, ...], str], value: Any
) -> None:
    path, name = leaf
    other = changed(path, value)
    found = compare(HERE, other)
    same = name in dict(fields(other)) and json.dumps(dict(fields(other))[name]) == json.dumps(dict(fields(HERE))[name])
    assert [one.field for one in found] == ([] if same else [name])
    assert effects(HERE, other) == set().union(*(one.spoils for one in found))
    assert compare(other, HERE) == [
        type(one)(field=one.field, a=one.b, b=one.a, spoils=one.spoils, unknown=one.unknown) for one in found
    ]


@given(
    leaf=st.sampled_from([leaf for leaf in LEAVES if not leaf[1].startswith(("packages.", "variables."))]),
    gone=st.booleans(),
)
def test_what_one_side_does_not_know_cannot_be_ruled_out(leaf: tuple[tuple[Any, ...], str], gone: bool) -> None:
    path, name = leaf
    other = changed(path, None)
    if gone:
        place: Any = other
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
    (found,) = compare(HERE, other)
    assert found.field == name
    assert found.unknown
    assert found.spoils == spoils(name)
    assert "cannot be ruled out" in str(found)
    assert effects(HERE, other) == set(found.spoils)


@pytest.mark.parametrize("part", ["torch", "gpus", "cpu"])
def test_a_whole_part_that_one_side_does_not_know_cannot_be_ruled_out_either(part: str) -> None:
    found = compare(HERE, changed((part,), None))
    assert len(found) > 5
    assert all(one.field.startswith(part) and one.unknown for one in found)


def test_a_package_that_is_not_installed_is_known_and_so_is_a_variable_that_is_not_set() -> None:
    without = changed(("packages", "av"), None)
    del without["variables"]["OMP_NUM_THREADS"]
    found = compare(HERE, without)
    assert {one.field: one.unknown for one in found} == {"packages.av": False, "variables.OMP_NUM_THREADS": False}


def test_a_gpu_less_is_known_and_gpus_that_nobody_looked_for_are_not() -> None:
    fewer = changed(("gpus",), HERE["gpus"][:1])
    assert {one.unknown for one in compare(HERE, fewer)} == {False}
    assert {one.field[:7] for one in compare(HERE, fewer)} == {"gpus[1]"}
    none, unasked = changed(("gpus",), []), changed(("gpus",), None)
    assert {one.unknown for one in compare(HERE, none)} == {False}
    assert {one.unknown for one in compare(HERE, unasked)} == {True}


@given(name=st.text("abcdefgh_", min_size=1, max_size=8), value=VALUES)
def test_a_field_that_nobody_has_judged_spoils_everything(name: str, value: Any) -> None:
    other = {**HERE, "cpu": {**HERE["cpu"], f"new_{name}": value}}
    (found,) = compare(HERE, other)
    assert found.field == f"cpu.new_{name}"
    assert found.spoils == EVERYTHING
    assert effects(HERE, other) == set(EFFECTS)


def test_other_environments_that_took_part_are_one_difference() -> None:
    mixed = {**HERE, "earlier": [changed(("cpu", "model"), "other")]}
    (found,) = compare({**HERE, "earlier": []}, mixed)
    assert (found.field, found.spoils, found.unknown) == ("earlier", EVERYTHING, False)


def test_true_is_not_one() -> None:
    a, b = changed(("torch", "onednn"), True), changed(("torch", "onednn"), 1)
    assert len(compare(a, b)) == 1
    assert effects(a, b) == SCORED


def test_every_field_that_is_collected_here_has_been_judged() -> None:
    """A new field of the environment comes with a line in the table, or comparisons end for everybody."""
    here = collect(gpu=True)
    assert torch.__version__  # so that its settings are among them
    assert here["torch"] is not None
    unjudged = [name for name, _ in fields(here) if re.sub(r"\[\d+\]", "[]", name) not in SPOILS]
    assert unjudged == []
    named = {f"packages.{name}" for name in PACKAGES} | {f"variables.{name}" for name in VARIABLES}
    assert named <= SPOILS.keys()


def test_the_guard_sees_a_field_that_has_not_been_judged() -> None:
    assert "dataset.name" in [name for name, _ in fields(HERE) if re.sub(r"\[\d+\]", "[]", name) not in SPOILS]


def test_an_unknown_purpose_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(UsageError, match="Did you mean 'timings'"):
        fingerprint(HERE, what="timing")


def test_a_fingerprint_stays_what_it_is() -> None:
    """Baselines are stored under it: with another way to write it they would all become incomparable."""
    small = {
        "cpu": {"model": "Imaginary 3000", "governor": None},
        "python": "CPython 3.11.7",
        "packages": {"torch": "2.14.1", "av": None},
        "gpus": [{"power_limit_w": 700.0, "mig": False}],
        "dataset": {"size": [27, 48]},
    }
    assert {what: fingerprint(small, what=what) for what in EFFECTS} == {
        "timings": "e7f3f252baf4",
        "energy": "e7f3f252baf4",
        "counts": "78645262be57",
        "scores": "78645262be57",
    }
