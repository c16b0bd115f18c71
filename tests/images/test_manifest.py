"""Columns in step, splits, duplicates, and what a head needs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataLayoutError
from pipeline.images.labels import natural_key
from pipeline.images.manifest import Files, Manifest, read_scanned
from pipeline.images.summary import Skipped
from tests.calls import read as scan
from tests.conftest import draw_tree

FULL = tuple((label, split) for label in ("cat", "dog") for split in ("train", "validation", "test"))


@dataclass(frozen=True)
class Numbered:
    """Images whose bytes tell their position."""

    def read(self, position):
        return f"bytes {position}".encode()


def make_manifest(entries, contents=None) -> Manifest:
    """One image for each (label, split); images with one content number have one digest."""
    count = len(entries)
    return Manifest(
        images=Numbered(),
        positions=tuple(range(count)),
        names=tuple(f"image {number}" for number in range(count)),
        digests=tuple(bytes([content]) * 32 for content in contents or range(count)),
        labels=tuple(label for label, _ in entries),
        splits=tuple(split for _, split in entries),
    )


def test_columns_of_different_lengths_are_refused():
    """A manifest whose columns are out of step cannot be made."""
    with pytest.raises(
        DataLayoutError, match=r"columns of a manifest must have the same length\. Received: lengths \[1, 2\]\."
    ):
        Manifest(Numbered(), (0, 1), ("a", "b"), (b"a", b"b"), (None,), ("train", "train"))


def test_unknown_split_is_refused():
    """A split has one of three names."""
    message = r"A split is one of train, validation, test\. Received: \['dev'\]\."
    with pytest.raises(DataLayoutError, match=message):
        make_manifest([("cat", "dev")])


def test_notebook_shows_classes_by_split():
    """With the number of images, and what was left out; of many classes the first."""
    page = make_manifest(FULL)._repr_html_()
    many = make_manifest([(f"class {number}", "train") for number in range(30)])._repr_html_()

    assert "6 images, 2 classes" in page
    assert page.count("<tr>") == 3
    assert many.count("<tr>") == 21
    assert "and 10 more classes" in many


@given(st.lists(st.integers(0, 5)))
def test_selected_rows_keep_all_their_columns(rows):
    """Whatever is selected, and however often, name, digest, label, split and bytes stay together."""
    manifest = make_manifest(FULL)

    selected = manifest.select(rows).select(range(len(rows)))

    assert len(selected) == len(rows)
    for place, row in enumerate(rows):
        assert selected.read(place) == f"bytes {row}".encode()
        assert selected.names[place] == f"image {row}"
        assert selected.digests[place] == bytes([row]) * 32
        assert (selected.labels[place], selected.splits[place]) == FULL[row]


def test_split_is_the_rows_of_one_name_in_order():
    """A split holds its own images alone, in the order of the manifest."""
    manifest = make_manifest(FULL)

    assert manifest.split("validation").names == ("image 1", "image 4")
    assert manifest.split("train").read(1) == b"bytes 3"


def test_left_out_rows_are_listed_with_their_reasons():
    """An image that is left out moves to `skipped`, behind those that are there already."""
    manifest = make_manifest(FULL).without({0: "empty file"}).without({4: "not an image", 1: "damaged"})

    assert manifest.names == ("image 1", "image 3", "image 4")
    assert manifest.skipped == (
        Skipped("image 0", "empty file"),
        Skipped("image 2", "damaged"),
        Skipped("image 5", "not an image"),
    )


def test_classes_are_sorted_and_numbered():
    """Class k is the k-th label in the order of the alphabet; images without a label make no class."""
    manifest = make_manifest([("dog", "train"), (None, "train"), ("cat", "test"), ("dog", "test")])
    ids = manifest.select([0, 2, 3]).targets

    assert manifest.classes == ("cat", "dog")
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 0, 1]


def test_duplicates_are_reported_across_splits_only():
    """The same bytes in two splits are named with their splits; twice in one split is no leak."""
    manifest = make_manifest(FULL, contents=[7, 1, 7, 1, 2, 7])
    within = make_manifest([("cat", "train"), ("dog", "train"), ("cat", "test")], contents=[7, 7, 1])

    assert manifest.duplicates_across_splits() == [
        ["train: image 0", "test: image 2", "test: image 5"],
        ["validation: image 1", "train: image 3"],
    ]
    assert within.duplicates_across_splits() == []
    assert make_manifest(FULL).duplicates_across_splits() == []


def test_files_give_their_own_bytes(tmp_path: Path):
    """An image that is a file is read as it is."""
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")

    assert Files(tmp_path, ("a", "b")).read(1) == b"second"


def test_images_with_two_labels_are_found():
    """The same bytes under two labels contradict; under one label, or without one, they do not."""
    entries = [("cat", "train"), ("dog", "test"), ("cat", "test"), (None, "train"), ("dog", "train"), ("dog", "train")]

    assert make_manifest(entries, contents=[7, 7, 3, 3, 5, 5]).conflicting_labels() == [
        ["cat: image 0", "dog: image 1"]
    ]
    assert make_manifest(entries).conflicting_labels() == []


def test_classes_are_sorted_as_people_count():
    """`2` comes before `10`, also inside names; numbers with thousands of digits, and texts of equal numbers, have an order too."""
    names = ["10", "2", "class 10", "class 9", "b", "Ä", "01", "1", "9" * 5000, "²"]

    assert sorted(names, key=natural_key) == ["01", "1", "2", "10", "9" * 5000, "b", "class 9", "class 10", "²", "Ä"]


def test_a_manifest_shows_counts_and_not_its_names():
    """Also with a million images, it is one line."""
    shown = repr(make_manifest(FULL))

    assert shown == "<Manifest of 6 images (2 train, 2 validation, 2 test), 2 classes, 0 skipped>"


def test_bytes_are_those_of_the_scan_or_a_reason(tmp_path):
    """A file that is gone and one that has changed are told apart."""
    data = draw_tree(tmp_path / "data", {"": 1})
    manifest = scan(data)
    assert read_scanned(manifest, 0) == (data / manifest.names[0]).read_bytes()
    (data / manifest.names[0]).write_bytes(b"another")
    (data / manifest.names[1]).unlink()

    assert read_scanned(manifest, 0) == "changed while it was read; run the command again"
    assert read_scanned(manifest, 1) == "cannot be read: No such file or directory"
