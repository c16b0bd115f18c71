"""A scikit-learn transformer from images to cached features."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from pipeline.images.given import GivenImages, read_given
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_one.recipes import make_recipe


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Bottleneck features of images, from the cache or computed once.

    Works with `make_pipeline`, `clone`, `cross_val_score` and `GridSearchCV`: every fold and every
    setting after the first finds its rows in the store. Parameters are checked when they are used.

    Args:
        base: A name of `bottleneck bases`.
        size: Input height and width in px; None is the base's native size.
        cut: Last layer of the trunk; None is the base's last layer.
        pool: `avg`, `max`, or `none` for the flattened grid.
        preprocess: `native` or `rescale`.
        weights: `imagenet`, `random`, or a file.
        cache: The cache folder.
        batch_size: Images per step.
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

    def fit(self, X: GivenImages, y: Any = None) -> Self:
        """Do nothing: the trunk is frozen, so nothing is learned from the images."""
        return self

    def transform(self, X: GivenImages) -> NDArray[np.float32]:
        """Features of images, float32 (N, D).

        Args:
            X: N images: paths, also as one column of a frame or array; bytes of image files; PIL images; arrays (H, W) or
                (H, W, 3); or one array (N, H, W) or (N, H, W, 3). Pixels are integers in [0, 255] or floats in [0, 1].
                One of these alone is one image. An array of three dimensions is one image if its last dimension is 1, 3
                or 4, otherwise N grey ones.

        Raises:
            DataNotFoundError: A file does not exist.
            UnreadableImageError: An image cannot be read, or is a folder: rows and labels must stay paired, so none
                is left out.
        """
        settings = self._settings()
        given = read_given(X, settings.paths.hashes, exif=settings.features.exif, with_folders=False)
        given.check(given.manifest, need_all=True)
        recipe, _ = make_recipe(given.manifest, settings)
        extraction = make_rows(given.manifest, recipe, settings)
        given.check(extraction.manifest, need_all=True)
        rows = extraction.store.read(extraction.keys(), pooling=self.pool)
        return rows.reshape(len(rows), -1)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _settings(self) -> Settings:
        return Settings.of(
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
