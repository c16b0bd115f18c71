"""Predictions as rows: one for each image that was given, whether it could be read or not."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError, UnreadableImageError
from pipeline.images.decode import Decoder
from pipeline.images.given import Given
from pipeline.images.manifest import Manifest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """The label of one image."""

    path: str
    """The image's name as it was given; `#3` for an image without a name that was given fourth."""

    label: str | None
    """The most likely class; None if the image cannot be read."""

    probability: float | None
    top: tuple[tuple[str, float], ...]
    """The most likely classes with their probabilities."""

    reason: str | None = None
    """Why the image cannot be read."""

    def __getitem__(self, key: str) -> Any:
        """A field by its name, as in the JSON of `predict`."""
        return self.as_dict()[key]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"top": [list(pair) for pair in self.top]}


class Predictions(tuple[Prediction, ...]):
    """One prediction for each image, in the order given."""

    __slots__ = ()

    def as_dict(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [entry.as_dict() for entry in self]


def check_top(top: int) -> None:
    """Check how many classes are to be listed.

    Raises:
        SettingError: Fewer than one.
    """
    if top < 1:
        raise SettingError(f"At least one class is listed for each image. Received: top {top}.")


def decode_rows(
    manifest: Manifest, rows: Sequence[int], decoder: Decoder
) -> tuple[list[NDArray[np.uint8]], dict[int, str]]:
    """Pixels (H, W, 3) of the rows that can be read, in order, and the reason for each of the others."""
    pixels, unread = [], {}
    for row in rows:
        try:
            pixels.append(decoder.decode(manifest.read(row)))
        except UnreadableImageError as error:
            unread[row] = str(error)
        except OSError as error:
            unread[row] = f"cannot be read: {error.strerror or error}"
    return pixels, unread


def label_given(
    given: Given,
    read: Manifest,
    probabilities: NDArray[np.float32],
    classes: Sequence[str],
    *,
    top: int,
    strict: bool,
) -> Predictions:
    """One prediction for each image, in the order given; a warning says how many cannot be read.

    Args:
        given: N images.
        read: Those of them that could be read.
        probabilities: Of each of those, (number of those, K).
        classes: Names of the K classes.
        top: How many classes to list for each image.
        strict: An image that cannot be read is an error.

    Returns:
        N predictions. An image that cannot be read has a reason, no label and no probability.

    Raises:
        DataNotFoundError, UnreadableImageError: As `Given.check` raises them.
    """
    problem = given.check(read, need_all=strict)
    if problem:
        logger.warning("%s", problem)
    unread = given.unread(read)
    rows = dict(zip(read.positions, probabilities, strict=True))
    return Predictions(
        Prediction(name, None, None, (), unread[place]) if place in unread else _ranked(name, rows[place], classes, top)
        for place, name in enumerate(given.names)
    )


def _ranked(name: str, probabilities: NDArray[np.float32], classes: Sequence[str], top: int) -> Prediction:
    """The prediction for an image, the most likely classes first."""
    order = np.argsort(-probabilities, kind="stable")
    pairs = tuple((classes[k], float(probabilities[k])) for k in order[:top])
    return Prediction(name, *pairs[0], pairs)
