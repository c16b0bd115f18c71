"""The settings of a training. Needs no TensorFlow."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.errors import SettingError

KEEPS = ("best", "last")
VIEW_MODES = ("sample", "all")
SCHEDULES = ("constant", "cosine", "plateau")

OnEpoch = Callable[[Mapping[str, float]], None]
"""Told of each epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds."""


@dataclass(frozen=True)
class Training:
    """How a dense head is trained."""

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    """`adam`, `rmsprop` or `sgd`, with settings after a colon: `sgd:momentum=0.9`."""

    schedule: str = "constant"
    """`constant`; `cosine` to zero over all epochs; `plateau`: times 0.3 after 3 epochs without gain."""

    patience: int = 0
    """Stop after so many epochs without a smaller validation loss; 0 never stops early."""

    keep: str = "best"
    """Weights at the end: of the epoch with the `best` validation loss, or of the `last`."""

    view_mode: str = "sample"
    """With views: an epoch sees one view an image, drawn anew (`sample`), or `all` of them."""

    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (
            ("epochs", self.epochs),
            ("batch size", self.batch_size),
            ("learning rate", self.learning_rate),
        ):
            if not 0 < value < math.inf:
                raise SettingError(f"The {name} is a positive number. Received: {value}.")
        if self.schedule not in SCHEDULES:
            raise SettingError(f"The schedule is one of {SCHEDULES}. Received: {self.schedule!r}.")
        if self.view_mode not in VIEW_MODES:
            raise SettingError(f"The view mode is one of {VIEW_MODES}. Received: {self.view_mode!r}.")
        if self.keep not in KEEPS:
            raise SettingError(f"Keep is one of {KEEPS}. Received: {self.keep!r}.")
        if self.patience < 0:
            raise SettingError(f"The patience is 0 (never stop early) or more. Received: {self.patience}.")

    def cosine_rate(self, epoch: int, _: float | None = None) -> float:
        """Learning rate of an epoch, counted from 0, on half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
