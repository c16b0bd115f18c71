"""Words of splits and columns, as people spell them."""

import pytest

from pipeline.images.sources.words import normalize, split_of


@pytest.mark.parametrize("name", ["Image_Path ", "image-path", "imagePath", " IMAGE PATH", "image.path"])
def test_spellings_of_one_name_are_the_same(name):
    """Case, spaces, underscores, hyphens and camel case mean nothing."""
    assert normalize(name) == "image path"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("training_set", "train"),
        ("trainset", "train"),
        ("seg_train", "train"),
        ("train-images", "train"),
        ("valid", "validation"),
        ("val_data", "validation"),
        ("dev", "validation"),
        ("TEST ", "test"),
        ("test images", "test"),
        ("eval", "test"),
        ("trainer", None),
        ("train station", None),
        ("bus", None),
        ("", None),
    ],
)
def test_words_of_splits(name, split):
    """A name means a split only if nothing else is in it."""
    assert split_of(name) == split
