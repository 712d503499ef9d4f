"""Options of plugins: held to the types that their dataclass declares, and never converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from harness.errors import UsageError
from harness.options import read_options


@dataclass(frozen=True)
class Sample:
    name: str
    share: float = 0.5
    rates: Sequence[int] | None = None
    mode: Literal["off", "on"] = "off"
    loud: bool = False

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError("share is above 1")


def test_what_is_given_is_taken_and_the_rest_has_its_default() -> None:
    assert read_options(Sample, {"name": "a", "rates": [4, 2], "share": 1}) == Sample("a", 1, [4, 2])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "shre": 1}, "unknown option of Sample 'shre'. Did you mean 'share'"),
        ({"share": 1}, "cannot use these options.*missing.*'name'"),
        ({"name": 3}, "option 'name': input should be a valid string, got 3"),
        ({"name": "a", "share": "1"}, "option 'share': input should be a valid number, got '1'"),
        ({"name": "a", "rates": 4}, "option 'rates': input should be a list, got 4"),
        ({"name": "a", "rates": [4, "2"]}, r"option 'rates\[1\]': input should be a valid integer, got '2'"),
        ({"name": "a", "rates": "42"}, "option 'rates'.*got '42'"),
        ({"name": "a", "mode": "loud"}, "option 'mode': input should be 'off' or 'on', got 'loud'"),
        ({"name": "a", "loud": "no"}, "option 'loud': input should be a valid boolean, got 'no'"),
        ({"name": "a", "loud": 1}, "option 'loud': input should be a valid boolean, got 1"),
        ({"name": "a", "share": 2}, "share is above 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_options(Sample, values)
