"""Whether an exported file predicts what its run predicts."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DisagreementError
from pipeline.progress import progress_bar
from pipeline.stage_two.novelty.detector import Detector
from pipeline.tasks.task import Task

TOLERANCE = 1e-3
"""Maximum difference of an output, from the same pixels: of a probability, or of a number in standard deviations of the run's numbers."""

DISTANCE_TOLERANCE = 1e-4
"""Maximum difference of a distance, in [0, 2], from which a file's p-value may come instead of the run's."""

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
    """Of a probability, or of a number in standard deviations of the run's numbers."""

    ties: int
    """Images with another label than the run gives: the run's two most likely classes, or a probability and its threshold, differ by less
    than twice the tolerance there. 0 for numbers."""


def measure_parity(
    task: Task, expected: NDArray[np.float32], received: NDArray[np.float32], tolerance: float, what: str
) -> Parity:
    """Compare a file's predictions on N images with its run's.

    If all probabilities agree within the tolerance t, a label can differ only where the run's two most likely classes are less
    than 2 t apart, or a probability is less than t from its threshold. These ties are counted.

    Args:
        task: What the run answers.
        expected: The run's outputs, (N, K).
        received: The file's, (N, K).
        tolerance: Maximum difference.
        what: Name of the file, for the message.

    Raises:
        DisagreementError: An output differs by more, or is NaN.
    """
    is_comparable = received.shape == expected.shape
    difference = float((np.abs(received - expected) / task.units(expected)).max()) if is_comparable else np.inf
    if not difference <= tolerance:
        raise DisagreementError(
            f"{what} disagrees with its run by {difference:.2g} in one of its {task.output_name} over {len(expected)} images; "
            f"the limit is {tolerance:g}: it was not written.{_ROUNDING_CURE if difference < _ROUNDING else ''}"
        )
    return Parity(len(expected), difference, int(task.differs(expected, received).sum()))


@dataclass(frozen=True)
class PValueParity:
    """How close a file's p-values are to those of its run."""

    different: int
    """Images with another p-value: validation images are about as far as they are, and the two round in different ways."""

    largest_difference: float
    """Of a p-value."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_p_values(
    detector: Detector, distances: NDArray[np.float32], received: NDArray[np.float64], what: str
) -> PValueParity:
    """Compare a file's p-values of N images with its run's.

    A p-value is a count of the validation images that are at least as far, so it changes by whole steps of 1 / (n + 1). The file's must be one that
    the run gives for a distance within `DISTANCE_TOLERANCE`.

    Args:
        detector: That of the run.
        distances: The run's, (N,).
        received: The file's p-values, (N,).
        what: Name of the file, for the message.

    Raises:
        DisagreementError: A p-value is none of these.
    """
    expected = detector.p_values(distances)
    least, most = (
        detector.p_values(distances + np.float32(step)) for step in (DISTANCE_TOLERANCE, -DISTANCE_TOLERANCE)
    )
    rounding = detector.smallest / 2
    off = np.abs(received - expected)
    if not ((received >= least - rounding) & (received <= most + rounding)).all():
        raise DisagreementError(
            f"{what} disagrees with its run by {off.max():.2g} in a p-value over {len(expected)} images, more than distances that differ by "
            f"{DISTANCE_TOLERANCE:g} explain: it was not written. Export to another format, or without --p-value."
        )
    return PValueParity(int((off > rounding).sum()), float(off.max()))


def in_batches(
    predict: Callable[[Any], NDArray[np.float32]], images: Sequence[Any] | NDArray[Any], *, desc: str, progress: bool
) -> NDArray[np.float32]:
    """Outputs, float32 (N, K), of N images, one batch at a time."""
    parts = []
    with progress_bar(desc=desc, total=len(images), unit="image", progress=progress) as bar:
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            parts.append(predict(batch))
            bar.update(len(batch))
    return np.concatenate(parts)
