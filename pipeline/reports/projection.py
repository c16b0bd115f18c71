"""Features in two dimensions, for a map."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MissingExtraError

_GRID = 4095
"""Coordinates are whole numbers from 0 to this: finer than a screen, and short in JSON."""


def project_pca(X: NDArray[np.float32]) -> dict[str, Any]:
    """Principal components: the two directions in which the features vary most (Pearson 1901).

    Args:
        X: Features, (N, D).

    Returns:
        {x, y: N whole numbers each; share: of the variance that the two explain}.
    """
    from scipy.linalg import eigh

    centred = X.astype(np.float64) - X.mean(axis=0)
    # The smaller of the two products; both have the same eigenvalues, and only the last two are computed.
    is_wide = len(X) < X.shape[1]
    product = centred @ centred.T if is_wide else centred.T @ centred
    last = len(product) - 1
    values, vectors = eigh(product, subset_by_index=[max(0, last - 1), last])
    coordinates = vectors if is_wide else centred @ vectors
    # The sign of an eigenvector is arbitrary; this choice is the same on every machine.
    largest = coordinates[np.abs(coordinates).argmax(axis=0), np.arange(coordinates.shape[1])]
    coordinates = coordinates * np.where(largest < 0, -1, 1)
    total = float(np.trace(product))
    return _on_grid(coordinates[:, -1], coordinates[:, 0]) | {
        "share": float(values.sum()) / total if total > 0 else 1.0
    }


def require_umap() -> None:
    """Check that UMAP is installed.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("umap") is None:
        raise MissingExtraError("UMAP is an extra: pip install 'bottleneck-pipeline[umap]', or leave out --umap.")


def project_umap(X: NDArray[np.float32]) -> dict[str, Any]:
    """UMAP, with a fixed seed (McInnes, Healy & Melville 2018): neighbours stay neighbours; long distances mean little.

    Args:
        X: Features, (N, D).

    Returns:
        {x, y}: N whole numbers each.
    """
    import umap  # imports TensorFlow, if that is installed

    # With few images the default spectral start does not exist.
    neighbours = min(15, len(X) - 1)
    coordinates = umap.UMAP(n_neighbors=neighbours, init="pca", random_state=0, n_jobs=1).fit_transform(X)
    return _on_grid(coordinates[:, 0], coordinates[:, 1])


def _on_grid(x: NDArray[np.floating], y: NDArray[np.floating]) -> dict[str, Any]:
    return {"x": _stretch(x), "y": _stretch(y)}


def _stretch(values: NDArray[np.floating]) -> list[int]:
    low, span = values.min(), np.ptp(values)
    scaled = (values - low) / span if span > 0 else np.full(len(values), 0.5)
    steps: list[int] = np.round(scaled * _GRID).astype(int).tolist()
    return steps
