"""A scikit-learn transformer: images in, cached features out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from pipeline.cache.store import row_keys
from pipeline.errors import UnreadableImageError
from pipeline.images.arrays import array_manifest
from pipeline.images.folders import list_images
from pipeline.images.manifest import Manifest
from pipeline.verbs.options import Options
from pipeline.verbs.rows import extract


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Bottleneck features of images, from the cache or computed once.

    Works inside `make_pipeline`, `clone`, `cross_val_score` and `GridSearchCV`: every fold and every
    setting after the first finds its rows in the store.

    Args:
        base: A name of `bottleneck bases`.
        size: Input height and width in px; None is the base's native size.
        cut: Last layer of the trunk; None is the base's last layer.
        pool: `avg`, `max`, or `none` for the flattened grid.
        preprocess: `native` or `rescale`.
        weights: `imagenet`, `random`, or a file.
        cache: The cache folder.
        batch_size: Images a step.
        device: `auto`, or a TensorFlow device.
        progress: Show bars on stderr.
    """

    def __init__(
        self,
        base: str = "vgg16",
        *,
        size: int | None = None,
        cut: str | None = None,
        pool: str = "avg",
        preprocess: str = "native",
        weights: str = "imagenet",
        cache: str | Path = "features_cache",
        batch_size: int = 32,
        device: str = "auto",
        progress: bool = False,
    ) -> None:
        self.base = base
        self.size = size
        self.cut = cut
        self.pool = pool
        self.preprocess = preprocess
        self.weights = weights
        self.cache = cache
        self.batch_size = batch_size
        self.device = device
        self.progress = progress

    def fit(self, X: Sequence[str | Path] | NDArray[Any], y: Any = None) -> Self:
        """Nothing is learned from the images: the trunk is frozen."""
        return self

    def transform(self, X: Sequence[str | Path] | NDArray[Any]) -> NDArray[np.float32]:
        """Features of images, float32 (N, D).

        Args:
            X: Paths of N files; or an array (N, H, W), (N, H, W, 3) of integers in [0, 255] or floats in [0, 1].

        Raises:
            UnreadableImageError: An image cannot be read, or is a folder: rows and labels must stay paired, so none
                is left out.
        """
        options = self._options()
        extraction = extract(self._manifest(X, options), options=options)
        if extraction.manifest.skipped:
            first = extraction.manifest.skipped[0]
            raise UnreadableImageError(
                f"{len(extraction.manifest.skipped)} of {len(X)} images cannot be read; the first: {first.path}: {first.reason}."
            )
        rows = extraction.store.read(row_keys(extraction.manifest.digests), pooling=self.pool)
        return rows.reshape(len(rows), -1)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _manifest(self, X: Sequence[str | Path] | NDArray[Any], options: Options) -> Manifest:
        if isinstance(X, np.ndarray) and X.ndim > 1:
            return array_manifest(X)
        paths = [Path(str(path)) for path in X]
        folders = [path for path in paths if path.is_dir()]
        if folders:
            raise UnreadableImageError(f"{folders[0]} is a folder. Expected one image for each label.")
        return list_images(paths, options.hashes)

    def _options(self) -> Options:
        return Options(
            base=self.base,
            size=self.size,
            cut=self.cut,
            preprocess=self.preprocess,
            weights=self.weights,
            cache=Path(self.cache),
            batch_size=self.batch_size,
            device=self.device,
            progress=self.progress,
        )
