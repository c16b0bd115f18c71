"""Whether an exported file predicts what its run predicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DisagreementError
from pipeline.progress import progress_bar

TOLERANCE = 1e-3
"""Maximum difference of a probability, from the same pixels."""

ENCODED_TOLERANCE = 5e-2
"""The same from encoded images. With the Pillow release whose arithmetic the graph follows the pixels are identical; other
releases resize tall images differently, by up to seven grey levels."""

_ROUNDING = 5e-2
_ROUNDING_CURE = (
    " Formats round in different ways, and a head on few images, or on features that hardly vary, enlarges that. Export to another "
    "format, or train on more images."
)
_BATCH = 32


@dataclass(frozen=True)
class Parity:
    """How close a file's predictions are to those of its run."""

    images: int
    largest_difference: float
    """Of a probability."""

    ties: int
    """Images with another label than the run gives. The run's two most likely classes differ by less than twice the tolerance
    there."""


def measure_parity(expected: NDArray[np.float32], received: NDArray[np.float32], tolerance: float, what: str) -> Parity:
    """Compare a file's predictions on N images with its run's.

    If all probabilities agree within the tolerance t, a label can differ only where the run's two most likely classes are less
    than 2 t apart. These ties are counted.

    Args:
        expected: The run's probabilities, (N, K).
        received: The file's, (N, K).
        tolerance: Maximum difference.
        what: Name of the file, for the message.

    Raises:
        DisagreementError: A probability differs by more, or is NaN.
    """
    difference = float(np.abs(received - expected).max()) if received.shape == expected.shape else np.inf
    if not difference <= tolerance:
        raise DisagreementError(
            f"{what} disagrees with its run by {difference:.2g} in a probability over {len(expected)} images; "
            f"the limit is {tolerance:g}: it was not written.{_ROUNDING_CURE if difference < _ROUNDING else ''}"
        )
    return Parity(len(expected), difference, int((received.argmax(axis=1) != expected.argmax(axis=1)).sum()))


def in_batches(
    predict: Callable[[Any], NDArray[np.float32]], images: Sequence[Any] | NDArray[Any], *, desc: str, progress: bool
) -> NDArray[np.float32]:
    """Probabilities, float32 (N, K), of N images, one batch at a time."""
    parts = []
    with progress_bar(desc=desc, total=len(images), unit="image", progress=progress) as bar:
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            parts.append(predict(batch))
            bar.update(len(batch))
    return np.concatenate(parts)
