"""Which value of the regularisation a linear head gets: the smallest log loss, unless that costs accuracy.

Numbers have no accuracy, so for a regression the smallest loss is all. Of several labels each known answer counts as an image.

Accuracy alone is a coarse measure. Many values classify equally many images correctly, and among them the first one to win by a
single image may have probabilities that are far too low. So the loss decides between all values whose accuracy does not differ
significantly from the best one. `benchmarks/studies/regularisation.py` compares this rule with others.

Letters: M images that the choice is made on.
"""

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""Significance level of the test."""

_EXACT = 1000
"""Maximum number of images that only one of two heads classifies correctly for which the exact binomial sum is computed."""


class Candidate(Protocol):
    """A head for one value."""

    @property
    def hits(self) -> NDArray[np.bool_] | None:
        """Whether each of the M answers is right, (M,); None for numbers."""
        ...

    @property
    def loss(self) -> float:
        """What the choice is made by in the end."""
        ...


AnyCandidate = TypeVar("AnyCandidate", bound=Candidate)


def choose_best(candidates: Sequence[AnyCandidate]) -> AnyCandidate:
    """The smallest loss among the candidates that are not significantly less accurate than the most accurate one.

    Args:
        candidates: At least one, all judged on the same M images.
    """
    judged = [(one, one.hits) for one in candidates if one.hits is not None]
    if not judged:
        return min(candidates, key=lambda one: one.loss)
    top, top_hits = max(judged, key=lambda pair: (np.count_nonzero(pair[1]), -pair[0].loss))
    equal = [one for one, hits in judged if one is top or p_value(top_hits, hits) >= LEVEL]
    return min(equal, key=lambda one: one.loss)


def p_value(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Two-sided p-value of equal accuracy of two heads on the same M images (McNemar 1947).

    Only images that one of them classifies correctly and the other does not count. If the heads are equally accurate, each of these
    images is one of the first head's with probability 1/2. Above 1,000 such images the normal approximation is used.

    Args:
        first: Whether each image is classified correctly by the first head, (M,).
        second: The same for the second head.
    """
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    total, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    if total > _EXACT:
        z = (abs(only_first - only_second) - 1) / math.sqrt(total)
        return math.erfc(z / math.sqrt(2))
    tail = sum(math.comb(total, count) for count in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**total))
