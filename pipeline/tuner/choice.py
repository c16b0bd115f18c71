"""The settings of a head on the page, and their possible values."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS, LINEAR_GRIDS, HeadSpec, LinearSpec, default_scale, parse_layers

DENSE = "dense"
"""Name of the dense head, beside those of the linear heads."""

HEADS = (*LINEAR_GRIDS, DENSE)
POOLINGS = ("avg", "max", "none")

_LEARNING_RATES = (1e-5, 1e-1)
_LISTED = ("shrinkage", "k")  # bounded, or whole numbers: the values of their grids are the stops


@dataclass(frozen=True)
class Choice:
    """A head and its training images."""

    head: str = "ridge"
    """One of `HEADS`."""

    value: float = 1000.0
    """Its regularisation, or the learning rate of a dense head."""

    pool: str | None = None
    """One of `POOLINGS`; None: as `bottleneck head` pools for this head."""

    classes: tuple[str, ...] = ()
    """Classes that take part; empty: all."""

    num_train: int | None = None
    """Number of training images, with the class shares of all of them; None: all."""

    layers: str = DEFAULT_LAYERS
    """The dense head."""

    epochs: int = 30
    """Of a dense head."""

    @property
    def is_linear(self) -> bool:
        return self.head != DENSE

    @property
    def spec(self) -> HeadSpec:
        """The head with its regularisation.

        Raises:
            HeadSpecError: The text of the dense head cannot be understood.
        """
        if self.is_linear:
            return LinearSpec(self.head, (self.value,), default_scale(self.head))
        return parse_layers(self.layers)

    @property
    def pooling(self) -> str:
        """Pooling of the rows, one of `POOLINGS`."""
        return self.pool or ("avg" if self.is_linear else "none")

    @property
    def training(self) -> Training:
        """How a dense head is trained."""
        return Training(epochs=self.epochs, learning_rate=0.001 if self.is_linear else self.value)


def parameter_of(head: str) -> str:
    """Name of the value that the slider sets."""
    return LINEAR_GRIDS[head][0] if head != DENSE else "learning rate"


def stops_of(head: str) -> tuple[float, ...]:
    """The stops of the slider: quarters of a decade. For `ridge` these are the values that `bottleneck head` chooses from."""
    parameter, grid = LINEAR_GRIDS.get(head, ("learning rate", _LEARNING_RATES))
    if parameter in _LISTED:
        return grid
    first, last = (round(4 * math.log10(end)) for end in (grid[0], grid[-1]))
    return tuple(float(f"{10 ** (step / 4):.3g}") for step in range(first, last + 1))


def first_value(head: str) -> float:
    """The value of the slider when a head is chosen: the middle one, or a learning rate of 0.001."""
    stops = stops_of(head)
    return 1e-3 if head == DENSE else stops[len(stops) // 2]


def sizes_of(num_images: int, num_classes: int) -> list[int]:
    """Sizes of a training set, each about 1.4 times the one before, from at least two images per class up to all."""
    least = min(num_images, max(2 * num_classes, num_images // 64))
    sizes = [num_images]
    while (size := round(num_images / 2 ** (len(sizes) / 2))) > least:
        sizes.append(size)
    return sizes[::-1]


def spread(strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A random order. The first images of it, however many, have nearly the shares of all images of each stratum, such as a class.

    Image j of the n images of its stratum gets position (j + 1/2) / n.

    Args:
        strata: The stratum of each image, (N,).
        seed: Of the order inside a stratum.
    """
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    position = np.empty(len(strata))
    for number in np.unique(strata):
        own = np.flatnonzero(strata[shuffled] == number)
        position[own] = (np.arange(len(own)) + 0.5) / len(own)
    return shuffled[np.argsort(position, kind="stable")]
