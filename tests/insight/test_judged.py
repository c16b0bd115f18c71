"""Labels of rows that were read elsewhere."""

import numpy as np
import pytest

from pipeline.errors import DataLayoutError
from pipeline.insight.findings import Shown
from pipeline.insight.judged import judge_rows
from tests.insight.samples import make_whole


def show(row):
    return Shown(f"{row}.png", "train", "", row)


def test_images_with_the_same_bytes_leave_together():
    """A copy under another label is judged without the first; suspects have an unlikely label."""
    whole = make_whole(40)
    digests = [number.to_bytes(32, "big") for number in range(40)]
    apart, _ = judge_rows(whole.task, whole.X, whole.y, digests, show)
    digests[7] = digests[8]
    together, found = judge_rows(whole.task, whole.X, whole.y, digests, show)

    assert not np.allclose(apart.outputs[7], together.outputs[7])
    assert found
    assert all(together.outputs[one.image.row].argmax() != whole.y[one.image.row] for one in found)


def test_copies_of_one_image_cannot_be_judged():
    """Nothing is left to judge them by."""
    whole = make_whole(8)
    with pytest.raises(DataLayoutError, match="All images are in one group"):
        judge_rows(whole.task, whole.X, whole.y, [b"1"] * 8, show)
