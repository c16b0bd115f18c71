"""Stores that settings name."""

from dataclasses import replace

import pytest

from pipeline.settings import Settings
from pipeline.stage_one.reuse.named import is_named
from tests.cache.samples import HALF, RECIPE


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, True),
        ({"base": "vgg16"}, True),
        ({"base": "squeezenet"}, False),
        ({"size": 150}, True),
        ({"size": 64}, False),
        ({"resize": "bilinear"}, True),
        ({"resize": "lanczos"}, False),
        ({"exif": True}, True),
        ({"exif": False}, False),
        ({"cut": "block5_pool"}, True),
        ({"cut": "block5"}, True),
        ({"cut": "block4"}, False),
        ({"dtype": "float16"}, False),
        ({"precision": "float32"}, True),
        ({"decoder": 2}, True),
        ({"decoder": 1}, False),
        ({"preprocess": "native"}, True),
        ({"preprocess": "rescale"}, False),
        ({"preprocess": "standardize"}, False),
        ({"base": "vgg16", "size": 150, "workers": 3, "batch_size": 8}, True),
    ],
)
def test_settings_that_were_given_count(given, names):
    """And no others: their defaults contradict nothing."""
    assert is_named(RECIPE, Settings.of(**given)) is names


def test_weights_are_told_by_the_trunk():
    """Random weights have another one."""
    assert not is_named(replace(RECIPE, base="squeezenet", cut="fire9_concat"), Settings.of(weights="random"))


def test_number_format_is_compared():
    """Of the rows."""
    assert is_named(HALF, Settings.of(dtype="float16"))
