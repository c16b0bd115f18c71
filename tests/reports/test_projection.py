"""Features in two dimensions."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.errors import MissingExtraError
from pipeline.reports import projection
from pipeline.reports.projection import project_pca, project_umap, require_umap


@pytest.mark.parametrize("shape", [(60, 8), (8, 60)])
def test_pca_is_that_of_the_singular_values(shape):
    """Places and share are those of the singular value decomposition, whichever side is longer."""
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.linspace(1, 3, shape[1], dtype=np.float32)
    left, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    found = project_pca(X)

    assert found["share"] == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), rel=1e-5)
    for axis, column in (("x", left[:, 0]), ("y", left[:, 1])):
        assert abs(np.corrcoef(found[axis], column)[0, 1]) > 0.9999
        assert (min(found[axis]), max(found[axis])) == (0, 4095)


def test_pca_is_the_same_every_time():
    """The sign, which the mathematics leaves open, does not depend on the order of the images."""
    X = np.random.default_rng(1).normal(size=(30, 5)).astype(np.float32)
    order = np.random.default_rng(2).permutation(30)
    plain, shuffled = project_pca(X), project_pca(X[order])

    assert np.abs(np.array(plain["x"])[order] - shuffled["x"]).max() <= 1
    assert np.abs(np.array(plain["y"])[order] - shuffled["y"]).max() <= 1


def test_images_that_are_all_the_same_lie_on_one_place():
    """Features without any variance are drawn in the middle, and divide nothing by zero."""
    found = project_pca(np.ones((4, 3), np.float32))

    assert set(found["x"]) == set(found["y"]) == {2048}
    assert found["share"] == 1


def test_umap_is_asked_for_as_many_neighbours_as_there_are(monkeypatch):
    """UMAP is seeded, and never asked for more neighbours than there are other images."""
    asked = {}

    class UMAP:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, X):
            return X[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    found = project_umap(np.array([[0, 5, 1], [1, 7, 1], [3, 6, 1]], np.float32))

    assert (asked["n_neighbors"], asked["random_state"]) == (2, 0)
    assert found == {"x": [0, 1365, 4095], "y": [0, 4095, 2048]}


def test_umap_that_is_not_installed_is_named(monkeypatch):
    """The message says how to install it, and how to do without."""
    monkeypatch.setattr(projection, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[umap\]', or leave out --umap"):
        require_umap()
