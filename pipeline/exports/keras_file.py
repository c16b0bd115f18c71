"""The `.keras` file: Keras's own format, with the description as one more member of the archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.exports.description import Description, Predict, add_member, check_shapes, read_member

if TYPE_CHECKING:
    import keras

NAME = "Keras"
_DAMAGE = (ValueError, OSError, LookupError, TypeError, AttributeError, EOFError, NotImplementedError, BadZipFile)


def require() -> None:
    """Nothing is needed beside Keras."""


def write(model: "keras.Model", path: Path, description: Description) -> None:
    """Write the file; Keras ignores the added members."""
    model.save(path)
    add_member(path, description)


def load(path: Path) -> tuple[Description, Predict]:
    """Load in safe mode, which runs no code of the file.

    Raises:
        DamagedStoreError: It is not an exported file that safe mode accepts.
    """
    description = read_member(path)
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        shapes = model.input_shape, model.output_shape
    except _DAMAGE as error:
        raise DamagedStoreError(f"{path} cannot be loaded in Keras's safe mode: {error}") from error
    check_shapes(path, description, *shapes)

    def predict(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[Any] = model.predict_on_batch(pixels)
        return probabilities

    return description, predict
