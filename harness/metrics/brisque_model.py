"""What BRISQUE learned: a support vector regression in libsvm's text, and the range of each feature in a pickle.

A pickle is a program, and none is run here: of its instructions only those that write down text and numbers are
followed, and any other is refused.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import WeightsError


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A support vector regression with the kernel ``exp(-gamma |x - s|^2)``."""

    vectors: np.ndarray
    """(n, d)."""
    coefficients: np.ndarray
    """(n,)."""
    gamma: float
    rho: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(..., d) to (...): ``sum(coefficient * kernel) - rho``.

        >>> one = Regression(vectors=np.zeros((1, 2)), coefficients=np.array([3.0]), gamma=1.0, rho=-2.0)
        >>> float(one(np.zeros(2))), round(float(one(np.array([9.0, 9.0]))), 6)
        (5.0, 2.0)
        """
        squares = np.square(features[..., None, :] - self.vectors).sum(axis=-1)
        return np.asarray(np.exp(-self.gamma * squares) @ self.coefficients - self.rho)


@dataclass(frozen=True, kw_only=True)
class Range:
    """The least and the largest value of each feature, (d,) each."""

    least: np.ndarray
    largest: np.ndarray

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """To -1 at the least and 1 at the largest value.

        >>> Range(least=np.array([2.0]), largest=np.array([4.0])).scaled(np.array([[2.0], [3.0]])).tolist()
        [[-1.0], [0.0]]
        """
        return 2 * (features - self.least) / (self.largest - self.least) - 1


def read_regression(file: Path, dimensions: int) -> Regression:
    """An epsilon-SVR with an RBF kernel from libsvm's text format.

    Raises:
        WeightsError: it is no such model, or not complete.
    """
    try:
        head, _, body = file.read_text(encoding="ascii").partition("\nSV\n")
        facts = dict(line.split(maxsplit=1) for line in head.splitlines())
        if (facts["svm_type"], facts["kernel_type"]) != ("epsilon_svr", "rbf"):
            raise ValueError(f"{facts['svm_type']} with kernel {facts['kernel_type']}, needed epsilon_svr with rbf")
        rows = [line.split() for line in body.splitlines()]
        if len(rows) != int(facts["total_sv"]):
            raise ValueError(f"{len(rows)} support vectors of {facts['total_sv']}")
        vectors = np.zeros((len(rows), dimensions))  # what a row leaves out is 0
        for vector, (_, *entries) in zip(vectors, rows, strict=True):
            for entry in entries:
                index, _, value = entry.partition(":")
                vector[_column(int(index), dimensions)] = float(value)
        return Regression(
            vectors=vectors,
            coefficients=np.array([float(row[0]) for row in rows]),
            gamma=float(facts["gamma"]),
            rho=float(facts["rho"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{file} does not hold a regression in libsvm's format: {error}.") from error


def _column(index: int, dimensions: int) -> int:
    if not 1 <= index <= dimensions:
        raise ValueError(f"feature {index}, needed 1 to {dimensions}")
    return index - 1


def read_range(file: Path, dimensions: int) -> Range:
    """The lists ``min_`` and ``max_`` of a pickled dictionary.

    Raises:
        WeightsError: the file holds anything else.
    """
    try:
        found = _plain(file.read_bytes())
        least, largest = (np.array(found[name], dtype=np.float64).reshape(dimensions) for name in ("min_", "max_"))
        if not (np.isfinite([least, largest]).all() and (least < largest).all()):
            raise ValueError("a least value is not below its largest, or not finite")
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{file} does not hold the range of each feature: {type(error).__name__}: {error}."
        ) from error
    return Range(least=least, largest=largest)


def _plain(pickled: bytes) -> Any:
    """What a pickle of dictionaries, lists, texts and floats holds; nothing in it is run.

    Raises:
        ValueError: it holds anything else, or is damaged.
    """
    stack: list[Any] = []
    marks: list[int] = []
    for instruction, argument, place in pickletools.genops(pickled):
        match instruction.name:
            case "PROTO" | "FRAME" | "MEMOIZE":  # the version, a length, and a note for uses that are refused below
                pass
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "SHORT_BINUNICODE" | "BINFLOAT":
                stack.append(argument)
            case "MARK":
                marks.append(len(stack))
            case "APPENDS":
                items = _since(stack, marks)
                stack[-1].extend(items)
            case "SETITEMS":
                items = _since(stack, marks)
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "STOP":
                return stack[-1]
            case name:
                raise ValueError(f"the instruction {name} at byte {place}, which does more than write down numbers")
    raise ValueError("it ends before its STOP")


def _since(stack: list[Any], marks: list[int]) -> list[Any]:
    """Take what was put on the stack since the last mark."""
    start = marks.pop()
    items = stack[start:]
    del stack[start:]
    return items
