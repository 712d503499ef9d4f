"""Every random draw is a pure function of the names of what it is for.

No state is carried from one draw to the next, so a killed run resumes to the same numbers, and no draw depends on
batch size, process count or order. (What a network makes of a draw may differ in rounding between batch sizes.)
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(*names: str | int) -> int:
    """A seed in [0, 2**63) from a path of names, e.g. ``derive_seed(study_seed, "sample", 17)``.

    Injective over its arguments (text, number and their boundaries are told apart; numpy's integers are integers).

    >>> derive_seed(0, "a", 1) == derive_seed(0, "a", 1) != derive_seed(0, "a1")
    True
    """
    text = "\x1f".join(repr(name if isinstance(name, str) else int(name)) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def torch_generator(*names: str | int) -> torch.Generator:
    """A CPU ``torch.Generator`` seeded with :func:`derive_seed`; CPU, so that every device sees the same noise."""
    import torch

    return torch.Generator(device="cpu").manual_seed(derive_seed(*names))
