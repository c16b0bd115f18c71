"""The checkpoint of a training: written after each epoch, and read when an interrupted training continues.

A damaged checkpoint is renamed, and the training starts again from its first epoch.
"""

import json
import logging
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.files import put, remove, replacing

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

HISTORY_KEYS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
_PLAIN = {"epoch": int, "history": list, "best_loss": float, "waited": int, "plateau_waited": int, "factor": float}
"""The fields of a state that are saved as JSON, with their types."""

# The errors that zipfile and numpy raise on damaged bytes; numpy raises TokenError for a damaged header.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class State:
    """What an interrupted training needs in order to continue, besides its variables."""

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry per epoch, with the keys of `HISTORY_KEYS`."""

    best_loss: float = float("inf")
    best: list[NDArray[Any]] = field(default_factory=list)
    """Weights of the best epoch, in the order of `model.get_weights()`; empty if the weights of the last epoch are kept."""

    waited: int = 0
    """Epochs since the best one."""

    plateau_waited: int = 0
    """Epochs since the best one, or since the learning rate was last reduced."""

    factor: float = 1.0
    """The learning rate as a multiple of the initial one."""


def save_checkpoint(path: Path, state: State, variables: "Sequence[keras.Variable]") -> None:
    """Write the state and the variables. The complete file replaces the earlier checkpoint."""
    plain = {name: getattr(state, name) for name in _PLAIN}
    arrays = {f"v{number}": np.asarray(variable) for number, variable in enumerate(variables)}
    arrays |= {f"best{number}": array for number, array in enumerate(state.best)}
    with replacing(path) as beside:
        np.savez(beside, allow_pickle=False, state=np.array(json.dumps(plain)), **arrays)


def load_checkpoint(path: Path, variables: "Sequence[keras.Variable]", weights: "Sequence[keras.Variable]") -> State:
    """Assign the saved values to the variables and return the state; a new state if there is no usable checkpoint.

    The whole file is read and checked before a variable is assigned, so a damaged checkpoint changes no variable. The damaged
    file is renamed to end in `.damaged`.

    Args:
        path: The file, an `.npz`.
        variables: The variables that were saved, in the same order.
        weights: The model's weights, in the order of `State.best`.
    """
    if not path.exists():
        return State()
    try:
        state, values = _read(path, variables, weights)
    except _DAMAGE as error:
        aside = path.with_name(f"{path.name}.damaged")
        remove(aside)
        put(path, aside)
        logger.warning(
            "The checkpoint %s is damaged (%s). It was renamed to %s, and the training starts again from its first epoch.",
            path,
            error or type(error).__name__,
            aside.name,
        )
        return State()
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return state


def _read(
    path: Path, variables: "Sequence[keras.Variable]", weights: "Sequence[keras.Variable]"
) -> tuple[State, list[NDArray[Any]]]:
    # Opened here, because numpy does not close a file that is not an archive.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        state = State(**_checked(json.loads(str(archive["state"]))))
        values = [_like(archive, f"v{number}", variable) for number, variable in enumerate(variables)]
        if any(name.startswith("best") for name in archive.files):
            state.best = [_like(archive, f"best{number}", weight) for number, weight in enumerate(weights)]
    return state, values


def _checked(plain: Any) -> dict[str, Any]:
    if not isinstance(plain, dict) or set(plain) != set(_PLAIN):
        raise ValueError(f"its state does not have the fields {', '.join(_PLAIN)}")
    wrong = [name for name, kind in _PLAIN.items() if type(plain[name]) is not kind]
    history = plain["history"]
    if wrong or len(history) != plain["epoch"] or not all(_is_entry(entry) for entry in history):
        raise ValueError(f"its state has invalid values: {', '.join(wrong) or 'history'}")
    return plain


def _is_entry(entry: Any) -> bool:
    """Whether it is one epoch of a history."""
    return (
        isinstance(entry, dict)
        and set(entry) == set(HISTORY_KEYS)
        and all(isinstance(value, int | float) for value in entry.values())
    )


def _like(archive: Any, name: str, variable: "keras.Variable") -> NDArray[Any]:
    """A member of the archive, which must have the shape and dtype of the variable."""
    value, expected = archive[name], np.asarray(variable)
    if not isinstance(value, np.ndarray) or (value.shape, value.dtype) != (expected.shape, expected.dtype):
        found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else "bytes"
        raise ValueError(f"{name} is {found}, expected {expected.dtype} {expected.shape}")
    return value
