"""What a person chooses on the page, and between what."""

import math
from dataclasses import dataclass

from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import DEFAULT_LAYERS, LINEAR_GRIDS, HeadSpec, LinearSpec, default_scale, parse_layers

LAYERS = "dense"
"""The choice of a head of layers, beside the linear ones."""

HEADS = (*LINEAR_GRIDS, LAYERS)
POOLINGS = ("avg", "max", "none")

_LEARNING_RATES = (1e-5, 1e-1)
_LISTED = ("shrinkage", "k")  # bounded, or whole numbers: their grids are the stops as they are


@dataclass(frozen=True)
class Choice:
    """One setting of all controls."""

    head: str = "ridge"
    """One of `HEADS`."""

    value: float = 1000.0
    """Its regularisation; the learning rate of layers."""

    pooling: str = "avg"
    """One of `POOLINGS`."""

    classes: tuple[str, ...] = ()
    """Images of other classes are left out; empty: none are."""

    num_train: int | None = None
    """So many training images, spread over the classes as all of them are; None: all."""

    layers: str = DEFAULT_LAYERS
    """What `dense` is."""

    epochs: int = 30
    """Of layers."""

    @property
    def is_linear(self) -> bool:
        return self.head != LAYERS

    @property
    def spec(self) -> HeadSpec:
        """The head with its regularisation.

        Raises:
            HeadSpecError: The layers cannot be understood.
        """
        if self.is_linear:
            return LinearSpec(self.head, (self.value,), default_scale(self.head))
        return parse_layers(self.layers)

    @property
    def training(self) -> Training:
        """How layers are trained."""
        return Training(epochs=self.epochs, learning_rate=0.001 if self.is_linear else self.value)


def parameter_of(head: str) -> str:
    """What the slider moves."""
    return LINEAR_GRIDS[head][0] if head != LAYERS else "learning rate"


def stops_of(head: str) -> tuple[float, ...]:
    """The stops of the slider: quarters of a decade, which for `ridge` are the values that it chooses from itself."""
    parameter, grid = LINEAR_GRIDS.get(head, ("learning rate", _LEARNING_RATES))
    if parameter in _LISTED:
        return grid
    first, last = (round(4 * math.log10(end)) for end in (grid[0], grid[-1]))
    return tuple(float(f"{10 ** (step / 4):.3g}") for step in range(first, last + 1))


def first_value(head: str) -> float:
    """Where the slider stands when a head is taken: in the middle."""
    stops = stops_of(head)
    return 1e-3 if head == LAYERS else stops[len(stops) // 2]


def sizes_of(num_images: int, num_classes: int) -> list[int]:
    """Sizes of a training set, each about 1.4 times the one before, from two images a class up to all."""
    least = min(num_images, max(2 * num_classes, num_images // 64))
    sizes = [num_images]
    while (size := round(num_images / 2 ** (len(sizes) / 2))) > least:
        sizes.append(size)
    return sizes[::-1]
