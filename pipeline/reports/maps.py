"""The map of a run's features: each image as a point, and images of different splits that are duplicates."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import DamagedStoreError, ForeignEntryError, SettingError
from pipeline.insight.duplicates import conflicting_labels, exact_duplicates, near_duplicates
from pipeline.reports.prediction_table import PredictionTable
from pipeline.reports.projection import project_pca, project_umap
from pipeline.reports.suspects import rows_of
from pipeline.runs.folder import RunFolder
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

_MAX_IMAGES = 10_000
"""Images of one map; the cost of comparing all pairs grows with the square."""


Keep = Callable[[NDArray[np.int64], NDArray[np.float32]], None]
"""Takes the rows of a map, (N,), and their features, (N, C)."""


def draw_map(
    run: RunFolder,
    predictions: PredictionTable,
    settings: Settings,
    *,
    near: float,
    with_umap: bool,
    keep: Keep | None = None,
) -> dict[str, Any]:
    """The map of a run's images as plain data.

    Args:
        run: Its recipe names the features, which are read from the cache and never computed.
        predictions: The images.
        settings: Cache folder.
        near: Minimum cosine of near duplicates.
        with_umap: Add a second projection, by UMAP.
        keep: Called with the features, if there are any.

    Returns:
        {exact: rows of identical images in two splits, conflicts: the same under two labels, near, features: what they are, rows: those
        on the map, or None for all, pca, umap}; without features {exact, conflicts, note: why there is no map}.
    """
    same = {
        "exact": exact_duplicates(predictions.digests, predictions.splits),
        "conflicts": conflicting_labels(predictions.digests, predictions.label_numbers),
    }
    rows = np.arange(len(predictions))
    if len(rows) > _MAX_IMAGES:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MAX_IMAGES, replace=False))
    digests = [predictions.digests[row] for row in rows]
    try:
        X, title = _read_features(run, digests, settings)
    except LookupError as reason:
        return {**same, "note": str(reason)}
    if keep:
        keep(rows, X)
    logger.info("%s: a map of %d rows.", run.name, len(X))
    found = near_duplicates(X, predictions.splits[rows], digests, threshold=near, progress=settings.compute.progress)
    found["pairs"] = [[int(rows[i]), int(rows[j]), cosine] for i, j, cosine in found["pairs"]]
    return {
        **same,
        "near": found,
        "features": title,
        "rows": None if len(rows) == len(predictions) else rows.tolist(),
        "pca": project_pca(X),
        "umap": project_umap(X) if with_umap else None,
    }


def pairs_of(drawn: dict[str, Any]) -> list[list[int]]:
    """Rows of a map that the page shows side by side: suspects with neighbours, images under two labels, exact and near duplicates."""
    same = [*drawn["conflicts"], *drawn["exact"]]
    return [*rows_of(drawn.get("suspects")), *same, *([i, j] for i, j, _ in drawn.get("near", {}).get("pairs", []))]


def _read_features(run: RunFolder, digests: Sequence[bytes], settings: Settings) -> tuple[NDArray[np.float32], str]:
    """Pooled rows of these images, (N, C), and a title for them.

    Raises:
        LookupError: The cache does not have them all; the message says why.
    """
    if not all(digests):
        raise LookupError("This run has not recorded the digests of its images, so their features cannot be found.")
    try:
        recipe = Recipe.from_dict(dict(run.info.recipe))
        store = Store.open(settings.paths.cache / recipe.folder_name)
    except (DamagedStoreError, ForeignEntryError, SettingError) as error:
        raise LookupError(
            f"The features are not in {settings.paths.cache}; name their folder with --cache. {error}"
        ) from error
    keys = row_keys(digests)
    missing = int((~store.has(keys)).sum())
    if missing:
        raise LookupError(f"{missing:,} of {len(keys):,} features are no longer in {store.name}.")
    pooling = recipe.pooling if recipe.pooling != "none" else "avg"
    title = f"{recipe.base}, {recipe.cut} at {recipe.decoder.size_px} px, {pooling} pooled"
    return store.read(keys, pooling=pooling), title
