"""Captions to tokens: a closed vocabulary, one token a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import UsageError, unknown_name


def tokenize(captions: Sequence[str], *, vocabulary: Sequence[str], length: int) -> np.ndarray:
    """Tokens (N, length), int64: ``vocabulary[i]`` is token i+1, 0 is padding. The empty caption is all zeros.

    Commas are dropped; case is ignored.

    Raises:
        UsageError: a word is not in the vocabulary, or a caption is longer than ``length``.

    >>> tokenize(["b a", ""], vocabulary=["a", "b"], length=3).tolist()
    [[2, 1, 0], [0, 0, 0]]
    """
    numbers = {word: number for number, word in enumerate(vocabulary, start=1)}
    tokens = np.zeros((len(captions), length), dtype=np.int64)
    for row, caption in enumerate(captions):
        words = caption.lower().replace(",", " ").split()
        if len(words) > length:
            raise UsageError(f"caption '{caption}' has {len(words)} words; this data set takes at most {length}.")
        for column, word in enumerate(words):
            if word not in numbers:
                raise unknown_name("word", word, vocabulary, where=f"caption '{caption}'")
            tokens[row, column] = numbers[word]
    return tokens
