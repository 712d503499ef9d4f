"""The claims file: what ours says, and what is wrong with others."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.claims import load_claims
from harness.errors import UsageError
from harness.study import locate


def test_the_shipped_claims_hold_the_numbers_of_the_paper() -> None:
    file = load_claims(locate("tpdiff", "claims"))
    assert {claim.id: claim.threshold for claim in file.claims} == {
        "infer-1.5x": 1.5,
        "train-step-cost": 2.0,
        "train-50": 2.0,
    }
    assert all("2503.09566" in claim.source for claim in file.claims)
    assert {guard.metric: guard.margin for claim in file.claims for guard in claim.guards} == {
        "digit_accuracy": 0.05,
        "direction_accuracy": 0.05,
        "motion_energy_ratio": 0.15,
    }
    assert math.isclose(12 / 7, 1.71, abs_tol=0.005)


VALID = """
candidate: tpdiff
claims:
  - id: fast
    kind: cost_ratio
    statement: s
    source: s
    threshold: 1.5
    tolerance: 0.05
    cost: [{quantity: latency_s, scope: end_to_end}]
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("tolerance:", "tolerence:"),
            r"unknown key 'tolerence' at 'claims\[0\].tolerence'.*Did you mean 'tolerance'",
        ),
        (
            ("latency_s, scope: end_to_end", "flops, scope: end_to_end"),
            "flops is measured for training_step and video",
        ),
        (("cost_ratio", "cost_to_quality"), "needs 'needs'"),
        (("threshold: 1.5", "threshold: -1"), "greater than 0"),
        (("    source: s\n", ""), r"'claims\[0\].source' is missing"),
        (("candidate: tpdiff", "- 1"), "is no YAML"),
    ],
)
def test_a_wrong_claims_file_is_refused_with_its_place(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(VALID.replace(*change))
    with pytest.raises(UsageError, match=message):
        load_claims(path)


def test_the_valid_claims_file_of_these_tests_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(VALID)
    assert load_claims(path).claims[0].bound == pytest.approx(1.425)
