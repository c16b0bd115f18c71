"""Whether an exported file predicts what its run does."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from pipeline.errors import DisagreementError

NUM_IMAGES = 200
TOLERANCE = 1e-3
"""Largest difference of a probability, from the same pixels."""

ENCODED_TOLERANCE = 5e-2
"""The same from encoded photographs: with the Pillow whose arithmetic the graph follows the pixels are the same, bit for bit;
other releases of it resize tall images by up to seven grey levels otherwise."""

_BATCH = 32


@dataclass(frozen=True)
class Parity:
    """How near a file is to its run."""

    images: int
    largest_difference: float
    """In a probability."""

    ties: int
    """Images that got another label, one that the run itself held as likely, to within twice the tolerance."""


def measure_parity(expected: NDArray[np.float32], received: NDArray[np.float32], tolerance: float, what: str) -> Parity:
    """Judge what a file says of N images by what its run says.

    Where all probabilities agree to the tolerance t, a label can differ only where the run's own two likeliest are less than 2 t
    apart: these are the ties, and they are counted.

    Args:
        expected: The run's probabilities, (N, K).
        received: The file's, (N, K).
        tolerance: Largest difference.
        what: What is judged, for the message.

    Raises:
        DisagreementError: A probability differs by more, or is no number.
    """
    difference = float(np.abs(received - expected).max()) if received.shape == expected.shape else np.inf
    if not difference <= tolerance:
        raise DisagreementError(
            f"{what} disagrees with its run by {difference:.2g} in a probability over {len(expected)} images; "
            f"the limit is {tolerance:g}: it was not written."
        )
    return Parity(len(expected), difference, int((received.argmax(axis=1) != expected.argmax(axis=1)).sum()))


def in_batches(
    predict: Callable[[Any], NDArray[np.float32]], images: Sequence[Any] | NDArray[Any], *, desc: str, progress: bool
) -> NDArray[np.float32]:
    """Probabilities, float32 (N, K), of N images, a batch at a time."""
    parts = []
    with tqdm(desc=desc, total=len(images), unit="image", delay=2, disable=not progress) as bar:
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            parts.append(predict(batch))
            bar.update(len(batch))
    return np.concatenate(parts)


def synthetic_photographs(count: int, size_px: int) -> list[bytes]:
    """JPEG files for runs whose own photographs are gone: smooth colours, coarse to fine, of any contrast; always the same.

    They are larger than the network's input, one side more than the other.
    """
    rng = np.random.default_rng(0)
    return [_synthetic(rng, (size_px + size_px // 3 + 1, size_px + size_px // 7 + 1)) for _ in range(count)]


def _synthetic(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    cells, contrast, brightness = int(rng.integers(2, 16)), rng.uniform(0.1, 1), rng.uniform(64, 192)
    values = brightness + contrast * rng.uniform(-128, 128, (cells, cells, 3))
    coarse = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    stream = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()
