"""What a marker may say, and when a threshold is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.pytest_plugin.thresholds import Measured, Outcome, complaint, read_marker, read_threshold

FINITE = st.floats(-1e6, 1e6)


def measured(value: float | None, lo: float | None, hi: float | None, reason: str = "") -> Measured:
    return Measured(metric="latency_s", unit="s", value=value, lo=lo, hi=hi, n=10, method="median", reason=reason)


def outcome(demand: object, found: Measured | None) -> Outcome:
    return read_threshold("latency_s", demand, "test_it").outcome(found)


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        ("< 3", "holds"),
        ("< 1.5", "undecided"),
        ("< 1", "broken"),
        ("<= 1", "undecided"),
        ("> 2", "broken"),
        (">= 2", "undecided"),
        ("> 0.5", "holds"),
        ("== 1.5", "undecided"),
        ("== 3", "broken"),
    ],
)
def test_only_what_the_whole_interval_breaks_is_broken(demand: str, expected: str) -> None:
    assert outcome(demand, measured(1.5, 1.0, 2.0)) == expected


def test_a_count_is_held_to_the_last_digit_beyond_what_a_float_can_hold() -> None:
    many = 2**60 + 1
    assert outcome(many, measured(many, many, many)) == "holds"
    assert outcome(f"== {many}", measured(many, many, many)) == "holds"
    assert outcome(many, measured(many - 1, many - 1, many - 1)) == "broken"


@given(limit=FINITE, ends=st.tuples(FINITE, FINITE), comparison=st.sampled_from(["<", "<=", ">", ">="]))
def test_what_holds_for_a_whole_interval_holds_at_its_value(
    limit: float, ends: tuple[float, float], comparison: str
) -> None:
    lo, hi = sorted(ends)
    middle = min(max((lo + hi) / 2, lo), hi)
    whole = outcome(f"{comparison} {limit!r}", measured(middle, lo, hi))
    exact = outcome(f"{comparison} {limit!r}", measured(middle, middle, middle))
    assert whole in (exact, "undecided")
    assert exact in ("holds", "broken")


def test_what_is_missing_fails_with_its_reason() -> None:
    threshold = read_threshold("latency_s", "< 1", "test_it")
    none = {"latency_s": measured(None, None, None, "the clock stood still")}
    assert complaint(threshold, none) == "'latency_s' must be < 1, but has no value: the clock stood still."
    no_interval = {"latency_s": measured(0.5, None, None, "3 blocks")}
    assert complaint(threshold, no_interval) == "'latency_s' must be < 1, but has no interval: 3 blocks."
    assert "did not measure it; it measured nothing" in str(complaint(threshold, {}))


def test_a_complaint_says_what_was_found_and_what_holds_has_none() -> None:
    found = {"latency_s": measured(0.5, 0.4, 0.6)}
    assert complaint(read_threshold("latency_s", "< 0.5", ""), found) is None
    said = complaint(read_threshold("latency_s", "< 0.3", ""), found)
    assert said == "'latency_s' must be < 0.3, but is 0.500 s (0.400 to 0.600) (median)."


@pytest.mark.parametrize("demand", ["0.5", "< ", "<", "=< 3", "< a", "< 0.5 s", "!= 3", "< nan", "< 1e999", None, True])
def test_a_threshold_of_another_form_is_refused(demand: object) -> None:
    with pytest.raises(UsageError, match=r"threshold of 'latency_s' \(test_it\)"):
        read_threshold("latency_s", demand, "test_it")


@pytest.mark.parametrize("demand", [float("inf"), float("nan")])
def test_a_number_that_is_none_is_refused(demand: float) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_threshold("flops", demand, "")


def test_an_unknown_keyword_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"'latncy_s' \(test_it\)\. Did you mean 'latency_s'\?") as refused:
        read_marker((), {"latncy_s": "< 1"}, "test_it")
    assert '{"latncy_s": "< 1"}' in str(refused.value)


@pytest.mark.parametrize("args", [("< 1",), ({"a": 1}, {"b": 2}), ({1: "< 2"},)])
def test_what_is_no_dictionary_of_metrics_is_refused(args: tuple[object, ...]) -> None:
    with pytest.raises(UsageError, match="at most one dictionary"):
        read_marker(args, {}, "test_it")


def test_one_metric_has_one_threshold() -> None:
    with pytest.raises(UsageError, match="two thresholds for 'flops'"):
        read_marker(({"flops": 1},), {"flops": 2}, "")
    both = read_marker(({"accuracy": ">= 0.9"},), {"flops": 2}, "")
    assert [str(one) for one in both] == [">= 0.9", "== 2"]
