"""What a data set needs so that a head can be trained on it."""

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.requirements import require_task
from pipeline.images.summary import Skipped
from tests.images.test_manifest import FULL, make_manifest


@pytest.mark.parametrize("splits", [("train", "validation", "test"), ("train", "validation")])
def test_complete_manifest_is_a_task(splits):
    """Two classes in training are enough; a test split is not needed, and a class may be missing from validation."""
    entries = [entry for entry in FULL if entry[1] in splits]
    manifest = make_manifest(entries)

    assert require_task(manifest) is manifest
    assert require_task(make_manifest([entry for entry in entries if entry != ("dog", "validation")]))

    with pytest.raises(DataLayoutError):
        require_task(make_manifest(entries[1:]))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [(None, "train")] * 3,
            r"None of the 3 images has a label\. A head needs labels: put the images into one folder per",
        ),
        (FULL[:3], r"A head needs at least two classes\. Received: \['cat'\]\. Use one folder per class"),
        (FULL[1:], r"The train split has no image of 'cat' \(1 of 2 classes\)\. A head cannot learn a class without"),
        (
            (FULL[2], FULL[5]),
            r"There is no training image with a label: all 2 labelled images are for validation or test",
        ),
        ((FULL[0], FULL[3]), r"There is no validation image with a label \(2 images of 2 classes; .* --split 80/10/10"),
    ],
)
def test_manifest_that_no_head_can_learn_from_is_refused(entries, message):
    """The message says what is missing and how to mend it."""
    with pytest.raises(DataLayoutError, match=message):
        require_task(make_manifest(entries))


def test_images_without_a_label_are_left_out_of_a_task():
    """They are counted among the skipped ones; the others keep their columns."""
    manifest = require_task(make_manifest([(None, "train"), *FULL, (None, "test")]))

    assert manifest.labels == tuple(label for label, _ in FULL)
    assert manifest.read(0) == b"bytes 1"
    assert manifest.skipped == (Skipped("image 0", "no label"), Skipped("image 7", "no label"))
