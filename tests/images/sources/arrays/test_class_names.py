"""Names of classes in `.npz` files."""

import numpy as np
import pytest

from pipeline.errors import DataLayoutError
from tests.images.sources.arrays.test_arrays import make_images, save, scan

NUMBERS = np.arange(12) % 3
BIRDS = np.array(["owl", "tit", "wren"])


@pytest.mark.parametrize(
    "name", ["class_names", "classes", "labelNames", "names", "target_names", "categories", "classnames"]
)
def test_numbers_get_the_names_beside_them(tmp_path, name):
    """Label k has the name k; nothing of it is ignored."""
    manifest = scan(save(tmp_path, x=make_images(12), y=NUMBERS, **{name: BIRDS}))

    assert manifest.labels == tuple(BIRDS[NUMBERS])
    assert (manifest.ignored, manifest.label_choices) == ((), ())


def test_all_splits_get_them(tmp_path):
    """Also where a split has as many images as there are classes, or labels are one-hot rows."""
    splits = {
        "x_train": make_images(12),
        "y_train": np.eye(3)[NUMBERS],
        "x_test": make_images(3, first=20),
        "y_test": [2, 1, 0],
    }
    manifest = scan(save(tmp_path, **splits, class_names=BIRDS))

    assert manifest.labels == (*BIRDS[NUMBERS], "wren", "tit", "owl")


def test_labels_that_the_user_named_have_names_of_their_own(tmp_path):
    """As in CIFAR-100, whose labels are fine or coarse."""
    arrays = {"x": make_images(12), "fine_labels": NUMBERS, "coarse_labels": NUMBERS // 2}
    names = {"fine_label_names": BIRDS, "coarse_label_names": ["night", "day"]}
    manifest = scan(save(tmp_path, **arrays, **names), label="coarse_labels")

    assert set(manifest.labels) == {"night", "day"}


def test_names_that_do_not_fit_are_said(tmp_path):
    """Labels from 1 on stay numbers, and a warning says why."""
    manifest = scan(save(tmp_path, x=make_images(12), y=NUMBERS + 1, class_names=BIRDS))

    assert manifest.classes == ("1", "2", "3")
    assert "The 3 names in the array class_names are not used" in manifest.warnings[0]
    assert "there is a label '3'" in manifest.warnings[0]
    assert [entry.kind for entry in manifest.ignored] == ["array class_names"]


@pytest.mark.parametrize("other", [["a", "a", "b"], ["a", "", "b"], [0, 1, 2]])
def test_what_are_no_names_is_left(tmp_path, other):
    """Texts that repeat, empty ones and numbers."""
    assert scan(save(tmp_path, x=make_images(12), y=NUMBERS, class_names=other)).classes == ("0", "1", "2")


def test_texts_of_each_image_are_no_names_of_classes(tmp_path):
    """Names of files, and labels that are texts themselves."""
    files = np.array([f"{number}.png" for number in range(12)])

    assert scan(save(tmp_path, x=make_images(12), y=NUMBERS, names=files)).classes == ("0", "1", "2")
    assert scan(save(tmp_path, x=make_images(12), y=BIRDS[NUMBERS], names=["a", "b", "c"])).classes == tuple(BIRDS)


def test_names_that_differ_are_a_question(tmp_path):
    """Two arrays of the same names are none."""
    both = {"x": make_images(12), "y": NUMBERS, "names": BIRDS}

    assert scan(save(tmp_path, **both, classes=BIRDS)).classes == tuple(BIRDS)
    with pytest.raises(DataLayoutError, match=r"'names' and 'classes' could all be the names .* --ignore-column"):
        scan(save(tmp_path, **both, classes=BIRDS[::-1]))
