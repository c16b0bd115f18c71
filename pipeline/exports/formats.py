"""The four formats of exports, by the ending of the file name."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, RunNotFoundError, SettingError, foreign_file
from pipeline.exports import keras_file, onnx_file, saved_model, tflite_file
from pipeline.exports.description import Description, Predict

if TYPE_CHECKING:
    import keras


class Format(Protocol):
    """What the module of a format has."""

    NAME: str

    def require(self) -> None:
        """Raise MissingExtraError if a package is missing."""

    def write(self, model: "keras.Model", path: Path, description: Description) -> None:
        """Write a model to a path that has the format's ending."""

    def describe(self, path: Path) -> Description:
        """The description in an exported file, without its network; raises DamagedStoreError if it is no export of a run."""
        ...

    def load(self, path: Path) -> tuple[Description, Predict]:
        """The file's description and its network; raises DamagedStoreError."""
        ...


FORMATS: dict[str, Format] = {".keras": keras_file, ".onnx": onnx_file, ".tflite": tflite_file, "": saved_model}
"""By ending; a SavedModel is a folder whose name has none."""

_LARGEST = 1 + 1e-5
"""A p-value of 1, with what float32 adds to it."""

_ENDINGS = tuple(filter(None, FORMATS))


def format_of(path: Path) -> Format:
    """The format of a file name.

    Raises:
        SettingError: No format has this ending.
    """
    if path.suffix not in FORMATS:
        raise SettingError(
            "A run is exported as name.keras, name.onnx, name.tflite, or as a SavedModel, a folder whose name has no ending. "
            f"Received: {path}."
        )
    return FORMATS[path.suffix]


def is_exported(path: Path) -> bool:
    """Whether a file or folder looks like one of the formats."""
    if path.is_dir():
        return (path / "saved_model.pb").is_file()
    return path.is_file() and path.suffix in _ENDINGS


def check_exported(path: Path) -> None:
    """Check that a file or folder looks like one of the formats.

    Raises:
        RunNotFoundError: It does not, or there is none.
    """
    if not is_exported(path):
        raise RunNotFoundError(
            f"{path} is no file with one of the endings {', '.join(_ENDINGS)}, and no SavedModel folder."
        )


def load_format(path: Path) -> tuple[Description, Predict]:
    """Load an exported file of any of the formats; what each format refuses is in its module.

    Raises:
        RunNotFoundError: There is no such file, or it looks like none of the formats.
        DamagedStoreError: It is not the export of a run. Calling the result raises it too.
        MissingExtraError: The library that runs this format is not installed.
    """
    check_exported(path)
    form = saved_model if path.is_dir() else FORMATS[path.suffix]
    with foreign_file(path, f"cannot be loaded as {form.NAME}"):
        description, predict = form.load(path)
    return description, partial(_predict, path, description, predict)


def _predict(
    path: Path, description: Description, predict: Predict, pixels: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What the file predicts.

    Raises:
        DamagedStoreError: It cannot be run, or its output is not (N, K) finite numbers, or a p-value is not in (0, 1].
    """
    with foreign_file(path, "cannot be run"):
        outputs = np.asarray(predict(pixels))
    num_columns, what = len(description.task.names) + bool(description.p_values), " and ".join(description.output_names)
    expected = (len(pixels), num_columns)
    if outputs.shape != expected or outputs.dtype.kind != "f" or not np.isfinite(outputs).all():
        raise DamagedStoreError(
            f"{path} does not predict {expected} finite {what}. Received: shape {outputs.shape}, {outputs.dtype}, "
            f"{'with' if outputs.dtype.kind == 'f' and not np.isfinite(outputs).all() else 'without'} NaN or infinity. "
            "Export the run again."
        )
    if description.p_values and not ((outputs[:, -1] > 0) & (outputs[:, -1] <= _LARGEST)).all():
        raise DamagedStoreError(
            f"{path} gives p-values from {outputs[:, -1].min():g} to {outputs[:, -1].max():g}, and they are above 0 and at most 1. "
            "Export the run again."
        )
    return outputs
