"""Numbers for each image."""

import numpy as np
import pytest

from pipeline.errors import DataLayoutError
from pipeline.tasks.regression import LEVEL, Regression

TASK = Regression(("height", "width"))


def test_numbers_are_read():
    """NaN where they are not known; other texts, and another count, are named."""
    np.testing.assert_array_equal(TASK.encode(["1.5|2", "-3|", "|1e3"]), [[1.5, 2], [-3, np.nan], [np.nan, 1000]])
    with pytest.raises(DataLayoutError, match=r"Expected 2 numbers \(height, width\). Received: '1'."):
        TASK.encode(["1"])
    with pytest.raises(DataLayoutError, match=r"'x' is no number"):
        TASK.encode(["x|1"])


@pytest.mark.parametrize("count", [20, 200])
def test_intervals_hold_the_stated_share(count):
    """On new numbers from the same law, in the mean over many trials; with few images they hold a little more."""
    rng, held = np.random.default_rng(0), []
    for _ in range(200):
        errors, new = rng.exponential(2, (2, count, 2)) * rng.choice([-1, 1], (2, count, 2))
        widths = TASK.settled(errors.astype(np.float32), np.zeros((count, 2), np.float32)).half_widths
        held.append((np.abs(new) <= widths).mean())

    assert LEVEL - 0.01 <= np.mean(held) <= LEVEL + 1 / count + 0.01


def test_answer_has_the_interval():
    """Number and ends by column."""
    answer = Regression(("height",), (2.0,)).answer(np.array([5.25], np.float32), 3)

    assert answer.label == "5.25"
    assert answer.values == {"height": (5.25, 3.25, 7.25)}


def test_other_columns_are_refused():
    """Several numbers would be compared with those of other columns."""
    TASK.check_columns(("height", "width"))
    Regression(("a",)).check_columns(("b",))
    with pytest.raises(DataLayoutError, match=r"--label height,width"):
        TASK.check_columns(("width", "height"))
