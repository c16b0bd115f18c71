"""Several bases as one network: the same pixels, the preprocessing of each, and average-pooled features side by side."""

from collections.abc import Sequence

import keras

from pipeline.bases.cut import divide
from pipeline.bases.names import JOINED
from pipeline.bases.network import with_preprocessing
from pipeline.bases.table import BaseSpec


def join(spec: BaseSpec, bases: Sequence[keras.Model]) -> keras.Model:
    """RGB pixels in [0, 255], (B, H, W, 3), to the features of all, float32 (B, C1 + C2 + ...).

    Args:
        spec: That of the joined base.
        bases: The networks of its parts, for images of one size.
    """
    pixels = keras.Input(bases[0].input_shape[1:], dtype="float32", name="pixels")
    features = [_on_pixels(base, part)(pixels) for base, part in zip(bases, spec.parts, strict=True)]
    return keras.Model(pixels, keras.layers.Concatenate(name=JOINED, dtype="float32")(features), name=JOINED)


def _on_pixels(base: keras.Model, part: BaseSpec) -> keras.Model:
    """A part with its preprocessing and pooling, named as the part: Keras names some networks after the size of the images."""
    whole = with_preprocessing(divide(base, part.last_layer)[0], part.native_preprocessing, "avg")
    return keras.Model(whole.input, whole.output, name=part.name)
