"""Columns and digests to a manifest."""

from collections import defaultdict

import pytest

from pipeline.images.answers import Answers
from pipeline.images.manifest import Contents, Manifest
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.reading import Reading
from pipeline.images.summary import Skipped


def manifest(columns: Columns, digests: list) -> Manifest:
    """The manifest of columns over images that are their own numbers."""
    images = Contents(tuple(bytes([number]) for number in range(len(digests))))
    return columns.manifest(images, digests, Reading(split="40/30/30"), "data")


@pytest.mark.parametrize(
    ("name", "label", "split"),
    [
        ("cats/1.jpg", "cats", None),
        ("cats/old/1.jpg", "cats", None),
        ("1.jpg", None, None),
        ("Train/cats/1.jpg", "cats", "train"),
        ("val/cats/1.jpg", "cats", "validation"),
        ("test/1.jpg", None, "test"),
        ("train", None, None),
    ],
)
def test_labels_and_splits_are_read_from_paths(name, label, split):
    """The first folder is the class, below the one of the split."""
    beside = "train/dogs/2.jpg" if split else "dogs/2.jpg"
    columns = Columns.of_paths([name, beside], Reading())

    assert (columns.answers.labels[0], columns.splits[0]) == (label, split)


def test_folder_is_a_class_whatever_its_name():
    """Also where the task is named: `None` and `NA` mean nothing else."""
    names = ["None/1.jpg", "NA/2.jpg", "crack/3.jpg"]

    assert Columns.of_paths(names, Reading(task="classification")).answers.labels == ("None", "NA", "crack")


def test_images_without_a_split_beside_others_are_counted():
    """They are read as training images: empty cells may be merged ones."""
    digests = [bytes([number]) * 32 for number in range(4)]
    some = Columns(list("abcd"), Answers(tuple("AABB")), ["train", None, "validation", None])
    none = Columns(list("abcd"), Answers(tuple("AABB")), [None] * 4)

    assert "2 of 4 images have no split, beside others" in manifest(some, digests).warnings[0]
    assert manifest(none, digests).warnings == ()


def test_groups_in_two_spellings_are_said():
    """They would be in different splits, and nobody would know."""
    digests = [bytes([number]) * 32 for number in range(6)]
    groups = ["P1", "p1", "P2", "P-2", "P3", "P4"]
    found = manifest(Columns(list("abcdef"), Answers(("A",) * 6), [None] * 6, groups), digests).warnings

    assert any("in different splits: 'P1' (1), 'p1' (1), 'P-2' (1), 'P2' (1). Give" in text for text in found)


def test_image_that_could_not_be_hashed_moves_to_the_skipped_ones():
    """The others keep their labels, their splits and the positions of their bytes."""
    columns = Columns(
        ["a", "b", "c"], Answers(("A", "B", "C")), ["train", "test", "validation"], skipped=[Skipped("z", "link")]
    )
    found = manifest(columns, [b"1" * 32, PermissionError(13, "Permission denied"), b"3" * 32])

    assert (found.names, found.labels, found.splits) == (("a", "c"), ("A", "C"), ("train", "validation"))
    assert [found.read(row) for row in range(2)] == [b"\0", b"\2"]
    assert found.skipped == (Skipped("z", "link"), Skipped("b", "cannot be read: Permission denied"))


def test_groups_share_a_split_and_images_without_one_have_their_own():
    """The group is the key instead of the digest."""
    count = 200
    groups = [f"patient {number % 9}" if number % 2 else None for number in range(count)]
    digests = [number.to_bytes(32, "big") for number in range(count)]
    found = manifest(Columns([str(n) for n in range(count)], Answers((None,) * count), [None] * count, groups), digests)
    splits = defaultdict(set)
    for group, split in zip(groups, found.splits, strict=True):
        splits[group].add(split)

    assert all(len(splits[group]) == 1 for group in groups if group)
    assert len(splits[None]) == 3
