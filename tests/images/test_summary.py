"""What became of the files of a data set, in words and in JSON."""

from dataclasses import replace

import numpy as np

from pipeline.images.manifest import Ignored, Skipped
from pipeline.images.sources.arrays import array_manifest
from pipeline.images.summary import DataSummary


def make_manifest(**changes):
    pixels = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2)
    splits = ["train", "train", "train", "validation", "validation", "test"]
    manifest = array_manifest(pixels, np.array(["cat", "dog", "cat", "cat", "dog", "dog"]), splits=splits, title="pets")
    return replace(manifest, **changes)


def test_used_images_are_counted_by_class_and_split():
    """One sentence counts images, classes and splits; JSON has the counts of each class."""
    summary = DataSummary.of(make_manifest())

    assert summary.as_lines() == ["pets: 6 images in 2 classes (3 train, 2 validation, 1 test)."]
    assert summary.as_dict() == {
        "classes": {"cat": {"train": 2, "validation": 1, "test": 0}, "dog": {"train": 1, "validation": 1, "test": 1}},
        "skipped": [],
        "ignored": [],
    }


def test_skipped_images_are_named_by_reason():
    """Images of one kind of reason stand together, the most frequent first; five are named."""
    damaged = [Skipped(f"{number}.jpg", f"damaged: byte {number}") for number in range(7)]
    summary = DataSummary.of(make_manifest(skipped=(Skipped("gone.jpg", "no such file"), *damaged)))

    assert summary.as_lines()[1:] == [
        "Skipped: 8 images.",
        "  7 damaged: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 2 more",
        "  1 no such file: gone.jpg",
    ]
    assert summary.as_dict()["skipped"][1] == {"path": "0.jpg", "reason": "damaged: byte 0"}


def test_ignored_files_are_counted_by_kind_with_the_cure():
    """Kinds that could be read say how."""
    ignored = (Ignored(".heic", 12, "pip install 'bottleneck-pipeline[heif]'"), Ignored(".txt", 3))
    summary = DataSummary.of(make_manifest(ignored=ignored))

    assert summary.as_lines()[1:] == ["Ignored: .heic 12, .txt 3.", "  .heic: pip install 'bottleneck-pipeline[heif]'"]
    assert [entry["reason"] for entry in summary.as_dict()["ignored"]] == [
        "pip install 'bottleneck-pipeline[heif]'",
        None,
    ]


def test_images_without_label_are_counted():
    """Beside labelled ones; data without any label is not called unlabelled image by image."""
    labels = (None, *make_manifest().labels[1:])

    assert "1 of them without label" in DataSummary.of(make_manifest(labels=labels)).as_lines()[0]
    assert DataSummary.of(make_manifest(labels=(None,) * 6)).as_lines() == [
        "pets: 6 images (3 train, 2 validation, 1 test)."
    ]
