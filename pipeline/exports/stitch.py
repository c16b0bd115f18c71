"""One Keras model from a run: pixels in, outputs out, preprocessing inside, standard layers only."""

import keras

from pipeline.bases.network import with_preprocessing
from pipeline.bases.table import Preprocessing


def stitch(
    trunk: keras.Model,
    preprocessing: Preprocessing,
    pooling: str,
    head: keras.Model,
) -> keras.Model:
    """Trunk and head as one model.

    Args:
        trunk: Preprocessed pixels to features, (B, h, w, C).
        preprocessing: Applied to the pixels before the trunk.
        pooling: `none`, `avg` or `max`, between trunk and head.
        head: Features, (B, h, w, C) or pooled (B, C), to outputs (B, K); see `pipeline.exports.head_layers.finished`.

    Returns:
        RGB pixels in [0, 255], float32 (B, H, W, 3), to outputs, float32 (B, K).
    """
    features = with_preprocessing(trunk, preprocessing, pooling)
    return keras.Model(features.input, head(features.output), name="pixels_to_outputs")
