"""What to say when torch's compiler fails; it does so in the first training step, not when it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UnitError

COMPILER = ("torch._dynamo", "torch._inductor", "torch._functorch")


@contextmanager
def compiler_errors(label: str) -> Iterator[None]:
    """Put an error of the compiler into words; the network's own errors pass through.

    Raises:
        UnitError: the compiler failed, e.g. because there is no C++ compiler.
    """
    try:
        yield
    except Exception as error:
        # told by their module: the classes have no public home and moved between versions of torch
        if not any(base.__module__.startswith(COMPILER) for base in type(error).__mro__):
            raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UnitError(
            f"training of '{label}' cannot compile its network (training.compile: true): {reason.rstrip('.')}. "
            f"Compiling takes a C++ compiler (g++, or the one that CXX names) and, on a GPU, Triton. "
            f"Install what is missing, or set training.compile to false."
        ) from error
