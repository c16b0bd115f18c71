"""All labelled images together."""

import numpy as np
import pytest

from pipeline.errors import DataLayoutError, SettingError
from pipeline.insight.whole import whole_of
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel

TASK = Classification(("a", "b"))


def make_split(y, first, *, groups=(), digests=(), views=0):
    X = np.arange(first, first + len(y), dtype=np.float32)[:, None]
    return Split(X, np.array(y), tuple(map(str, y)), tuple(X + 100 for _ in range(views)), digests, groups)


def test_splits_are_joined_in_their_order_and_views_follow():
    """The rows are those of train, validation and test, then those of views, each with its image."""
    splits = {"test": make_split([1], 4), "train": make_split([0, 1], 0, views=2), "validation": make_split([0, 1], 2)}
    whole = whole_of(LabelledRows(TASK, splits))

    assert whole.plain[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert whole.y.tolist() == [0, 1, 0, 1, 1]
    assert whole.X[5:, 0].tolist() == [100, 101, 100, 101]
    assert whole.owners.tolist() == [0, 1, 2, 3, 4, 0, 1, 0, 1]
    assert len(set(whole.blocks)) == 5


def test_groups_and_copies_are_one_block():
    """Images of one group are a block; with a copy in another group, both groups are."""
    train = make_split([0, 1, 0], 0, groups=("p", "p", None), digests=(b"1", b"2", b"3"))
    validation = make_split([0, 1, 1], 3, groups=("q", None, None), digests=(b"2", b"3", b"4"))
    blocks = whole_of(LabelledRows(TASK, {"train": train, "validation": validation})).blocks

    assert blocks[0] == blocks[1] == blocks[3]
    assert blocks[2] == blocks[4]
    assert len(set(blocks.tolist())) == 3


def test_an_image_that_is_alone_in_its_class_is_known():
    """A class with one block, be it of several images, cannot be judged without it."""
    whole = whole_of(LabelledRows(TASK, {"train": make_split([0, 0, 1, 1], 0, groups=("p", "q", "r", "r"))}))

    assert whole.is_alone.tolist() == [False, False, True, True]


def test_other_tasks_and_a_single_group_are_refused():
    """Labels are judged where each image has one class, and is not in the group of all."""
    several = LabelledRows(Multilabel(("a", "b")), {"train": make_split([[0, 1.0]], 0)})
    one = LabelledRows(TASK, {"train": make_split([0, 1], 0, groups=("p", "p"))})

    with pytest.raises(SettingError, match="Received: --task multilabel"):
        whole_of(several)
    with pytest.raises(DataLayoutError, match="All images are in one group"):
        whole_of(one)
