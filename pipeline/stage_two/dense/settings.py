"""The settings of a training. Does not need TensorFlow."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import SettingError, check_choice

LOSSES = ("mse", "mae", "huber")
KEEPS = ("best", "last")
VIEW_MODES = ("sample", "all")
SCHEDULES = ("constant", "cosine", "plateau")

OnEpoch = Callable[[Mapping[str, float]], None]
"""Called with the values of each epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds."""


@dataclass(frozen=True)
class Training:
    """How a dense head is trained."""

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    """`adam`, `rmsprop` or `sgd`, with settings after a colon: `sgd:momentum=0.9`."""

    schedule: str = "constant"
    """Learning rate: `constant`; `cosine`, to zero over all epochs; `plateau`, times 0.3 after 3 epochs without a smaller
    validation loss."""

    patience: int = 0
    """Stop after this number of epochs without a smaller validation loss; 0 never stops early."""

    keep: str = "best"
    """Which weights are kept: those of the epoch with the `best` validation loss, or of the `last` epoch."""

    loss: str = "mse"
    """What is minimised for numbers, in deviations of the training images: `mse`, `mae` or `huber`. Classes and labels have one loss."""

    view_mode: str = "sample"
    """With views: each epoch trains on one random view per image (`sample`), or on `all` views."""

    seed: int = 0

    class_weight: str | None = None
    """How much images count by their class, of linear heads too: `balanced`, or JSON; see `pipeline.stage_two.weights`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; those that versions before 0.4 did not have only if they are not the defaults."""
        new = {"loss": Training.loss, "class_weight": Training.class_weight}
        return {name: value for name, value in asdict(self).items() if name not in new or value != new[name]}

    def __post_init__(self) -> None:
        for name, value in (
            ("epochs", self.epochs),
            ("batch size", self.batch_size),
            ("learning rate", self.learning_rate),
        ):
            if not 0 < value < math.inf:
                raise SettingError(f"The {name} is a positive number. Received: {value}.")
        check_choice("loss", self.loss, LOSSES)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("view mode", self.view_mode, VIEW_MODES)
        check_choice("epoch to keep", self.keep, KEEPS)
        if self.patience < 0:
            raise SettingError(f"The patience is 0 (never stop early) or more. Received: {self.patience}.")

    def cosine_rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0: half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
