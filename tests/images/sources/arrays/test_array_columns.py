"""Groups and splits in arrays beside the images."""

import numpy as np
import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.sources.arrays.arrays import scan_npz
from pipeline.images.sources.reading import Reading
from tests.images.sources.arrays.test_arrays import make_images, save

LABELS = np.tile(["owl", "tit"], 20)
PEOPLE = np.repeat(np.arange(10), 4)


def two_splits(**others):
    """Arrays of 40 training and 40 test images."""
    return {
        "x_train": make_images(40),
        "y_train": LABELS,
        "x_test": make_images(40, first=40),
        "y_test": LABELS,
        **others,
    }


def test_groups_of_each_split_are_one_column(tmp_path):
    """Validation images are taken from the training images by whole groups; images of a split without groups have none."""
    for names in (("groups_train", "groups_test"), ("train_group", "test_group")):
        found = scan_npz(
            save(tmp_path, **two_splits(**dict(zip(names, (PEOPLE, PEOPLE + 10), strict=True)))), Reading()
        )
        held_out = {group for group, split in zip(found.groups, found.splits, strict=True) if split == "validation"}
        trained = {group for group, split in zip(found.groups, found.splits, strict=True) if split == "train"}

        assert found.groups == tuple(map(str, [*PEOPLE, *PEOPLE + 10]))
        assert held_out
        assert trained
        assert not held_out & trained
        assert found.ignored == ()
    lone = scan_npz(save(tmp_path, **two_splits(groups_train=PEOPLE)), Reading())

    assert lone.groups == (*map(str, PEOPLE), *[None] * 40)
    assert any("40 of 80 images have no group" in text for text in lone.warnings)


def test_groups_of_training_images_alone_are_read(tmp_path):
    """Of a file that has no other images."""
    found = scan_npz(save(tmp_path, x_train=make_images(40), y_train=LABELS, groups_train=PEOPLE), Reading())

    assert found.groups == tuple(map(str, PEOPLE))
    assert len({(group, split) for group, split in zip(found.groups, found.splits, strict=True)}) == 10


def test_groups_in_both_splits_are_refused(tmp_path):
    """As in a table; without the groups the splits are those of the file."""
    path = save(tmp_path, **two_splits(groups_train=PEOPLE, groups_test=PEOPLE))
    with pytest.raises(DataLayoutError, match="divide 10 groups"):
        scan_npz(path, Reading())
    found = scan_npz(path, Reading(ignore_column=("groups",)))

    assert found.groups == ()
    assert [entry.kind for entry in found.ignored] == ["array groups_train", "array groups_test"]


@pytest.mark.parametrize(
    ("name", "count"), [("groups", 80), ("groups", 40), ("groups_train", 39), ("group_id_val", 40)]
)
def test_groups_of_unknown_images_are_refused(name, count, tmp_path):
    """It is not guessed whose they are."""
    path = save(tmp_path, **two_splits(**{name: np.arange(count)}))
    with pytest.raises(
        DataLayoutError, match=rf"The array '{name}' \({count},\) seems to have the groups .* groups_train \(40,\)"
    ):
        scan_npz(path, Reading())

    assert scan_npz(path, Reading(ignore_column=(name,))).groups == ()


def test_persons_of_each_split_are_a_question(tmp_path):
    """Their validation images would be of persons who are trained on; both options take the name of the column."""
    path = save(tmp_path, **two_splits(patient_id_train=PEOPLE, patient_id_test=PEOPLE + 10))
    with pytest.raises(DataLayoutError, match=r"--group-column patient_id, or .* --ignore-column patient_id"):
        scan_npz(path, Reading())

    assert scan_npz(path, Reading(group_column="patient_id")).groups[0] == "0"
    assert scan_npz(path, Reading(ignore_column=("patient_id",))).groups == ()
