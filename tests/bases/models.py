"""Small models as users save them."""

from pathlib import Path

import keras
from keras import layers


def save_classifier(file: Path, *, kernel: int = 3, activation: str = "relu", preprocessing: bool = True) -> Path:
    """A trained-looking network with a top: pixels of 32 px to three classes."""
    keras.utils.set_random_seed(0)
    scaling = [layers.Rescaling(1 / 255, name="scale")] if preprocessing else []
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *scaling,
            layers.Conv2D(4, kernel, activation=activation, name="first"),
            layers.MaxPooling2D(name="half"),
            layers.Conv2D(8, 3, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(3, activation="softmax", name="classes"),
        ],
        name="flowers",
    )
    model.save(file)
    return file


def save_nested(file: Path) -> Path:
    """A network around another one, both with a layer of the same name, as in guides to transfer learning."""
    keras.utils.set_random_seed(1)
    inner = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="active")], name="inner"
    )
    pixels = keras.Input((32, 32, 3))
    features = inner(layers.RandomFlip(name="flip")(pixels), training=False)
    skip = layers.Conv2D(4, 1, name="conv")(features)
    grid = layers.Add(name="add")([features, skip])
    keras.Model(pixels, layers.Dense(2, name="classes")(layers.Flatten(name="flat")(grid))).save(file)
    return file
