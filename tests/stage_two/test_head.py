"""Predictions of heads on rows."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.cache.store import Store
from pipeline.stage_two.head import predict_rows, predict_split
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import make_task, on_disk


def fit(task):
    return fit_linear(parse_head("ridge"), task).head


def test_stored_rows_are_predicted_in_blocks(tmp_path, monkeypatch):
    """The predictions equal those on all rows at once, in the same order; at most one block is read at once."""
    task, counts, read = make_task((2, 2, 3), num_train=90), [], Store.read
    head = fit(task)
    monkeypatch.setattr(
        Store, "read", lambda self, keys, **settings: counts.append(len(keys)) or read(self, keys, **settings)
    )
    received = predict_rows(head, on_disk(task, tmp_path, 16).train.X)

    np.testing.assert_allclose(received, head.outputs(task.train.flat), atol=1e-6)
    assert max(counts) == 16


@pytest.mark.parametrize("tta", [False, True])
def test_test_time_augmentation_averages_over_views(tta):
    """With `tta` the probabilities are means over the image and its views; otherwise views are not used."""
    task = make_task((6,))
    head, part = fit(task), replace(task.validation, views=(task.validation.X + 1, task.validation.X - 2))
    each = [head.outputs(X) for X in (part.X, *part.views)]

    np.testing.assert_allclose(predict_split(head, part, tta=tta), np.mean(each, axis=0) if tta else each[0], atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 0.01
