"""Where the printed formulas of TPDiff (arXiv 2503.09566v1) go wrong, in numbers. Needs numpy alone.

    python docs/errata.py

A pair of equal frames d arrives at the next stage. It should start there as alpha_start * d + sigma_start * noise
with noise that is white: variance sigma_start^2 in each frame, covariance 0 within the pair. Every formula here is
affine in (d, the noise that the stage before ended with, fresh noise), so its mean and covariance are exact.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

SAME, OPPOSITE = np.array([1.0, 1.0]), np.array([1.0, -1.0])


def flow(time: float) -> tuple[float, float]:
    """alpha and sigma of flow matching."""
    return 1 - time, time


def preserving(nu: float) -> tuple[float, float]:
    """alpha and sigma of a variance-preserving schedule at noise-to-signal ratio nu."""
    return 1 / sqrt(1 + nu**2), nu / sqrt(1 + nu**2)


def start_by_rule(time_end: float) -> float:
    """nu_start = sqrt(2) nu_end, for flow matching."""
    return sqrt(2) * time_end / (1 - time_end + sqrt(2) * time_end)


def report(
    name: str, *, keep: float, fresh: float, leaving: tuple[float, float], entering: tuple[float, float]
) -> None:
    """Of x = keep * (x_end, x_end) + fresh * (z, -z): what it has beside what it should have."""
    mean = keep * leaving[0]
    covariance = (keep * leaving[1]) ** 2 * np.outer(SAME, SAME) + fresh**2 * np.outer(OPPOSITE, OPPOSITE)
    print(
        f"{name:44s}{mean:7.3f} / {entering[0]:.3f}{covariance[0, 0]:9.3f} / {entering[1] ** 2:.3f}"
        f"{covariance[0, 1] + 0.0:9.3f} / 0".replace("-0.000", " 0.000")
    )


def main() -> None:
    print(f"{'is / should be':44s}{'signal':>10s}{'variance':>16s}{'covariance in pair':>21s}")
    for time_end in (2 / 3, 1 / 3):
        leaving, entering = flow(time_end), flow(start_by_rule(time_end))
        ratio, fresh = entering[0] / leaving[0], entering[1] / sqrt(2)
        print(f"flow matching, a stage ends at t = {time_end:.4f}, the next starts at {entering[1]:.4f}")
        report("  derived: keep alpha_start / alpha_end", keep=ratio, fresh=fresh, leaving=leaving, entering=entering)
        report(
            "  eq. 15, 23 as printed: keep alpha_end", keep=leaving[0], fresh=fresh, leaving=leaving, entering=entering
        )
        wrong = leaving[1] / sqrt(2)
        report("  with sigma_end for sigma_start", keep=ratio, fresh=wrong, leaving=leaving, entering=entering)
        report("  frames doubled, no fresh noise", keep=1, fresh=0, leaving=leaving, entering=leaving)
    print("variance preserving, a stage ends at nu = 1")
    leaving, entering = preserving(1), preserving(sqrt(2))
    ratio, fresh = entering[0] / leaving[0], entering[1] / sqrt(2)
    report("  derived: nu_start = sqrt(2) nu_end", keep=ratio, fresh=fresh, leaving=leaving, entering=entering)
    # eq. 21-22 solve for the noise level with alpha + sigma = 1, which this schedule does not have
    sigma = sqrt(2) * leaving[1] / (1 - leaving[1] + sqrt(2) * leaving[1])
    printed = sqrt(1 - sigma**2), sigma
    ratio, fresh = printed[0] / leaving[0], printed[1] / sqrt(2)
    report("  start from eq. 21-22 (alpha + sigma = 1)", keep=ratio, fresh=fresh, leaving=leaving, entering=printed)


if __name__ == "__main__":
    main()
