"""Networks that several tests look at: building one takes seconds, so each is built once."""

import functools
import gc

import keras
import numpy as np

from pipeline.bases.network import build_base
from pipeline.bases.table import BASES


@functools.cache
def small_base(name: str) -> keras.Model:
    """A base at its smallest size with fresh random weights. Not to be changed."""
    base = build_base(BASES[name], BASES[name].smallest_px)
    # Every build makes Keras collect garbage among all that lives, a second each time; this one lives to the end.
    gc.freeze()
    return base


def run(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The model's output without compiling it, which takes longer than two small images."""
    return model(images, training=False).numpy()
