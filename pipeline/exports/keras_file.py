"""The `.keras` file: Keras's own format, with the description as one more member of the archive."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, SettingError, foreign_file
from pipeline.exports.description import Description, Predict, add_member, check_shapes, read_member, side_by_side
from pipeline.files import read_json
from pipeline.images.files.limits import check_archive

if TYPE_CHECKING:
    import keras

NAME = "Keras"

LABELS_ENDING = ".labels.json"
"""Ending of the file beside the export that has the names of the classes, in the order of the outputs."""

_MAX_LABEL_BYTES = 2**24


def require() -> None:
    """Nothing is needed beside Keras."""


def write(model: "keras.Model", path: Path, description: Description) -> None:
    """Write the file; Keras ignores the added members."""
    model.save(path)
    add_member(path, description)


def describe(path: Path) -> Description:
    """The description in an exported file.

    Raises:
        DamagedStoreError: It has none.
    """
    return read_member(path)


def check_labels(labels: Path, path: Path, classes: Sequence[str]) -> None:
    """Check that the file of the labels is free, or that an export wrote it: its content decides, not its name.

    Args:
        labels: The file.
        path: The export that it belongs to; an earlier one of this name has its labels inside.
        classes: Names of the classes.

    Raises:
        SettingError: It is another file.
    """
    if not labels.exists() and not labels.is_symlink():
        return
    own = [list(classes)]
    with contextlib.suppress(DamagedStoreError):
        own.append(list(read_member(path).task.names))
    if _read_labels(labels) not in own:
        raise SettingError(
            f"A Keras export also writes its labels to {labels}. That file exists, and no export of this name wrote it. "
            "Choose another name, or move the file away."
        )


def _read_labels(path: Path) -> Any:
    """The content of a file of labels; None if it is not a regular file of JSON."""
    try:
        return read_json(path, _MAX_LABEL_BYTES)
    except (OSError, ValueError):
        return None


def load(path: Path) -> tuple[Description, Predict]:
    """Load in safe mode, which runs no code of the file.

    Raises:
        DamagedStoreError: It is not an exported file that safe mode accepts.
    """
    description = read_member(path)
    import keras

    with foreign_file(path, "cannot be loaded in Keras's safe mode"):
        check_archive(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        made = model.output  # tensors by name, or one tensor
        shapes = [made[name].shape for name in description.output_names] if description.p_values else [made.shape]
    check_shapes(path, description, model.input_shape, *shapes)

    def predict(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        made: Any = model.predict_on_batch(pixels)
        return side_by_side(made, description) if description.p_values else made

    return description, predict
