"""Writes diffusers.json: what the schedulers of diffusers make of a known network. Run by hand, where diffusers is:

pip install diffusers==0.42.1 && python tests/diffusion/golden/make_diffusers.py > tests/diffusion/golden/diffusers.json
"""

from __future__ import annotations

import json
from typing import Any

import diffusers
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler

X = [1.7, 0.2, -0.4, -2.1]
SPREAD = 0.5
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def epsilon(x: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    """The optimal network for clips from N(1, .5^2)."""
    return sigma * (x - alpha) / (alpha**2 * SPREAD**2 + sigma**2)


def case(solver: str, scheduler: Any, steps: int) -> dict[str, Any]:
    scheduler.set_timesteps(steps)
    if solver == "ddim":
        timesteps = [*scheduler.timesteps.tolist(), None]
        abar = [1.0 if t is None else float(scheduler.alphas_cumprod[t]) for t in timesteps]
        alpha, sigma = [a**0.5 for a in abar], [(1 - a) ** 0.5 for a in abar]
    else:
        ratios = scheduler.sigmas.double().tolist()
        alpha = [1 / (1 + ratio**2) ** 0.5 for ratio in ratios]
        sigma = [ratio * share for ratio, share in zip(ratios, alpha, strict=True)]
    x = torch.tensor(X, dtype=torch.float64).view(-1, 1, 1)
    for index, timestep in enumerate(scheduler.timesteps):
        x = scheduler.step(epsilon(x, alpha[index], sigma[index]), timestep, x).prev_sample
    return {"solver": solver, "steps": steps, "alpha": alpha, "sigma": sigma, "out": x.flatten().tolist()}


def main() -> None:
    cases = []
    for steps in (5, 12):
        cases.append(case("ddim", DDIMScheduler(**BETAS, set_alpha_to_one=True, clip_sample=False), steps))
        for spacing in ("leading", "trailing"):
            multistep = {**BETAS, "timestep_spacing": spacing, "solver_order": 2, "final_sigmas_type": "zero"}
            cases.append(case("dpm++2m", DPMSolverMultistepScheduler(**multistep), steps))
            cases.append(case("unipc", UniPCMultistepScheduler(**multistep, solver_type="bh2"), steps))
    document = {
        "command": "python tests/diffusion/golden/make_diffusers.py",
        "versions": {"diffusers": diffusers.__version__, "torch": torch.__version__.partition("+")[0]},
        "tolerance": 2e-5,
        "why": "the schedulers keep their tables in float32",
        "x": X,
        "cases": cases,
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
