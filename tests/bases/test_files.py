"""Paths of weights."""

from pathlib import Path

import pytest

from pipeline.bases.files import home_folder, weights_path
from pipeline.bases.table import BASES
from pipeline.errors import WeightsUnavailableError


def test_the_home_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch):
    """Without $BOTTLENECK_HOME, or with an empty one, it lies in ~/.cache."""
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("BOTTLENECK_HOME", "")

    assert home_folder() == Path("/somewhere/.cache/bottleneck")


def test_the_home_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch):
    """$BOTTLENECK_HOME is taken as it is."""
    monkeypatch.setenv("BOTTLENECK_HOME", "/data/weights")

    assert home_folder() == Path("/data/weights")


def test_every_kind_of_weights_has_a_file_of_its_own():
    """Random and ImageNet weights, with and without top, never share a name."""
    paths = {
        weights_path(spec, weights, Path("home"), include_top=include_top)
        for spec in BASES.values()
        for weights in ("imagenet", "random")
        for include_top in (False, True)
    }

    assert len(paths) == 4 * len(BASES)
    assert Path("home/weights/vgg16-imagenet.weights.h5") in paths


def test_a_file_that_does_not_exist_is_refused():
    """The message says what `--weights` takes."""
    with pytest.raises(
        WeightsUnavailableError,
        match=r"No such weights: 'imagnet'\. Expected imagenet, random, or a \.weights\.h5, \.h5 or \.keras file",
    ):
        weights_path(BASES["squeezenet"], "imagnet", Path("home"))
