"""What became of the files of a data set, in words and in JSON."""

from dataclasses import replace

import numpy as np

from pipeline.images.sources.arrays.arrays import array_manifest
from pipeline.images.summary import MAX_CLASSES, Ignored, ImageUse, Skipped

HEIF = "pip install 'bottleneck-pipeline[heif]'"


def make_manifest(labels=("cat", "dog", "cat", "cat", "dog", "dog"), **changes):
    pixels = np.arange(len(labels) * 4, dtype=np.uint8).reshape(len(labels), 2, 2)
    splits = [("train", "train", "train", "validation", "validation", "test")[row % 6] for row in range(len(labels))]
    return replace(array_manifest(pixels, np.array(labels), splits=splits), **changes)


def test_images_are_counted_by_class_and_split():
    """One line of text; JSON has the counts of each class."""
    use = make_manifest().use

    assert use.as_lines() == ["Classes (train, validation, test): cat 2, 1, 0; dog 1, 1, 1"]
    assert use.as_dict() == {
        "classes": {"cat": {"train": 2, "validation": 1, "test": 0}, "dog": {"train": 1, "validation": 1, "test": 1}},
        "unlabelled": 0,
        "task": "classification",
        "skipped": [],
        "ignored": [],
    }


def test_many_classes_take_one_line():
    """Their number, and the smallest and the largest, if they differ."""
    names = [f"class {number}" for number in range(MAX_CLASSES + 1)]
    use = make_manifest([name for name in names for _ in range(6)]).use

    more = replace(use, classes=use.classes | {"large": {"train": 1200, "validation": 1, "test": 1}})

    assert use.as_lines() == ["Classes: 11, 3 training images each"]
    assert more.as_lines() == ["Classes: 12, 3 to 1,200 training images each"]


def test_skipped_images_are_named_by_reason():
    """Images of one kind of reason are together, the most frequent first; five are named."""
    damaged = [Skipped(f"{number}.jpg", f"damaged: byte {number}") for number in range(7)]
    use = make_manifest(skipped=(Skipped("gone.jpg", "no such file"), *damaged)).use

    assert use.as_lines()[1:] == [
        "Skipped: 8 images",
        "  7 damaged: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 2 more (--json lists all)",
        "  1 no such file: gone.jpg",
    ]
    assert use.as_dict()["skipped"][1] == {"path": "0.jpg", "reason": "damaged: byte 0"}


def test_ignored_files_are_counted_by_kind_with_the_cure():
    """Kinds that could be read say how."""
    use = make_manifest(ignored=(Ignored(".heic", 12, HEIF), Ignored(".txt", 3))).use

    assert use.as_lines()[1:] == ["Ignored: .heic 12, .txt 3", f"  .heic: {HEIF}"]
    assert [entry["reason"] for entry in use.as_dict()["ignored"]] == [HEIF, None]


def test_images_without_a_label_are_counted():
    """Beside others that have one: they have rows, and no head is trained on them."""
    manifest = make_manifest()
    use = replace(manifest, labels=(None, *manifest.labels[1:])).use

    assert use.as_lines()[1:] == ["Without a label: 1 image, which training skips"]
    assert use.as_dict()["unlabelled"] == 1


def test_json_is_read_again():
    """What a run's JSON says is the same text."""
    use = make_manifest(skipped=(Skipped("a", "b: c"),), ignored=(Ignored(".heic", 1, HEIF),)).use

    assert ImageUse.from_dict({"run": "first", **use.as_dict()}).as_lines() == use.as_lines()


def test_images_without_labels_have_no_classes():
    """Data to predict has nothing to say of classes."""
    assert make_manifest(labels=["x"] * 6, skipped=()).use.as_lines() != []
    assert replace(make_manifest(), labels=(None,) * 6).use.as_lines() == []


def test_labels_and_numbers_are_counted_by_name():
    """An image counts for each of its labels, and for each column whose number is known."""
    manifest = make_manifest(["cat|dog", "(none)", "dog", "cat|?dog", "dog", "cat"])
    marked = replace(manifest, kind="multilabel").use
    measured = replace(manifest, kind="regression", target_names=("price",), labels=(None, *"12345")).use

    assert marked.as_lines() == ["Labels (train, validation, test): cat 1, 1, 1; dog 2, 1, 0"]
    assert measured.as_lines()[0] == "Columns of numbers (train, validation, test): price 2, 2, 1"
    assert ImageUse.from_dict(measured.as_dict()).as_lines() == measured.as_lines()
