"""Which value of the regularisation is chosen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.stage_two.linear.regularisation import choose_best, p_value


@dataclass(frozen=True)
class Candidate:
    hits: Any
    loss: float


def hits(num_right, total=100, *, first=0):
    """So many images right, from the first one on."""
    found = np.zeros(total, bool)
    found[first : first + num_right] = True
    return found


def test_smaller_loss_wins_where_accuracies_are_near():
    """One image more does not outweigh probabilities that are far too low."""
    sure, timid = Candidate(hits(96), 0.1), Candidate(hits(97), 0.37)

    assert choose_best([timid, sure]) is sure


def test_significantly_better_accuracy_wins():
    """Twenty images more do outweigh a smaller loss."""
    right, calibrated = Candidate(hits(97), 0.5), Candidate(hits(77), 0.3)

    assert choose_best([calibrated, right]) is right


def test_equal_images_are_paired():
    """The same difference in accuracy is significant where the same images are right, and not where others are."""
    best = Candidate(hits(58), 0.9)
    nested, other = Candidate(hits(50), 0.1), Candidate(hits(50, first=50), 0.1)

    assert choose_best([best, nested]) is best
    assert choose_best([best, other]) is other


def test_single_candidate_is_chosen():
    """A given value is used without a choice, whatever its scores."""
    only = Candidate(hits(0), 99.0)

    assert choose_best([only]) is only


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (1, 0), (9, 2), (40, 15), (700, 620), (30, 0)])
def test_p_value_is_that_of_the_binomial_test(first, second):
    """McNemar's exact test is a two-sided binomial test; above 1,000 images the normal approximation is within 2 %."""
    a, b = hits(first, 2000), hits(second, 2000, first=first)
    expected = binomtest(first, first + second).pvalue if first + second else 1.0

    assert p_value(a, b) == pytest.approx(expected, rel=0.02)
    assert p_value(b, a) == p_value(a, b)
