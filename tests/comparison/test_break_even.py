"""When cached regimes break even."""

import pytest

from pipeline.comparison.break_even import BreakEven, RegimeResult, break_even, times_until_paid
from tests.reports.samples import make_scores


def make_result(regime, training, extraction):
    """A regime of these seconds, 0.9 right in training and 0.8 in validation."""
    scores = {"train": make_scores(0.9, (0, 1), 10), "validation": make_scores(0.8, (0, 1), 10)}
    return RegimeResult(regime, regime, scores, training, None, extraction, 10)


def test_the_cache_breaks_even_after_so_many_trainings():
    """100 s of extraction and 1 s per training against 41 s: 3 trainings, since 100 + 3 <= 123."""
    results = [make_result("linear", 1.0, 100.0), make_result("dense", 60.0, 100.0), make_result("endtoend", 41.0, 0.0)]

    assert break_even(results) == {"linear": BreakEven("endtoend", 3), "dense": BreakEven("endtoend", None)}


def test_a_cached_regime_is_compared_with_its_live_counterpart():
    """Fine-tuning with fine-tuning, a head with a head; with the cheapest live regime where the counterpart was not run."""
    cached = [make_result("dense", 1.0, 100.0), make_result("cached-finetune", 20.0, 100.0)]
    live = [make_result("endtoend", 41.0, 0.0), make_result("finetune", 70.0, 0.0)]

    assert break_even([*cached, *live])["cached-finetune"] == BreakEven("finetune", 2)
    assert break_even([*cached, live[0]])["cached-finetune"] == BreakEven("endtoend", 5)
    assert break_even(cached) == {}


def test_a_regime_of_unknown_cost_has_no_break_even():
    """Rows whose cost nobody recorded are neither live nor comparable."""
    assert break_even([make_result("linear", 1.0, None), make_result("endtoend", 41.0, 0.0)]) == {}


def test_the_gap_is_training_minus_validation():
    """Overfitting shows as a positive gap."""
    assert make_result("linear", 1.0, 1.0).overfitting_gap == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("heads", "text"),
    [
        (1, "linear breaks even after 1 training, compared with endtoend."),
        (3, "linear breaks even after 3 trainings, compared with endtoend."),
        (None, "linear never breaks even here, compared with endtoend."),
    ],
)
def test_break_even_in_words(heads, text):
    """One training, more, or never."""
    assert BreakEven("endtoend", heads).describe("linear") == text


@pytest.mark.parametrize(("cost", "saved", "times"), [(10, 4, 3), (8, 4, 2), (0, 1, 1), (5, 0, None), (5, -1, None)])
def test_a_cost_is_paid_after_whole_savings(cost, saved, times):
    """At least one, and never where nothing is saved."""
    assert times_until_paid(cost, saved) == times
