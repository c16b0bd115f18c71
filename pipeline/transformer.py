"""A scikit-learn transformer from images to cached features."""

import logging
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from pipeline.images.decoding.formats import MAX_PIXELS
from pipeline.images.given import GivenImages, read_given
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.scan import make_reading

logger = logging.getLogger(__name__)

_BLACK = np.zeros((1, 8, 8, 3), np.uint8)
"""One small image: its features have the shape of all others."""


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Bottleneck features of images, from the cache or computed once.

    Works with `make_pipeline`, `ColumnTransformer`, `clone`, `cross_val_score`, `GridSearchCV` and `set_output`: every fold and
    every setting after the first finds its rows in the store. Parameters are checked when they are used. They have the names of
    the command line's options, except `aspect`, because `fit` is a method.

    Args:
        base: A name of `bottleneck bases`.
        size: Input height and width in px; None is the base's native size.
        cut: Last layer of the trunk; None is the base's last layer.
        pool: `avg`, `max`, or `none` for the flattened grid.
        preprocess: `native` or `rescale`.
        weights: `imagenet`, `random`, or a file.
        resize: Resize filter: `lanczos`, `bicubic`, `bilinear`, `box` or `nearest`.
        exif: Turn images upright as their EXIF orientation says.
        aspect: The option `--fit`: `stretch`, `crop` or `pad`.
        background: Colour behind transparent pixels, and for `pad`; None is white. `drop` ignores transparency.
        decoder: 2, or 1 for the pixels of versions 0.1 and 0.2.
        cache: The cache folder. If it cannot be written, new rows are computed for this time only.
        engine: `auto`, `tensorflow` or `openvino`.
        batch_size: Images per step.
        device: `auto`, or a TensorFlow device.
        max_pixels: Images with more pixels are refused.
        progress: Show progress bars; None: on a terminal and in a notebook.
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
        resize: str = "lanczos",
        exif: bool = True,
        aspect: str = "stretch",
        background: str | None = None,
        decoder: int = 2,
        cache: str | Path = "features_cache",
        engine: str = "auto",
        batch_size: int = 32,
        device: str = "auto",
        max_pixels: int = MAX_PIXELS,
        progress: bool | None = None,
    ) -> None:
        self.base = base
        self.size = size
        self.cut = cut
        self.pool = pool
        self.preprocess = preprocess
        self.weights = weights
        self.resize = resize
        self.exif = exif
        self.aspect = aspect
        self.background = background
        self.decoder = decoder
        self.cache = cache
        self.engine = engine
        self.batch_size = batch_size
        self.device = device
        self.max_pixels = max_pixels
        self.progress = progress

    def fit(self, X: GivenImages, y: Any = None) -> Self:
        """Do nothing: the trunk is frozen, so nothing is learned from the images."""
        return self

    def transform(self, X: GivenImages) -> NDArray[np.float32]:
        """Features of images, float32 (N, D); a frame after `set_output`.

        Args:
            X: N images: paths, also as one column of a frame (pandas, polars) or array; bytes of image files; PIL images; arrays
                (H, W) or (H, W, 3); or one array (N, H, W) or (N, H, W, 3). Pixels are integers in [0, 255], integers up to
                65535, whose bits are judged over X with a warning, or floats: in [0, 1] if no float in X is above 2, otherwise in [0, 255]. One of these alone is one image. An array of three
                dimensions is one image if its last dimension is 1, 3 or 4, otherwise N gray ones.

        Raises:
            DataNotFoundError: A file does not exist.
            UnreadableImageError: An image cannot be read, or is a folder, a table or an archive: rows and labels must stay
                paired, so none is left out.
        """
        return self._features(X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the D features: `featureextractor0`, `featureextractor1` and so on.

        Before the first `transform`, D is that of one black image, whose row is then in the store.

        Args:
            input_features: Not used; scikit-learn passes it.
        """
        known, width = getattr(self, "_width", (None, 0))
        if known != self._width_key():
            width = self._features(_BLACK).shape[1]
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{number}" for number in range(width)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _features(self, X: GivenImages) -> NDArray[np.float32]:
        settings = self._settings()
        given = read_given(X, settings.paths.hashes, exif=self.exif, with_folders=False, reading=make_reading(settings))
        given.check(given.manifest, need_all=True)
        for sentence in given.manifest.warnings:
            logger.warning("%s", sentence)
        recipe, _ = make_recipe(given.manifest, settings)
        extraction = make_rows(given.manifest, recipe, settings, keep=False)
        given.check(extraction.manifest, need_all=True)
        rows = extraction.store.read(extraction.keys(), pooling=self.pool)
        features = rows.reshape(len(rows), -1)
        self._width = self._width_key(), features.shape[1]
        return features

    def _width_key(self) -> tuple[Any, ...]:
        """The parameters that decide the number of features."""
        return self.base, self.size, self.cut, self.pool

    def _settings(self) -> Settings:
        parameters = self.get_params(deep=False)
        del parameters["pool"]
        parameters["fit"] = parameters.pop("aspect")
        if self.progress is None:
            del parameters["progress"]
        return Settings.of(**parameters)
