"""The nearest images among those of a page."""

import numpy as np

from pipeline.reports.alike import NUM_ALIKE, find_alike


def test_nearest_are_among_images_with_thumbnails():
    """Places in the list of rows, the nearest first, with cosines in thousandths; no image is like itself."""
    X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    rows, shown = np.arange(100, 140), set(range(110, 130))
    found = find_alike(rows, X, shown)
    unit = X[10:30] / np.linalg.norm(X[10:30], axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)

    assert found["rows"] == list(range(110, 130))
    assert found["near"] == np.argsort(-cosines, axis=1)[:, :NUM_ALIKE].tolist()
    assert found["cosines"] == np.round(-1000 * np.sort(-cosines, axis=1)[:, :NUM_ALIKE]).astype(int).tolist()


def test_few_images_have_fewer_neighbours():
    """All others; a single image has none."""
    X = np.eye(3, dtype=np.float32)

    assert [len(near) for near in find_alike(np.arange(3), X, {0, 1, 2})["near"]] == [2, 2, 2]
    assert find_alike(np.arange(3), X, {1}) is None
