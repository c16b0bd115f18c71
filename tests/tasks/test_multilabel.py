"""Several labels for each image."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.errors import DataLayoutError
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.operating import Goal

TASK = Multilabel(("ant", "bee", "cat"))


def test_labels_are_read():
    """1 for those in the text, NaN for unknown ones, 0 for the others."""
    y = TASK.encode(["ant|cat", "(none)", "bee|?cat"])

    np.testing.assert_array_equal(y, [[1, 0, 1], [0, 0, 0], [0, 1, np.nan]])
    with pytest.raises(DataLayoutError, match=r"'dog' is no label. Expected any of ant, bee, cat."):
        TASK.encode(["ant|dog"])


def test_threshold_has_the_largest_f1():
    """No threshold between two probabilities has a larger one; unknown answers are left out."""
    rng = np.random.default_rng(0)
    for trial in range(30):
        y = (rng.random(40) < 0.3).astype(np.float32)
        p = np.round(np.clip(0.3 * y + rng.random(40), 0, 1), 1 if trial % 2 else 3).astype(np.float32)
        y[::7] = np.nan
        known = np.isfinite(y)
        best = Goal("f1").choose(p, y).value
        others = np.unique(np.concatenate([p, p - 0.0001, p + 0.0001]))

        answers = np.repeat(y[known, None], len(others), axis=1)
        scores = f1_score(answers, p[known, None] >= others, average=None, zero_division=0)
        reached = f1_score(y[known], p[known] >= best)
        assert reached == pytest.approx(max(scores))


@pytest.mark.parametrize("value", [0, 1, np.nan])
def test_label_with_equal_answers_has_the_usual_threshold(value):
    """There is nothing to choose by."""
    assert Goal("f1").choose(np.linspace(0, 1, 9, dtype=np.float32), np.full(9, value, np.float32)).value == 0.5


def test_rarest_label_is_the_stratum():
    """Of the image's own; images without labels are together."""
    y = TASK.encode(["ant", "ant|bee", "ant|bee|cat", "(none)", "ant|bee"])

    assert TASK.strata(y).tolist() == [0, 1, 2, 3, 1]
