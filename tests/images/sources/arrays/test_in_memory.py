"""Arrays in Python as data sets: which forms are read, and what is said of others."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.scan import scan
from pipeline.images.sources.arrays.arrays import scan_npz
from pipeline.images.sources.reading import Reading
from tests.images.sources.arrays.test_arrays import make_images

IMAGES = make_images(20, (8, 8, 3))
LABELS = np.array(["owl", "tit"] * 10)


class Tensor:
    """Of another library: NumPy makes an array of it."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES, LABELS),
        (IMAGES, LABELS.tolist()),
        (IMAGES, pd.Series(LABELS)),
        (IMAGES, pd.Categorical(LABELS)),
        (Tensor(IMAGES), LABELS[:, None]),
        (IMAGES / 255, LABELS),
        {"images": IMAGES, "labels": LABELS},
    ],
)
def test_images_and_labels_are_those_of_a_file(data, tmp_path):
    """The same keys, labels and splits as from an `.npz` file with x and y."""
    np.savez(tmp_path / "arrays.npz", x=IMAGES, y=LABELS)
    expected = scan_npz(tmp_path / "arrays.npz", Reading())
    manifest = scan(data)

    assert manifest.digests == expected.digests
    assert manifest.labels == expected.labels == tuple(LABELS)
    assert manifest.splits == expected.splits
    assert manifest.read(3) == expected.read(3)
    assert (manifest.title, manifest.source) == ("arrays", None)


@pytest.mark.parametrize(
    ("sizes", "splits"), [((12, 8), ("train", "test")), ((10, 6, 4), ("train", "validation", "test"))]
)
def test_pairs_are_splits(sizes, splits):
    """As keras.datasets loads them; without a pair for validation, its images come from those for training."""
    ends = np.cumsum((0, *sizes))
    pairs = tuple((IMAGES[a:b], LABELS[a:b]) for a, b in itertools.pairwise(ends))
    manifest = scan(pairs, replace(Reading(), split="50/50/0"))

    for split, a, b in zip(splits[1:], ends[1:], ends[2:], strict=False):
        assert manifest.splits[a:b] == (split,) * (b - a)
    assert set(manifest.splits[: sizes[0]]) == ({"train"} if len(sizes) == 3 else {"train", "validation"})
    assert manifest.labels == tuple(LABELS)


@pytest.mark.parametrize("data", [IMAGES, (IMAGES, None), {"x": IMAGES, "y": None}])
def test_images_need_no_labels(data):
    """Their features can be stored."""
    assert scan(data).labels == (None,) * 20


def test_missing_label_is_no_class():
    """As in a frame: None and NaN among texts are images without a label."""
    texts = [None, float("nan"), *LABELS[2:]]

    assert scan((IMAGES, pd.Series(texts, dtype=object))).labels == (None, None, *LABELS[2:])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            (IMAGES, LABELS, IMAGES, LABELS),
            r"Expected .*\(images, labels\).*Received: a tuple of an array \(20, 8, 8, 3\)",
        ),
        ((IMAGES, IMAGES), r"Received: a tuple of an array \(20, 8, 8, 3\), an array \(20, 8, 8, 3\)"),
        ((IMAGES,), r"Received: a tuple of an array \(20, 8, 8, 3\)\."),
        (((IMAGES, LABELS), IMAGES), r"Received: a tuple of tuple, an array"),
        ((IMAGES, LABELS[:19]), "x and y must have the same length. Received: 20 and 19"),
        ((IMAGES, [["a"], ["b", "c"]] * 10), "'y' is no array"),
        ((IMAGES, pd.Series([{}] * 20)), "'y' contains Python objects"),
        ([IMAGES, LABELS], "Received: list"),
        ({"path": ["a.jpg"], "label": ["owl"]}, "Received: dict. Make a frame"),
        ((["a.jpg"], ["owl"]), "Received: tuple. Make a frame"),
    ],
)
def test_other_forms_are_refused(data, message):
    """The message says what was received, and which forms are read."""
    with pytest.raises(DataLayoutError, match=message):
        scan(data)
